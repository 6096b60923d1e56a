import errno
import logging
import threading
from collections.abc import Callable

import jax
import pytest

from llve_jax.io import orbax_errors

FULL = OSError(errno.ENOSPC, "No space left on device")
LATE = "another process could not write its part, or took too long"


def deadline() -> Exception:
  return jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED: Barrier timed out.")


def raised_from(error: Exception, cause: Exception) -> Exception:
  error.__cause__ = cause
  return error


def raised_upon(error: Exception, context: Exception) -> Exception:
  error.__context__ = context
  return error


@pytest.mark.parametrize(
  ("error", "reason"),
  [
    (OSError(28, "No space left on device"), "No space left on device"),
    (OSError("odd"), "odd"),
    (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "Connection timed out"),
    (TimeoutError("Timed out while waiting for the barrier."), LATE),
    (deadline(), LATE),
    (raised_from(TimeoutError("Timed out"), deadline()), LATE),
    (raised_upon(deadline(), FULL), "No space left on device"),
    (raised_upon(deadline(), raised_from(TimeoutError("late"), deadline())), LATE),
    (raised_from(ValueError("it failed"), FULL), "No space left on device"),
    (raised_upon(ValueError("a bug, upon a file that need not be there"), FULL), None),
    (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), None),
    (ValueError("Failed to write 9 bytes [os_error_code='28']"), "No space left on device"),
    (ValueError("wrong shape"), None),
  ],
)
def test_what_the_system_said(error: Exception, reason: str | None) -> None:
  assert orbax_errors.of_storage(error) == reason


@pytest.mark.parametrize(
  ("path", "level", "passes"),
  [
    ("/lib/orbax/checkpoint/a.py", logging.ERROR, False),
    ("/lib/orbax/checkpoint/a.py", logging.WARNING, True),
    ("/lib/jax/a.py", logging.ERROR, True),
  ],
)
def test_only_errors_of_orbax_are_left_out(path: str, level: int, passes: bool) -> None:
  record = logging.LogRecord("absl", level, path, 1, "message", None, None)
  assert orbax_errors.unspoken(record) is passes


def in_another_thread(do: Callable[[], None]) -> None:
  thread = threading.Thread(target=do)
  thread.start()
  thread.join()


@pytest.mark.parametrize(
  ("where", "fails", "waits"),
  [
    (in_another_thread, True, False),
    (in_another_thread, False, True),
    (lambda do: do(), True, True),
  ],
)
def test_a_thread_in_which_a_save_has_failed_does_not_wait(
  where: Callable[[Callable[[], None]], None], fails: bool, waits: bool
) -> None:
  waited = []
  barrier = orbax_errors.unless_failed(lambda **options: waited.append(options))

  def save() -> None:
    try:
      if fails:
        raise FULL
    except OSError:
      barrier(key="a", timeout_ms=5)
    else:
      barrier(key="a", timeout_ms=5)

  where(save)
  assert waited == ([{"key": "a", "timeout_ms": 5}] if waits else [])
