"""Runs a SavedModel on clips from a file, on a machine that seems to have no JAX.

`python -P saved_model_runner.py MODEL INPUTS.npz OUTPUTS.npz`: every array of INPUTS goes through
`serving_default` and comes out under the same name. Nothing of this package is imported.
"""

import importlib.abc
import sys
from typing import Any

import numpy as np


class NoJax(importlib.abc.MetaPathFinder):
  """Hides an installed JAX, which TensorFlow's converters would otherwise import."""

  def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
    """Refuses to import JAX; leaves everything else to the next finder."""
    if fullname.partition(".")[0] in ("jax", "jaxlib"):
      raise ModuleNotFoundError(f"{fullname} is hidden from this process", name=fullname)


def main(model: str, inputs: str, outputs: str) -> None:
  """Loads `model`, applies it to each array of `inputs`, writes `outputs`."""
  sys.meta_path.insert(0, NoJax())
  import tensorflow as tf

  loaded = tf.saved_model.load(model)  # holds the variables that its signature reads
  enhance = loaded.signatures["serving_default"]
  with np.load(inputs) as clips:
    results = {
      name: enhance(clip=tf.constant(clip))["clip"].numpy() for name, clip in clips.items()
    }
  assert "jax" not in sys.modules, "JAX was imported, so nothing shows that the export needs none"
  np.savez(outputs, **results)


if __name__ == "__main__":
  main(*sys.argv[1:])
