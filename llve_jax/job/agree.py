"""What the processes of a job tell each other, so that all of them decide the same."""

import json
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.errors import UserError

# This process and how many there are; set by `hosts.initialize`.
_place: tuple[int, int] | None = None
# How often they have exchanged values.
_gathers = 0


def join(process: int, processes: int) -> None:
  """Says that this is `process` of several, whose key-value store is up."""
  global _place
  _place = (process, processes)


def broadcast(value: Any) -> Any:
  """Process 0's value, a JSON one, in all of them; every process must call it, in order."""
  if _place is None:
    return value
  return json.loads(gather(json.dumps(value) if _place[0] == 0 else "")[0])


def any_process(flag: bool) -> bool:
  """True in all processes if it is in any; every process must call it, in the same order."""
  if _place is None:
    return flag
  return "yes" in gather("yes" if flag else "no")


def gather(value: str, *, timeout: float = float("inf")) -> list[str]:
  """The values of all processes, in their order.

  Raises:
    TimeoutError: another process has not come here in `timeout` seconds.
  """
  global _gathers
  assert _place is not None
  from jax._src import distributed  # the store has no public door

  store: Any = distributed.global_state.client
  deadline = time.monotonic() + timeout
  (me, processes), number = _place, _gathers
  _gathers += 1
  folder = f"llve_jax/{number}"
  store.key_value_set(f"{folder}/{me}", value)
  if me != 0:
    values: list[str] = json.loads(_get(store, f"{folder}/all", deadline))
    return values
  values = [_get(store, f"{folder}/{i}", deadline) for i in range(processes)]
  store.key_value_set(f"{folder}/all", json.dumps(values))
  if number:  # all have read the one before
    store.key_value_delete(f"llve_jax/{number - 1}/")
  return values


def _get(store: Any, key: str, deadline: float) -> str:
  while True:
    try:
      # Not longer at once: Python's signal handlers run in between.
      return str(store.blocking_key_value_get(key, 500))
    except jax.errors.JaxRuntimeError as error:
      if "DEADLINE_EXCEEDED" not in str(error):
        raise
      if time.monotonic() > deadline:
        raise TimeoutError(key) from None


def from_first(make: Callable[[], Any]) -> Any:
  """What `make` returns (JSON values) in the first process, or its UserError, in all processes.

  All processes have to call it. With one process it is `make()`.
  """
  if jax.process_count() == 1:
    return make()
  value, problem = None, ""
  if jax.process_index() == 0:
    try:
      value = make()
    except UserError as error:
      problem = str(error)
  text = np.frombuffer(json.dumps([value, problem]).encode(), np.uint8)
  size = int(multihost_utils.broadcast_one_to_all(np.int32(text.size)))
  buffer = np.zeros(size, np.uint8)
  buffer[: text.size] = text[:size]
  value, problem = json.loads(bytes(multihost_utils.broadcast_one_to_all(buffer)))
  if problem:
    raise UserError(problem)
  return value


def which_processes(flag: bool) -> list[int]:
  """The processes whose `flag` is true; all have to call it."""
  flags = multihost_utils.process_allgather(np.array(flag))
  return [int(process) for process in np.flatnonzero(flags)]


class Vote:
  """Lets all processes know, at the same step, that one of them was asked to stop.

  A signal reaches one process at any moment, but all must take the same steps. So at each step each
  one casts its flag, and looks at what all cast two steps ago: a maximum over all devices that was
  computed meanwhile, so nobody waits. (JAX's `reached_preemption_sync_point` is like this but for
  SIGTERM alone, which it takes for itself.) In one process the outcome is the flag cast last.
  """

  def __init__(self, mesh: Mesh, *, behind: int = 2):
    """Votes over the processes of `mesh`; `outcome` is that of `behind` steps ago."""
    self._alone = _place is None
    self._behind = behind
    self._cast: list[Any] = []
    self._sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    self._shape, self._devices = (mesh.size,), list(mesh.local_mesh.devices.flat)
    self._max = jax.jit(
      lambda flags: flags.max(), out_shardings=NamedSharding(mesh, PartitionSpec())
    )

  def cast(self, flag: bool) -> None:
    """Casts this process's flag for this step."""
    if self._alone:
      self._cast = [np.int32(flag)]
      return
    # Put on each device by name: a transfer that the guard of the loop takes as meant.
    local = [jax.device_put(np.full(1, flag, np.int32), device) for device in self._devices]
    votes = jax.make_array_from_single_device_arrays(self._shape, self._sharding, local)
    self._cast.append(self._max(votes))
    self._cast = self._cast[-self._behind - 1 :]

  def outcome(self) -> bool:
    """Whether any process cast true, `behind` steps ago; false before there are so many."""
    if self._alone:
      return bool(self._cast and self._cast[-1])
    if len(self._cast) <= self._behind:
      return False
    return bool(jax.device_get(self._cast[0].addressable_data(0)))
