"""A network as serialised StableHLO, which JAX alone runs: no flax, nothing of this package.

One file for each signature (`llve_jax.export.signatures`), written by `jax.export` without
gradients, for CPU, CUDA and TPU, every size but the channels open. Programs take the weights, which
are the same file that training writes, as their first argument: {"params/layer/kernel": array}.
"""

from pathlib import Path
from typing import Any

import jax
from jax import export

from llve_jax.export import signatures
from llve_jax.export.options import Options, check_open
from llve_jax.export.probes import Probe, open_sizes
from llve_jax.export.signatures import Arrays, Signature
from llve_jax.io import bundle
from llve_jax.zoo.trained import Trained

PLATFORMS = ("cpu", "cuda", "tpu")
WEIGHTS = "weights.safetensors"
RUNNER = Path(__file__).with_name("stablehlo_runner.py")
SNIPPET = """\
  from pathlib import Path
  import jax.export, safetensors.numpy
  folder = Path({path!r})
  weights = safetensors.numpy.load_file(folder / "weights.safetensors")
  program = jax.export.deserialize((folder / "serving_default.stablehlo").read_bytes())
  bright = program.call(weights, {{"clip": dark}})["clip"]  # float32 [b, t, h, w, {channels}]"""


def prepare(network: Trained, options: Options) -> list[Probe]:
  """What the export is tried on; raises `UserError` where it cannot be written as asked for."""
  real = check_open(options, "stablehlo", network.traits)
  return open_sizes(network.traits, real, eight_bits=False)


def write(network: Trained, folder: Path, options: Options | None = None) -> list[str]:
  """Writes programs and weights into a folder that does not exist yet.

  Returns:
    The signatures, a line each.
  """
  del options
  folder.mkdir()
  offered = signatures.of(network)
  weights = jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), bundle.flatten(network.variables)
  )
  for signature in offered:
    program = export.export(jax.jit(_flat(signature)), platforms=PLATFORMS)(
      weights, signature.inputs
    )
    # No gradients: it is to be run, and they take most of the space.
    content = program.serialize(vjp_order=0)
    (folder / f"{signature.name}.stablehlo").write_bytes(bytes(content))
  bundle.save(
    folder / WEIGHTS,
    bundle.Bundle(network.name, network.kwargs, network.variables, network.origin),
  )
  return [*map(str, offered)]


def _flat(signature: Signature) -> Any:
  def run(weights: Arrays, inputs: Arrays) -> Arrays:
    return signature.apply(bundle.unflatten(weights), inputs)

  run.__name__ = signature.name
  return run
