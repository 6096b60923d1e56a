"""Reading, computing and writing at the same time, each in a thread of its own.

A queue between two of them holds a few frames, so that memory does not depend on the length. What
goes wrong in a thread is raised where its results are wanted, and whoever stops stops all.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

_END: Any = object()
_LOOK = 0.1  # seconds between looks whether the other side has stopped


def ahead(items: Iterable[T], size: int = 3) -> Generator[T, None, None]:
  """Passes items on that a thread takes from `items`, up to `size` before they are asked for.

  What `items` raises is raised here, behind what came before it. Closing this iterator ends the
  thread, which closes `items` if that can be closed.
  """
  waiting: queue.Queue[Any] = queue.Queue(size)
  stopped, failed = threading.Event(), []

  def run() -> None:
    try:
      for item in items:
        if not _put(waiting, item, stopped):
          return
    except BaseException as error:
      failed.append(error)
    finally:
      if close := getattr(items, "close", None):
        close()
      _put(waiting, _END, stopped)

  thread = threading.Thread(target=run, name="ahead", daemon=True)
  thread.start()
  try:
    while (item := waiting.get()) is not _END:
      yield item
    if failed:
      raise failed[0]
  finally:
    stopped.set()
    thread.join()


class Behind(Generic[T]):
  """Gives items to a function in a thread, in order; a context manager that waits for the last."""

  def __init__(self, work: Callable[[T], None], size: int = 3):
    """`size` items may wait."""
    self._work = work
    self._waiting: queue.Queue[Any] = queue.Queue(size)
    self._stopped = threading.Event()
    self._failed: list[BaseException] = []
    self._thread = threading.Thread(target=self._run, name="behind", daemon=True)

  def __enter__(self) -> Self:
    self._thread.start()
    return self

  def put(self, item: T) -> None:
    """Hands an item over; raises what the function raised for one before."""
    if not _put(self._waiting, item, self._stopped):
      raise self._failed[0]

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    if error is not None:
      self._stopped.set()
    _put(self._waiting, _END, self._stopped)
    self._thread.join()
    if error is None and self._failed:
      raise self._failed[0]

  def _run(self) -> None:
    try:
      while (item := self._get()) is not _END:
        self._work(item)
    except BaseException as error:
      self._failed.append(error)
      self._stopped.set()

  def _get(self) -> Any:
    while not self._stopped.is_set():
      try:
        return self._waiting.get(timeout=_LOOK)
      except queue.Empty:
        continue
    return _END


def _put(waiting: queue.Queue[Any], item: Any, stopped: threading.Event) -> bool:
  """Whether the item was taken before the other side stopped."""
  while not stopped.is_set():
    try:
      waiting.put(item, timeout=_LOOK)
    except queue.Full:
      continue
    return True
  return False
