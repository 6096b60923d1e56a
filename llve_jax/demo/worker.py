"""The process that does the work: hostile files, long ones and cancelled ones end with it alone.

It keeps the networks that it has loaded, so that the next visitor need not wait for them again.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from llve_jax.demo.job import Job, Result, do
from llve_jax.demo.limits import Limits
from llve_jax.demo.turns import Turns
from llve_jax.errors import UserError

_POLL = 0.25  # seconds between two looks at the work
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class CancelledError(Exception):
  """The visitor does not want it any more."""


@dataclasses.dataclass(frozen=True)
class Progress:
  """How far the work is.

  Attributes:
    done: frames; 0 while it only begins.
    total: of how many; None: unknown.
    seconds: since it began.
    computing: seconds since the first frame was done.
  """

  done: int
  total: int | None
  seconds: float
  computing: float


@dataclasses.dataclass(frozen=True)
class Waiting:
  """The work has not begun.

  Attributes:
    before: how many files come first.
  """

  before: int


class Worker:
  """One process for one file at a time; it is started when it is wanted, and anew after an end.

  Attributes:
    limits: of time and memory of the work on a file, and of its content.
  """

  def __init__(self, limits: Limits, work: Callable[..., Result] = do):
    """Starts nothing yet.

    Args:
      limits: see the attribute.
      work: does a job; to be found by name from another process.
    """
    self.limits, self._work = limits, work
    self._process: Any = None
    self._line: Connection | None = None
    self._turns = Turns()

  def run(self, job: Job, cancelled: threading.Event) -> Iterator[Waiting | Progress | Result]:
    """Yields how many are before it and how far the work is, and at last its result.

    Raises:
      CancelledError: the event was set.
      UserError: too many wait; or the file was refused, took too long or too much memory, or
        crashed a decoder.
    """
    ticket = self._turns.come(self.limits.waiting)
    try:
      while not cancelled.is_set() and (before := self._turns.before(ticket)):
        yield Waiting(before)
        cancelled.wait(_POLL)
      if cancelled.is_set():
        raise CancelledError
      yield from self._work_on(job, cancelled)
    finally:
      self._turns.go(ticket)

  def _work_on(self, job: Job, cancelled: threading.Event) -> Iterator[Progress | Result]:
    """The turn of a job."""
    line = self._started()
    begun = time.monotonic()
    finished = False
    first, done, total = begun, 0, None
    try:
      line.send(job)
      while True:
        if cancelled.is_set():
          raise CancelledError
        seconds = time.monotonic() - begun
        self._check(seconds)
        if not line.poll(_POLL):
          yield Progress(done, total, seconds, time.monotonic() - first)
          continue
        what, told = line.recv()
        if what == "progress":
          first = first if done else time.monotonic()
          done, total = told
          yield Progress(done, total, seconds, time.monotonic() - first)
          continue
        finished = True
        if what == "refused":
          raise UserError(told)
        yield told
        return
    except (EOFError, ConnectionError, BrokenPipeError) as error:
      raise UserError(
        "The file could not be read: it is damaged, or made to break the reader."
      ) from error
    finally:
      if not finished:
        self.close()

  def close(self) -> None:
    """Ends the process, whatever it does."""
    process, self._process = self._process, None
    if process is not None:
      process.kill()
      process.join()
    if self._line is not None:
      self._line.close()
      self._line = None

  def _started(self) -> Connection:
    if self._process is None or not self._process.is_alive() or self._line is None:
      self.close()
      context = multiprocessing.get_context("spawn")  # not forked: XLA's threads do not survive
      self._line, other = context.Pipe()
      self._process = context.Process(
        target=_serve, args=(other, self.limits, self._work), daemon=True
      )
      self._process.start()
      other.close()
    return self._line

  def _check(self, seconds: float) -> None:
    if seconds > 60 * self.limits.minutes:
      raise UserError(
        f"This took more than {self.limits.minutes:g} minutes and was stopped. Try a shorter or "
        "smaller file, or a faster method."
      )
    if (held := _held(self._process.pid)) is not None and held > self.limits.memory:
      raise UserError(
        f"This took more than {self.limits.memory:g} GB of memory and was stopped. Try a smaller "
        "file."
      )


def _serve(line: Connection, limits: Limits, work: Callable[..., Result]) -> None:
  """What the process does until the line ends."""

  def tell(done: int, total: int | None) -> None:
    line.send(("progress", (done, total)))

  with contextlib.suppress(EOFError, KeyboardInterrupt):
    while True:
      job = line.recv()
      try:
        answer: tuple[str, Any] = ("done", work(job, limits, tell))
      except UserError as error:
        answer = ("refused", str(error))
      except Exception as error:  # a fault of ours: the page says so, and takes the next file
        answer = ("refused", f"This did not work, by a fault of the program: {error!r}")
      line.send(answer)


def _held(process: int) -> float | None:
  """Gigabytes of memory that a process holds; None where the system does not tell."""
  try:
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
  except (OSError, IndexError):
    return None
  return int(pages) * _PAGE / 1e9
