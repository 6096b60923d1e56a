"""Arrays of a Keras weights file (.h5), read without Keras: nothing in it is unpickled or run."""

import os
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError

Tensors = dict[str, Float[np.ndarray, "..."]]

_ROOT = "model_weights/"  # where a file with the whole model, not only its weights, keeps them
_MOST_RATIO = 1032  # that deflate reaches; HDF5 also says sizes of which it holds nothing


def read_tensors(path: str | os.PathLike[str]) -> Tensors:
  """All arrays by their path in the file, such as "conv2d_1/conv2d_1/kernel" (without ":0").

  Links to elsewhere and arrays kept in other files are not followed.

  Raises:
    UserError: no such file, no HDF5, or an array that is not of floating numbers in this file.
  """
  path = Path(path)
  if not path.is_file():
    raise UserError(f"{path}: no such file; expected Keras weights (.h5)")
  tensors: Tensors = {}
  size = path.stat().st_size
  try:
    with h5py.File(path, "r") as file:
      inner = _ROOT in file

      def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(node, h5py.Dataset) or (inner and not name.startswith(_ROOT)):
          return
        elsewhere = node.is_virtual or node.external
        if node.dtype.kind != "f" or elsewhere or node.nbytes > _MOST_RATIO * size:
          found = "kept in another file" if elsewhere else f"{node.dtype} of shape {node.shape}"
          raise UserError(
            f"{path}: expected arrays of floating numbers; found {name}, {found}; save the weights "
            "alone: model.save_weights(...)"
          )
        tensors[name.removeprefix(_ROOT).removesuffix(":0")] = node[()]

      file.visititems(visit)
  except UserError:
    raise
  except (OSError, RuntimeError, ValueError, KeyError) as error:  # what h5py makes of damage
    raise UserError(
      f"{path}: expected Keras weights in HDF5; found damaged or other data ({error}); fetch the "
      "file again"
    ) from error
  return tensors
