"""Frames in numpy's .npy files."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from llve_jax.errors import UserError


def read_npy(
  path: str | os.PathLike[str], *, dtype: Any, shape: tuple[int | None, ...]
) -> np.ndarray:
  """Opens an array without reading it: the file is mapped, a frame is read when it is indexed.

  Args:
    path: a .npy file; pickled objects are refused.
    dtype: the type it must have, such as np.uint16.
    shape: the shape it must have; None stands for any length.

  Raises:
    UserError: no such file, damaged or cut off, another type or shape.
  """
  path = Path(path)
  expected = f"{np.dtype(dtype)} {_text(shape)}"
  if not path.is_file():
    raise UserError(f"{path}: expected an array file (.npy), found none")
  try:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
  except (ValueError, EOFError, OSError) as error:
    raise UserError(
      f"{path}: expected {expected} in a .npy file, but it cannot be read: {error}; copy it again"
    ) from error
  if not isinstance(array, np.ndarray):
    raise UserError(f"{path}: expected one array in a .npy file, found an archive")
  fits = array.ndim == len(shape) and all(
    want in (None, have) for want, have in zip(shape, array.shape, strict=True)
  )
  if array.dtype != np.dtype(dtype) or not fits:
    raise UserError(f"{path}: expected {expected}, found {array.dtype} {_text(array.shape)}")
  return array


def _text(shape: tuple[int | None, ...]) -> str:
  return "[" + ", ".join("any" if side is None else str(side) for side in shape) + "]"
