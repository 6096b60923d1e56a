"""Every network of `MODELS` at its default width, in every format: written and equal, or refused.

  python -m experiments.benchmarks.exports --networks=deblur_gan          # minutes, gigabytes
  python -m experiments.benchmarks.exports --networks=kpn --formats=onnx --size=128x96

The tests export all of them with a few channels (`tests/export/test_every_network.py`), which is
what a machine has time for at every change; this is for once in a release. Weights are those that
training starts from, but for biases and others that start alike: they leave some networks all but
without an effect, and an export of nothing equals anything. Each export is what `python -m
llve_jax.export` writes and compares in a fresh process. `onnx` has open sizes, and where that is
refused is tried again at --size, as `litert` always is. Printed are rows of a table in Markdown,
the peak of this process's memory behind them.
"""

import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from llve_jax import models
from llve_jax.errors import UserError, run_main
from llve_jax.export import formats
from llve_jax.export.options import Options, parse_size
from llve_jax.zoo.trained import Trained

HEAD = (
  "| network | format | largest difference | allowed | MiB | seconds |\n"
  "| --- | --- | --- | --- | --- | --- |"
)


def stirred_weights(name: str, **kwargs: Any) -> Trained:
  """A network with the weights that training starts from, moved where they are all alike."""
  module = models.build(name, **kwargs)
  traits = module.traits
  side = max(traits.stride, traits.least_side)
  clip = np.zeros((1, traits.least_frames, side, side, traits.channels), np.float32)
  initial = jax.jit(module.init)(jax.random.key(0), clip)
  random = np.random.default_rng(0)

  def leaf(weights: Any) -> np.ndarray:
    found = np.asarray(weights)
    if np.std(found) > 0:
      return found
    share = np.sqrt(1 / np.prod(found.shape[:-1])) if found.ndim > 1 else 0.1
    return np.asarray(found + share * np.tanh(random.normal(size=found.shape)), np.float32)

  return Trained(name, kwargs, module, jax.tree.map(leaf, initial), {})


def rows(network: Trained, format: str, size: str) -> Iterator[str]:
  """What becomes of one network in one format; two rows where open sizes are refused."""
  sizes: dict[str, tuple[str | None, ...]] = {"litert": (size,), "onnx": (None, size)}
  for asked in sizes.get(format, (None,)):
    label = f"`{format}`" + (f", {asked}" if asked else "")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
      out = Path(folder, "export")
      try:
        found = formats.export(network, out, format, Options(parse_size(asked))).parity
      except UserError as error:
        yield f"| `{network.name}` | {label} | refused: {error} | | | {_since(begin)} |"
        continue
      length = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 2**20
    measured = f"{found.largest:.1e} | {found.allowed:.1e} | {length:.1f}"
    yield f"| `{network.name}` | {label} | {measured} | {_since(begin)} |"
    return


def _since(begin: float) -> str:
  return f"{time.perf_counter() - begin:.0f}"


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_list("networks", sorted(models.MODELS), "Keys of MODELS.")
  flags.DEFINE_list("formats", sorted(formats.FORMATS), "Keys of FORMATS.")
  flags.DEFINE_string("size", "96x64", "WIDTHxHEIGHT, of formats of fixed size.")


def main(argv: Sequence[str]) -> None:
  """Prints the table."""
  values = flags.FLAGS
  if len(argv) > 1:
    raise UserError(f"expected flags alone; found {' '.join(argv[1:])}")
  for format in values.formats:
    formats.known_format(format)
  jax.config.update("jax_platforms", "cpu")
  print(HEAD)
  for name in values.networks:
    network = stirred_weights(name)
    for format in values.formats:
      for row in rows(network, format, values.size):
        print(row, flush=True)
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
  children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
  print(f"peak of memory: {peak:.1f} GiB here, {children:.1f} GiB in what ran the exports")


if __name__ == "__main__":
  define_flags()
  run_main(main)
