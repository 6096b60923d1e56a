"""Where arrays live: one mesh with a `data` axis, from one CPU to a pod.

The step is written for the global batch; `jax.jit` with these shardings splits it over the devices
and inserts the collectives, so batch statistics and gradients are those of the whole batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from llve_jax.errors import UserError


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
  """All devices (of all processes) along the axis `data`."""
  devices = jax.devices() if devices is None else devices
  return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def first_devices(count: int) -> Sequence[jax.Device]:
  """The first `count` devices of all processes; -1: all.

  Raises:
    UserError: there are fewer.
  """
  devices = jax.devices()
  if not (count == -1 or 1 <= count <= len(devices)):
    raise UserError(f"mesh.data is {count}; expected -1 (all) or 1 to {len(devices)} devices")
  return devices if count == -1 else devices[:count]


def replicated(mesh: Mesh) -> NamedSharding:
  """The same value on every device."""
  return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """The leading axis split over the devices."""
  return NamedSharding(mesh, PartitionSpec("data"))


def check_batch(batch: int, mesh: Mesh) -> None:
  """Refuses a global batch that the devices cannot share equally."""
  if batch < 1 or batch % mesh.size:
    raise UserError(
      f"a global batch of {batch} clips cannot be split over {mesh.size} devices; "
      f"choose a multiple of {mesh.size}"
    )


def compile_step(step: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
  """Jits `step(state, batch) -> (state, scalars)`; the old state's memory is reused."""
  whole = replicated(mesh)
  return jax.jit(
    step,
    in_shardings=(whole, batch_sharding(mesh)),
    out_shardings=(whole, whole),
    donate_argnums=0,
  )


def create_on(mesh: Mesh, create: Callable[[], Any]) -> Any:
  """Runs an initialiser as one compiled program whose result is replicated over the mesh."""
  return jax.jit(create, out_shardings=replicated(mesh))()
