"""Whatever turns dark frames into bright ones, through one interface.

bright = llve_jax.methods.load("/tmp/run")(dark)   # uint8 [t, h, w, 3] -> the same
"""

from llve_jax.methods.method import Method
from llve_jax.methods.named import HELP, load

__all__ = ["HELP", "Method", "load"]
