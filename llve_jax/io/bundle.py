"""A trained network as one file: safetensors whose header says which network it is."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialized

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing


@dataclasses.dataclass(frozen=True)
class Bundle:
  """A network's name, the arguments that build it, its variables, and where they come from."""

  name: str
  kwargs: dict[str, Any]
  variables: dict[str, Any]
  origin: dict[str, Any]


def flatten(variables: dict[str, Any]) -> dict[str, Any]:
  """A tree of arrays as {"params/layer/kernel": array}."""
  flat: dict[str, Any] = traverse_util.flatten_dict(variables, sep="/")
  return flat


def unflatten(flat: dict[str, Any]) -> dict[str, Any]:
  """The inverse of `flatten`."""
  tree: dict[str, Any] = traverse_util.unflatten_dict(flat, sep="/")
  return tree


def save(path: str | os.PathLike[str], bundle: Bundle) -> None:
  """Writes the bundle, whole or not at all."""
  flat = flatten(jax.device_get(bundle.variables))
  arrays = {name: np.asarray(value, order="C") for name, value in flat.items()}
  header = {"name": bundle.name, "kwargs": bundle.kwargs, "origin": bundle.origin}
  with replacing(path) as temporary:
    # Not safetensors' own `save_file`, whose files only their owner may read.
    temporary.write_bytes(serialized(arrays, metadata={"llve_jax": json.dumps(header)}))


def load(path: str | os.PathLike[str]) -> Bundle:
  """Reads a bundle.

  Raises:
    UserError: no such file, not safetensors, or not written by this library.
  """
  path = Path(path)
  if not path.is_file():
    raise UserError(f"{path}: no such file; expected the weights of a trained network")
  try:
    with safe_open(path, framework="numpy") as file:
      header = json.loads((file.metadata() or {}).get("llve_jax", "null"))
      flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
  except (SafetensorError, json.JSONDecodeError) as error:
    raise UserError(f"{path}: not a readable safetensors file ({error}); copy it again") from error
  if not isinstance(header, dict) or not header.keys() >= {"name", "kwargs", "origin"}:
    raise UserError(f"{path}: says not which network it holds; expected a file written by training")
  return Bundle(header["name"], _tuples(header["kwargs"]), unflatten(flat), header["origin"])


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """All tensors of a safetensors file, by their names there, whoever wrote it.

  Raises:
    UserError: not safetensors.
  """
  try:
    with safe_open(path, framework="numpy") as file:
      return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
  except SafetensorError as error:
    raise UserError(f"{path}: not a readable safetensors file ({error}); copy it again") from error


def check_matches(found: Any, expected: Any, source: str | os.PathLike[str]) -> None:
  """Refuses variables that are not those of the expected network.

  Args:
    found: tree of arrays (or their shapes) that was read.
    expected: tree of shapes that the network has.
    source: the file or folder that was read, for the message.

  Raises:
    UserError: names the first parameters that are missing, surplus or of another shape.
  """

  def shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {
      jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape)
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }

  have, want = shapes(found), shapes(expected)
  wrong = [f"{name} is missing" for name in want if name not in have]
  wrong += [f"{name} is surplus" for name in have if name not in want]
  wrong += [
    f"{name} has shape {have[name]}, expected {want[name]}"
    for name in want
    if name in have and have[name] != want[name]
  ]
  if wrong:
    more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
    raise UserError(
      f"{source}: holds another network than the one expected: {'; '.join(wrong[:3])}{more}; "
      "use the configuration it was trained with, or another folder"
    )


def _tuples(value: Any) -> Any:
  """JSON lists as tuples, which module attributes must be to be hashable."""
  if isinstance(value, list):
    return tuple(_tuples(item) for item in value)
  if isinstance(value, dict):
    return {name: _tuples(item) for name, item in value.items()}
  return value
