"""Writes a trained network in a format that runs without JAX.

  python -m llve_jax.export --model=MODEL OUT [--format=saved_model]

MODEL is the folder of a training run, or a weights file. OUT is replaced only if it is an older
export. What is written has been run in a fresh process and equals the network to 1e-5; otherwise
nothing is written.
"""

import os
from collections.abc import Sequence

import jax
from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.export import command
from llve_jax.export.formats import FORMATS

_MODEL = flags.DEFINE_string("model", None, "The folder of a training run, or a weights file.")
_FORMAT = flags.DEFINE_string("format", "saved_model", f"One of: {', '.join(sorted(FORMATS))}.")


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) != 2:
    raise UserError(f"expected one path, OUT; found {len(argv) - 1}: {' '.join(argv[1:])}")
  # An export needs no accelerator: leave it alone, also TensorFlow.
  jax.config.update("jax_platforms", "cpu")
  os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
  print(command.run(argv[1], model=_MODEL.value, format=_FORMAT.value))


if __name__ == "__main__":
  run_main(main)
