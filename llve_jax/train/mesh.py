"""Where arrays live: one mesh with the axes `data` and `rows`, from one CPU to a pod.

The step is written for the global batch; `jax.jit` with these shardings splits it over the devices
and inserts the collectives, so batch statistics and gradients are those of the whole batch. Clips
are split over `data` by their batch axis and over `rows` by their height: the compiler exchanges
the rows that neighbours need, so a frame too large for one chip is computed on several.
"""

import collections
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from llve_jax.errors import UserError
from llve_jax.ops import rows as rows_of_frames

DATA, ROWS = "data", "rows"


def make_mesh(devices: Sequence[jax.Device] | None = None, *, rows: int = 1) -> Mesh:
  """Devices (of all processes) as [data, rows].

  Neighbours along `rows` belong to one process as far as it has enough devices, and each process
  has its clips side by side along `data`, in the order of the processes.

  Raises:
    UserError: `rows` does not divide the number of devices.
  """
  devices = jax.devices() if devices is None else devices
  if rows < 1 or len(devices) % rows:
    raise UserError(
      f"mesh.rows is {rows}; expected a divisor of the {len(devices)} devices, so that each frame "
      "is split over as many"
    )
  ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
  grid = np.array(ordered).reshape(-1, rows)
  return Mesh(grid, (DATA, ROWS), axis_types=(AxisType.Auto, AxisType.Auto))


def first_devices(count: int) -> Sequence[jax.Device]:
  """The first `count` devices of all processes; -1: all.

  Raises:
    UserError: there are fewer, or processes would have more than others.
  """
  devices = jax.devices()
  if not (count == -1 or 1 <= count <= len(devices)):
    raise UserError(f"mesh.data is {count}; expected -1 (all) or 1 to {len(devices)} devices")
  chosen = devices if count == -1 else devices[:count]
  of_each = collections.Counter(device.process_index for device in chosen)
  if len(of_each) < jax.process_count() or len(set(of_each.values())) > 1:
    raise UserError(
      f"mesh.data is {count}, of which the {jax.process_count()} processes would have "
      f"{', '.join(str(of_each[process]) for process in range(jax.process_count()))}; expected as "
      "many for each: -1 (all), or fewer processes"
    )
  return chosen


def replicated(mesh: Mesh) -> NamedSharding:
  """The same value on every device."""
  return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Clips [b, t, h, w, c] split over `data` by b and, where there are several, over `rows` by h."""
  split = (DATA, None, ROWS) if mesh.shape[ROWS] > 1 else (DATA,)
  return NamedSharding(mesh, PartitionSpec(*split))


def share(mesh: Mesh) -> tuple[int, int]:
  """Which part of each batch this process has to bring: its number and how many parts there are.

  Processes that hold different rows of the same clips bring the same part.
  """
  own = jax.process_index()
  places = [i for i, row in enumerate(mesh.devices) if any(d.process_index == own for d in row)]
  return places[0] // len(places), mesh.shape[DATA] // len(places)


def check_batch(batch: int, mesh: Mesh) -> None:
  """Refuses a global batch that the devices cannot share equally."""
  parts = mesh.shape[DATA]
  if batch < 1 or batch % parts:
    whole = parts * mesh.shape[ROWS]
    among = (
      f"{parts} devices" if whole == parts else f"{parts} groups of {mesh.shape[ROWS]} devices"
    )
    raise UserError(
      f"a global batch of {batch} clips cannot be split over {among}; choose a multiple of {parts}"
    )


def on_true_rows(
  step: Callable[..., Any], height: int, padded: int
) -> Callable[[Any, dict[str, Any]], Any]:
  """The step on batches whose frames were filled up at the bottom, without what was filled up.

  Inputs of a compiled program must be split evenly; inside, the compiler splits any height. So
  statistics over frames are those of true pixels.

  Args:
    step: called with (state, batch).
    height: true rows of `batch["low"]`; other clips have in proportion as many.
    padded: rows that it comes with.
  """
  if padded == height:
    return step

  def whole(state: Any, batch: dict[str, Any]) -> Any:
    true = {
      name: x if name == rows_of_frames.VIEW else rows_of_frames.cut(x, height, padded)
      for name, x in batch.items()
    }
    return step(state, true)

  return whole


def compile_step(step: Callable[..., Any], mesh: Mesh, placement: Any = None) -> jax.stages.Wrapped:
  """Jits `step(state, batch) -> (state, scalars)`; the old state's memory is reused.

  Args:
    step: a pure function.
    mesh: of the batch.
    placement: shardings of the state, as `placement.of_state` gives them; None: on every device.
  """
  whole = replicated(mesh)
  placement = whole if placement is None else placement
  return jax.jit(
    step,
    in_shardings=(placement, batch_sharding(mesh)),
    out_shardings=(placement, whole),
    donate_argnums=0,
  )


def create_on(mesh: Mesh, create: Callable[[], Any], placement: Any = None) -> Any:
  """Runs an initialiser as one compiled program whose result is placed right away.

  Args:
    mesh: the devices.
    create: returns a tree of arrays.
    placement: their shardings; None: on every device.
  """
  return jax.jit(create, out_shardings=replicated(mesh) if placement is None else placement)()


def fetch(tree: Any) -> Any:
  """A copy on this host of arrays that may be split over the devices of several processes.

  All processes must call it.
  """

  def one(array: Any) -> np.ndarray:
    if not isinstance(array, jax.Array) or array.is_fully_addressable or array.is_fully_replicated:
      return np.asarray(array)
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))

  return jax.tree.map(one, tree)
