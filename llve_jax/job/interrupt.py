"""Being asked to stop: SIGTERM, SIGINT and maintenance, at any moment of a run.

Python runs a signal handler in the main thread, between two of its own instructions. While that
thread is inside the compiler nothing is noticed for minutes, longer than most schedulers wait
before they kill. So long calls are made in another thread, and the main one only waits.
"""

import contextlib
import contextvars
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

import jax

from llve_jax.job import hosts
from llve_jax.job.agree import which_processes

EXIT_STOPPED = 75  # EX_TEMPFAIL of sysexits.h: try again
# Ctrl-C in a shell reaches a process itself, and again through the script that started it.
_SAME_REQUEST_SECONDS = 1.0
_POLL_SECONDS = 0.05

P = ParamSpec("P")
T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - it is no error
  """A call was given up because this process, or another one of its job, was asked to stop."""


class Interrupt:
  """Notes requests to stop; a context in which SIGTERM and SIGINT are such.

  The first signal only is noted. A second one, a second or more later, ends the process at once
  with 128 + its number, without saving.

  Attributes:
    requested: this process was asked to stop.
    reason: by what; empty if it was not.
  """

  def __init__(self) -> None:
    self._asked_at: float | None = None
    self._before: dict[int, Any] = {}
    self.reason = ""

  @property
  def requested(self) -> bool:
    """Whether this process was asked to stop."""
    return bool(self.reason)

  def __enter__(self) -> Self:
    """Takes the signals; only the main thread may."""
    for number in (signal.SIGTERM, signal.SIGINT):
      self._before[number] = signal.signal(number, self._handle)
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    """Gives the signals back."""
    for number, handler in self._before.items():
      signal.signal(number, handler)
    self._before.clear()

  def request(self, reason: str) -> None:
    """Asks this process to stop, and lets the others of its job know; from any thread."""
    if not self.reason:
      self.reason = reason
      hosts.ask(reason)

  def _handle(self, number: int, frame: FrameType | None) -> None:
    name, now = signal.Signals(number).name, time.monotonic()
    if self._asked_at is None:
      self._asked_at = now
      self.request(name)
      # Not print: it may be print that was interrupted.
      os.write(2, f"{name}: saving and stopping; once more to end at once\n".encode())
    elif now - self._asked_at >= _SAME_REQUEST_SECONDS:
      os.write(2, f"{name} again: ending at once, without saving\n".encode())
      os._exit(128 + number)

  def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function that may take long in a thread; gives it up when asked to stop.

    JAX's settings that hold for a thread only are carried over: transfer guards, dtype promotion,
    default device and matmul precision, the mesh of `jax.set_mesh`; and Python's context variables.
    In a job of several processes all must call this, in the same order: either all get their
    result, or all are interrupted. The function must not wait for the other processes then, unless
    they are sure to come, as a call that was given up goes on in its thread until the process ends;
    end it with `leave`.

    Raises:
      Interrupted: this process or another one of the job was asked to stop.
    """
    outcome: list[T] = []
    errors: list[BaseException] = []
    settings, variables = _settings(), contextvars.copy_context()
    done = threading.Event()

    def call() -> None:
      try:
        with contextlib.ExitStack() as stack:
          for setting in settings:
            stack.enter_context(setting())
          outcome.append(variables.run(function, *args, **kwargs))
      except BaseException as error:
        errors.append(error)
      finally:
        done.set()

    threading.Thread(target=call, name=getattr(function, "__name__", "run"), daemon=True).start()
    while not done.wait(_POLL_SECONDS):
      if self.requested or hosts.asked():
        break
    finished = done.is_set()  # before the look at the errors: they are complete then
    if errors:
      raise errors[0]
    if which_processes(not finished):
      raise Interrupted(self.reason or hosts.asked())
    return outcome[0]


def _settings() -> list[Callable[[], contextlib.AbstractContextManager[Any]]]:
  """What sets this thread's JAX settings in another one."""
  config: Any = jax.config
  values: list[tuple[Callable[..., contextlib.AbstractContextManager[Any]], Any]] = [
    (jax.numpy_dtype_promotion, config.jax_numpy_dtype_promotion),
    (jax.default_device, config.jax_default_device),
    (jax.default_matmul_precision, config.jax_default_matmul_precision),
    (jax.transfer_guard_host_to_device, config.jax_transfer_guard_host_to_device),
    (jax.transfer_guard_device_to_device, config.jax_transfer_guard_device_to_device),
    (jax.transfer_guard_device_to_host, config.jax_transfer_guard_device_to_host),
    (jax.set_mesh, None if (mesh := jax.sharding.get_mesh()).empty else mesh),
  ]
  return [functools.partial(setting, value) for setting, value in values if value is not None]


def leave(code: int) -> NoReturn:
  """Ends the process with `code`, after the other processes of its job have come here too.

  Without Python's own end, in which a thread that is still inside the compiler hangs or crashes:
  what is to be closed has to be closed before.
  """
  hosts.finish()
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)
