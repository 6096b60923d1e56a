"""What the processes of a job tell each other, so that all of them decide the same.

They talk through the key-value store of JAX's coordination service, on process 0, and not over
devices: it works whatever the devices are at, and from any of JAX's ways to start several processes
(`hosts.joined`, `jax.distributed.initialize`). Only `Vote` is a collective, which a step hardly
notices. What is agreed on is small and rare: a word takes some milliseconds.

All processes must make the same calls in the same order, from one thread. In one process they do
nothing.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax._src import distributed  # the store has no public door
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.errors import UserError

# How often the processes have exchanged values: names the place of each exchange in the store.
_gathers = 0


def from_first(make: Callable[[], Any]) -> Any:
  """What `make` returns (JSON values) in the first process, or its UserError, in all processes.

  The others do not call it.

  Raises:
    UserError: `make` raised it; or see `gather`.
  """
  if _alone():
    return make()
  value, problem = None, ""
  if distributed.global_state.process_id == 0:
    try:
      value = make()
    except UserError as error:
      problem = str(error)
  value, problem = gather([value, problem])[0]
  if problem:
    raise UserError(problem)
  return value


def which_processes(flag: bool) -> list[int]:
  """The processes whose `flag` is true, in order; in one process [0] or []."""
  return [process for process, theirs in enumerate(gather(bool(flag))) if theirs]


def gather(value: Any, *, timeout: float = float("inf")) -> list[Any]:
  """The values, JSON ones, of all processes, in their order.

  Raises:
    TimeoutError: another process has not come here in `timeout` seconds.
    UserError: there are others, but no coordination service to talk through.
  """
  global _gathers
  if _alone():
    return [value]
  state, deadline = distributed.global_state, time.monotonic() + timeout
  store: Any = state.client
  number, _gathers = _gathers, _gathers + 1
  folder = f"llve_jax/{number}"
  if state.process_id != 0:
    store.key_value_set(f"{folder}/{state.process_id}", json.dumps(value))
    values: list[Any] = json.loads(_get(store, f"{folder}/all", deadline))
    return values
  others = [_get(store, f"{folder}/{i}", deadline) for i in range(1, state.num_processes)]
  # As text and back, so that all have the same: no tuple here that is a list there.
  text = f"[{', '.join([json.dumps(value), *others])}]"
  store.key_value_set(f"{folder}/all", text)
  if number:  # all have read the one before
    store.key_value_delete(f"llve_jax/{number - 1}/")
  values = json.loads(text)
  return values


def _alone() -> bool:
  """Whether this is the only process.

  Raises:
    UserError: it is not, but cannot talk to the others.
  """
  state = distributed.global_state
  if state.client is not None:
    return state.num_processes == 1
  if jax.process_count() == 1:
    return True
  raise UserError(
    f"{jax.process_count()} processes that cannot talk to each other: expected each to begin with "
    "llve_jax.job.hosts.joined or jax.distributed.initialize, before any device is used"
  )


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


class Vote:
  """Lets all processes know, at the same step, that one of them was asked to stop.

  A signal reaches one process at any moment, but all must take the same steps. So at each step each
  one casts its flag, and looks at what all cast two steps ago: a maximum over all devices that was
  computed meanwhile, so nobody waits. (JAX's `reached_preemption_sync_point` is like this but for
  SIGTERM alone, which it takes for itself.) In one process the outcome is the flag cast last.
  """

  def __init__(self, mesh: Mesh, *, behind: int = 2):
    """Votes over the processes of `mesh`; `outcome` is that of `behind` steps ago."""
    self._alone = _alone()
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
