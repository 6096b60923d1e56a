"""Runs a SavedModel on frames from a file, on a machine that seems to have no JAX.

`python -P saved_model_runner.py MODEL INPUTS.npz OUTPUTS.npz`: every array of INPUTS, called
"NUMBER WAY", goes through MODEL that way and comes out under the same name. Ways: `serving_default`
and `frames`, which are signatures; `next`: clips [b, t, h, w, c], the first frame through `start`,
each other one through `next`; `encoded`: uint8 [n, h, w, 3] as PNG and back. Nothing of this
package is imported.
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


def apply(signatures: Any, way: str, given: np.ndarray) -> np.ndarray:
  """What the signatures make of one array."""
  import tensorflow as tf

  if way == "next":
    result = signatures["start"](frame=tf.constant(given[:, 0]))
    frames = [result.pop("frame").numpy()]
    for index in range(1, given.shape[1]):
      result = signatures["next"](frame=tf.constant(given[:, index]), **result)
      frames.append(result.pop("frame").numpy())
    return np.stack(frames, axis=1)
  if way == "encoded":
    content = tf.stack([tf.io.encode_png(image) for image in given])
    found = signatures["encoded"](image_bytes=content)["image_bytes"]
    return np.stack([tf.io.decode_png(image).numpy() for image in found])
  name = "clip" if way == "serving_default" else way
  (found,) = signatures[way](**{name: tf.constant(given)}).values()
  return np.asarray(found)


def main(model: str, inputs: str, outputs: str) -> None:
  """Loads `model`, applies it to each array of `inputs`, writes `outputs`."""
  sys.meta_path.insert(0, NoJax())
  import tensorflow as tf

  loaded = tf.saved_model.load(model)  # holds the variables that its signatures read
  with np.load(inputs) as arrays:
    results = {
      name: apply(loaded.signatures, name.split()[1], given) for name, given in arrays.items()
    }
  assert "jax" not in sys.modules, "JAX was imported, so nothing shows that the export needs none"
  np.savez(outputs, **results)  # type: ignore[arg-type]


if __name__ == "__main__":
  main(*sys.argv[1:])
