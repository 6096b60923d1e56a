"""From the batches of each process to one global array over all devices."""

from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from llve_jax.ops import rows


def global_batch(
  batch: dict[str, np.ndarray], sharding: NamedSharding, *, parts: int = 1
) -> dict[str, Any]:
  """Places this process's part of a batch on its devices, as part of a global array.

  Args:
    batch: arrays [b, ...] of this process; the global arrays are [b * parts, ...]. Text, such as
      "id", stays on the host and is left out.
    sharding: how the global arrays are split; the first axis over the devices of all processes.
      Where the height of clips is split as well, they are filled up at the bottom to a height of
      "low" that the devices can share equally, the others in proportion; "context" stays as it is.
    parts: how many such parts make the global batch.

  Raises:
    ValueError: the devices do not divide the batch.
  """
  arrays = {name: array for name, array in batch.items() if array.dtype.kind != "U"}
  missing = _missing_rows(arrays, sharding)
  if missing:
    height = arrays["low"].shape[rows.HEIGHT]
    arrays = {
      name: array
      if name == rows.VIEW
      else rows.fill(array, array.shape[rows.HEIGHT] // height * missing)
      for name, array in arrays.items()
    }
  return {
    name: jax.make_array_from_process_local_data(
      sharding, array, (len(array) * parts, *array.shape[1:])
    )
    for name, array in arrays.items()
  }


def global_shapes(
  batch: dict[str, np.ndarray], sharding: NamedSharding, *, parts: int = 1
) -> dict[str, jax.ShapeDtypeStruct]:
  """What `global_batch` would return, without moving anything."""
  arrays = {name: array for name, array in batch.items() if array.dtype.kind != "U"}
  missing = _missing_rows(arrays, sharding)
  low = arrays["low"].shape[rows.HEIGHT]

  def shape(name: str, array: np.ndarray) -> tuple[int, ...]:
    count, time, height, *others = array.shape
    filled = 0 if name == rows.VIEW else height // low * missing
    return (count * parts, time, height + filled, *others)

  return {
    name: jax.ShapeDtypeStruct(shape(name, array), array.dtype, sharding=sharding)
    for name, array in arrays.items()
  }


def _missing_rows(arrays: dict[str, np.ndarray], sharding: NamedSharding) -> int:
  """Rows that "low" lacks until the devices can share its height."""
  spec = sharding.spec
  if len(spec) <= rows.HEIGHT or spec[rows.HEIGHT] is None:
    return 0
  devices = sharding.mesh.shape[spec[rows.HEIGHT]]
  return rows.missing(arrays["low"].shape[rows.HEIGHT], devices)
