"""A job of several processes: joining it, talking to each other, and ending together.

Everything here also works in one process, where it does nothing. `find_cluster` says whether there
are others, `joined` is the context in which they work together. What the processes tell each other
goes through JAX's key-value store on process 0, not over devices, so it works whatever the
devices are at (see `agree`).
"""

import contextlib
import dataclasses
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import NoReturn

import jax

from llve_jax.errors import UserError
from llve_jax.job import agree, roll_call
from llve_jax.job.cluster import Cluster, find_cluster
from llve_jax.job.lifeline import EXIT_LOST, Lifeline
from llve_jax.job.relay import Relay

__all__ = [
  "EXIT_LOST",
  "Cluster",
  "ask",
  "asked",
  "find_cluster",
  "finish",
  "initialize",
  "is_writer",
  "joined",
]

# How long a broken collective may take to show that it is another process that broke it.
_BLAME_SECONDS = 5.0
# JAX's own watch must not be faster than ours.
_JAX_HEARTBEAT_SECONDS = 120


@dataclasses.dataclass
class _Job:
  """What `initialize` has started.

  Attributes:
    cluster: this process's place.
    lifeline: to the other processes.
    relay: to JAX's service; None on process 0.
  """

  cluster: Cluster
  lifeline: Lifeline
  relay: Relay | None


# There is one job per process, as JAX has one distributed runtime per process.
_job: _Job | None = None


def initialize(
  cluster: Cluster | None,
  *,
  wait: float = 300.0,
  heartbeat: float = 30.0,
  same: Mapping[str, str] | None = None,
) -> None:
  """Joins the job; to be called before any device is used. None: this process is alone.

  From then on the loss of another process ends this one with `EXIT_LOST`: at once when it died,
  after `heartbeat` when its host fell silent. An error of another one ends it with that one's exit
  status.

  Args:
    cluster: this process's place in the job.
    wait: seconds to wait for the other processes.
    heartbeat: seconds of silence after which a process is lost.
    same: values, by what they are called, that must be equal in all processes; short ones.

  Raises:
    UserError: others were started differently; says which.
    SystemExit: with `EXIT_LOST`: others did not come; which, is said on stderr.
  """
  global _job
  if cluster is None:
    return
  links: dict[int, roll_call.Link]
  relay = None
  same = {} if same is None else same
  try:
    if cluster.process == 0:
      listen = (cluster.interface, cluster.address[1])
      links = roll_call.call(listen, cluster.processes, wait=wait, same=same)
    else:
      place = (cluster.process, cluster.processes)
      links = {0: roll_call.answer(cluster.address, *place, wait=wait, same=same)}
      relay = Relay(cluster.address)
  except roll_call.AbsentError as error:
    print(f"error: {error}", file=sys.stderr, flush=True)
    raise SystemExit(EXIT_LOST) from None
  lifeline = Lifeline(cluster.process, cluster.processes, links, heartbeat=heartbeat)
  _job = _Job(cluster, lifeline, relay)
  jax.config.update("jax_cpu_collectives_implementation", "gloo")
  # It takes SIGTERM for itself; see `interrupt`.
  jax.config.update("jax_enable_preemption_service", False)
  jax.distributed.initialize(
    coordinator_address=cluster.coordinator if relay is None else relay.address,
    num_processes=cluster.processes,
    process_id=cluster.process,
    local_device_ids=None if cluster.device is None else [cluster.device],
    cluster_detection_method="deactivate",
    initialization_timeout=60,
    heartbeat_timeout_seconds=max(_JAX_HEARTBEAT_SECONDS, round(4 * heartbeat)),
    coordinator_bind_address=cluster.bind,
  )


@contextlib.contextmanager
def joined(
  cluster: Cluster | None,
  *,
  wait: float = 300.0,
  heartbeat: float = 30.0,
  same: Mapping[str, str] | None = None,
) -> Iterator[None]:
  """`initialize`, and an orderly end: of all processes when it is left, of this one on an error.

  With several processes an error does not leave this context: it is shown, the others are told,
  and the process ends with 2 (a `UserError`) or 1 instead of waiting for them at its exit; they end
  with the same. If it is a collective that broke because another process died, this one ends with
  `EXIT_LOST`.
  """
  try:
    initialize(cluster, wait=wait, heartbeat=heartbeat, same=same)
    yield
  except BaseException as error:
    if _job is not None:
      _fail(error)
    raise
  finish()
  if _job is not None:
    jax.distributed.shutdown()


def _fail(error: BaseException) -> NoReturn:
  """Ends this process of several because of `error`."""
  assert _job is not None
  if isinstance(error, UserError):
    code, shown = 2, f"error: {error}\n"
  elif isinstance(error, SystemExit):
    code = error.code if isinstance(error.code, int) else int(error.code is not None)
    shown = error.code + "\n" if isinstance(error.code, str) else ""
  else:
    if isinstance(error, Exception):
      # If it comes of the loss of another process, the lifeline ends this one here.
      time.sleep(_BLAME_SECONDS)
    code, shown = 1, "".join(traceback.format_exception(error))
  sys.stdout.flush()
  sys.stderr.write(shown)
  sys.stderr.flush()
  if code:
    _job.lifeline.fail(f"{type(error).__name__}: {error}".splitlines()[0][:300], code)
  os._exit(code)


def finish(timeout: float = 30.0) -> None:
  """Waits for the other processes to come here too; then the end of one is no loss any more."""
  if _job is None:
    return
  _job.lifeline.relax()
  with contextlib.suppress(TimeoutError):  # another one may have been told to end at once
    agree.gather("finish", timeout=timeout)
  _job.lifeline.close()
  if _job.relay is not None:
    _job.relay.release()


def is_writer() -> bool:
  """True in the one process that writes logs, histories and weights."""
  return _job is None or _job.cluster.process == 0


def ask(reason: str) -> None:
  """Tells the other processes that this one was asked to stop; may be called by a signal handler.

  They learn of it by `asked`, each at another moment: what they do then has to be agreed on.
  """
  if _job is not None:
    _job.lifeline.ask(reason)


def asked() -> str:
  """Which other process was asked to stop and why; empty if none was, as far as known here."""
  return "" if _job is None else _job.lifeline.asked
