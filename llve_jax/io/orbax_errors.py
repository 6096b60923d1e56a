"""What orbax says when the storage fails, and where it would wait instead of saying it."""

import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator

import jax


def of_storage(error: BaseException) -> str | None:
  """What the system said, if `error` is of the storage (Python's, or in TensorStore's words).

  What it was raised from counts too. If processes have waited in vain for one of them, that is the
  reason, unless there is an own one behind it.
  """
  late = None
  for one in _and_before(error):
    if _is_late(one):
      late = "another process could not write its part, or took too long"
    elif isinstance(one, OSError):
      return one.strerror or str(one)
    elif code := re.search(r"os_error_code='(\d+)'", str(one)):
      return os.strerror(int(code[1]))
  return late


def _and_before(error: BaseException | None) -> Iterator[BaseException]:
  """An error and those that it was raised from; for one of waiting, those that it came upon too."""
  while error is not None:
    yield error
    error = error.__cause__ or (error.__context__ if _is_late(error) else None)


def _is_late(error: BaseException) -> bool:
  """Whether a process has waited too long for the others (or, said alike, for its own threads)."""
  if isinstance(error, jax.errors.JaxRuntimeError):
    return "DEADLINE_EXCEEDED" in str(error)
  return isinstance(error, TimeoutError) and error.errno is None


def unless_failed(wait: Callable[..., None]) -> Callable[..., None]:
  """Changes how the processes wait for each other: a thread in which a save has failed does not.

  orbax's thread waits for the other processes before it lets its error out, but those wait for it
  at another place. Only the main thread, which saves, may come with an error that is not orbax's.

  Args:
    wait: a barrier as in `ocp.AsyncOptions.barrier_sync_fn`; gets `key` and `timeout_ms`.
  """

  def unless(*, key: str, timeout_ms: int) -> None:
    mine = threading.current_thread() is threading.main_thread()
    if mine or sys.exc_info()[1] is None:
      wait(key=key, timeout_ms=timeout_ms)

  return unless


def unspoken(record: logging.LogRecord) -> bool:
  """A filter for absl's logger without errors of orbax: pages for each, and it raises them too."""
  return record.levelno < logging.ERROR or f"{os.sep}orbax{os.sep}" not in record.pathname
