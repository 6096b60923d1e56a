"""Dicts and lists of arrays, numbers and texts as one file; nothing in it is ever executed."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)  # NumPy does not know it
_FORM = "form"  # of the archive: what is not an array, as JSON
_ARRAY = "array"  # key of a dict that stands for one


def save_tree(path: str | os.PathLike[str], tree: Any) -> None:
  """Writes a tree whole or not at all; tuples become lists.

  Args:
    path: ends in .npz.
    tree: dicts with texts as keys, lists, tuples, NumPy arrays and numbers, None, bool, int, float
      and str.

  Raises:
    OSError: the disk is full, or the folder is gone.
  """
  arrays: dict[str, np.ndarray] = {}
  form = json.dumps(_taken_out(tree, arrays))
  with replacing(path) as temporary:
    np.savez(temporary, allow_pickle=False, **{_FORM: np.array(form)}, **arrays)


def load_tree(path: str | os.PathLike[str]) -> Any:
  """Reads what `save_tree` wrote.

  Raises:
    UserError: no such file, or it is damaged.
  """
  try:
    with np.load(path, allow_pickle=False) as arrays:
      return _put_back(json.loads(str(arrays[_FORM])), arrays)
  except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
    raise UserError(
      f"{Path(path)}: expected a file of arrays, but it cannot be read: {error}"
    ) from error


def _taken_out(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
  if isinstance(tree, np.ndarray):
    name = f"a{len(arrays)}"
    arrays[name] = tree.view(np.uint16) if tree.dtype == _BFLOAT16 else tree
    return {_ARRAY: name, "bfloat16": tree.dtype == _BFLOAT16}
  if isinstance(tree, np.generic):
    return tree.item()
  if isinstance(tree, dict):
    return {"dict": {key: _taken_out(value, arrays) for key, value in tree.items()}}
  if isinstance(tree, list | tuple):
    return [_taken_out(value, arrays) for value in tree]
  if tree is None or isinstance(tree, bool | int | float | str):
    return tree
  raise TypeError(f"expected dicts, lists, arrays, numbers and texts, got {type(tree).__name__}")


def _put_back(form: Any, arrays: Any) -> Any:
  if isinstance(form, list):
    return [_put_back(value, arrays) for value in form]
  if not isinstance(form, dict):
    return form
  if _ARRAY in form:
    array = arrays[form[_ARRAY]]
    return array.view(_BFLOAT16) if form["bfloat16"] else array
  return {key: _put_back(value, arrays) for key, value in form["dict"].items()}
