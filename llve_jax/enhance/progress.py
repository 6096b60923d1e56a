"""How far a long run is: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator
from typing import TypeVar

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0

T = TypeVar("T")


def show_progress(items: Iterator[T], total: int | None, done: int = 0) -> Iterator[T]:
  """Passes frames on and reports on stderr how many there were, of how many, and how fast.

  Args:
    items: frames.
    total: of the whole video, where that is known.
    done: of these, how many an earlier run did.
  """
  if sys.stderr.isatty():
    yield from tqdm(items, total=total, initial=done, unit=" frames", dynamic_ncols=True)
    return
  started = last = time.monotonic()
  for count, item in enumerate(items, 1):
    yield item
    now = time.monotonic()
    if now - last >= _SECONDS_BETWEEN_LINES:
      last = now
      print(line(done + count, total, now - started, done), file=sys.stderr, flush=True)


def line(count: int, total: int | None, seconds: float, done: int = 0) -> str:
  """How far a run is after `seconds`: frames of how many, how fast, and the time that is left.

  `done` of the frames were there before.
  """
  rate = (count - done) / max(seconds, 1e-9)
  if not total or count >= total:
    return f"{count} frames, {rate:.1f} frames/s"
  minutes, rest = divmod(round((total - count) / max(rate, 1e-9)), 60)
  left = f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
  return f"{count}/{total} frames, {rate:.1f} frames/s, {left} left"
