"""How the state of a run lies on the devices: on all of them, or each leaf split as a rule says.

Rajbhandari et al., "ZeRO", SC 2020 (arXiv 1910.02054): parameters and what the optimiser keeps of
them need not be on every device. Each holds a part; the compiler gathers what a layer needs.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.errors import UserError
from llve_jax.train.mesh import DATA

REPLICATED, FSDP = "replicated", "fsdp"
_LEAST = 2**14  # numbers in a leaf that is worth splitting

# A regular expression that is found in the path of a leaf, such as
# `generator.optimizer.0.mu.encoder_0.Conv_0.kernel`, and where such leaves go: "replicated",
# "fsdp", or the mesh axis (or None) of each of their dimensions.
Rule = tuple[str, str | Sequence[str | None]]


def of_state(mesh: Mesh, shapes: Any, rules: Sequence[Rule] = ()) -> Any:
  """The sharding of every leaf; the first rule that is found in its path decides, else replicated.

  "fsdp" splits a leaf of 16,384 numbers or more along its longest dimension that the axis `data`
  divides; leaves without one are replicated.

  Args:
    mesh: with an axis `data`.
    shapes: the state, or its shapes.
    rules: see `Rule`.

  Raises:
    UserError: a rule is no regular expression, names no axis of the mesh, or splits a leaf into
      parts that are not equal.
  """
  compiled = [(_expression(pattern), target) for pattern, target in rules]

  def place(path: Any, leaf: Any) -> NamedSharding:
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    target = next((target for pattern, target in compiled if pattern.search(name)), REPLICATED)
    return NamedSharding(mesh, _spec(mesh, name, tuple(leaf.shape), target))

  return jax.tree_util.tree_map_with_path(place, shapes)


def _expression(pattern: str) -> re.Pattern[str]:
  try:
    return re.compile(pattern)
  except re.error as error:
    raise UserError(f"mesh.rules: {pattern!r} is no regular expression: {error}") from error


def _spec(
  mesh: Mesh, name: str, shape: tuple[int, ...], target: str | Sequence[str | None]
) -> PartitionSpec:
  if target == REPLICATED:
    return PartitionSpec()
  if target == FSDP:
    return _longest(shape, mesh.shape[DATA])
  axes = () if isinstance(target, str) or not isinstance(target, Sequence) else tuple(target)
  named = [axis for axis in axes if axis is not None]
  unknown = set(named) - set(mesh.axis_names)
  if not axes or unknown or len(named) > len(set(named)) or len(axes) > len(shape):
    raise UserError(
      f"mesh.rules: {name} {shape} is to go to {target!r}; expected {REPLICATED!r}, {FSDP!r}, or "
      f"for each dimension None or one of {', '.join(mesh.axis_names)}, each once"
    )
  for size, axis in zip(shape, axes, strict=False):
    if axis is not None and size % mesh.shape[axis]:
      raise UserError(
        f"mesh.rules: {name} has shape {shape}, of which {size} cannot be split over the "
        f"{mesh.shape[axis]} devices along {axis}"
      )
  return PartitionSpec(*axes)


def _longest(shape: tuple[int, ...], parts: int) -> PartitionSpec:
  count = 1
  for size in shape:
    count *= size
  fitting = [(size, at) for at, size in enumerate(shape) if size % parts == 0]
  if count < _LEAST or not fitting:
    return PartitionSpec()
  _, at = max(fitting)
  return PartitionSpec(*[None] * at, DATA)
