"""Turns the weights of a published program into a file that this library runs.

  python -m llve_jax.zoo.import_weights --model=zero_dce Epoch99.pth zero_dce.safetensors

FILE is in the program's own format (.pth, .pt, .h5); nothing that it holds is run.
"""

from collections.abc import Sequence

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading")  # what follows takes seconds to load

import jax
from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.zoo import importers

_MODEL = flags.DEFINE_string("model", None, f"One of: {', '.join(sorted(importers.IMPORTERS))}.")


def run(file: str, out: str, model: str | None) -> str:
  """Converts FILE to OUT and says what was written.

  Raises:
    UserError: no network named, or bad input.
  """
  if not model:
    raise UserError(
      f"which network is {file}? pass --model=NAME, one of: "
      f"{', '.join(sorted(importers.IMPORTERS))}"
    )
  network = importers.load(file, model)
  importers.save(network, out)
  count = sum(leaf.size for leaf in jax.tree.leaves(network.variables["params"]))
  return (
    f"wrote {out}: {network.name}, {count:,} parameters; weights by "
    f"{network.origin['published']}, licence {network.origin['license']}"
  )


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) != 3:
    found = f"{len(argv) - 1}: {' '.join(argv[1:])}"
    raise UserError(f"expected two paths, FILE and OUT; found {found}")
  jax.config.update("jax_platforms", "cpu")  # an accelerator has nothing to do here
  print(run(argv[1], argv[2], _MODEL.value))


if __name__ == "__main__":
  run_main(main)
