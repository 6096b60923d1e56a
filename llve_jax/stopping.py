"""A program that is told to stop ends as one that Ctrl-C ends: it clears up after itself."""

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

_SOON = 0.02  # seconds


def interrupt() -> NoReturn:
  """Raises what Ctrl-C does."""
  raise KeyboardInterrupt


def on_termination(act: Callable[[], None] = interrupt) -> None:
  """Has SIGTERM call `act` in the main thread; only that thread may ask for it.

  Python drops what is raised in a destructor or while garbage is collected, and a signal can arrive
  just then: a stop that was lost so, Ctrl-C too, is told again a moment later.

  Args:
    act: raises `KeyboardInterrupt` or `SystemExit`, or ends the process itself.
  """

  def handle(*_: Any) -> None:
    act()

  before = sys.unraisablehook

  def again(lost: Any) -> None:
    if not issubclass(lost.exc_type, KeyboardInterrupt | SystemExit):
      before(lost)
    elif threading.current_thread() is threading.main_thread():
      signal.signal(signal.SIGTERM, handle)
      soon = threading.Timer(_SOON, _tell)
      soon.daemon = True
      soon.start()

  signal.signal(signal.SIGTERM, handle)
  sys.unraisablehook = again


def _tell() -> None:
  """Sends SIGTERM to the main thread itself, so that whatever it waits for is broken off."""
  if hasattr(signal, "pthread_kill"):
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
  else:
    signal.raise_signal(signal.SIGTERM)
