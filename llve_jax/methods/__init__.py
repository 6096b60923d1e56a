"""Whatever turns dark frames into bright ones, through one interface.

bright = llve_jax.methods.load("/tmp/run")(dark)   # uint8 [t, h, w, 3] -> the same
steady = llve_jax.methods.Steadied(llve_jax.methods.load("zero_dce.safetensors"))
"""

from llve_jax.methods.method import Method
from llve_jax.methods.named import HELP, load
from llve_jax.methods.steady import Steadied
from llve_jax.methods.strength import Mixed

__all__ = ["HELP", "Method", "Mixed", "Steadied", "load"]
