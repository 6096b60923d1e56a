"""How far a long run is: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator
from typing import TypeVar

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0

T = TypeVar("T")


def show_progress(items: Iterator[T], total: int | None) -> Iterator[T]:
  """Passes frames on and reports on stderr how many there were, of how many, and how fast."""
  if sys.stderr.isatty():
    yield from tqdm(items, total=total, unit=" frames", dynamic_ncols=True)
    return
  started = last = time.monotonic()
  for count, item in enumerate(items, 1):
    yield item
    now = time.monotonic()
    if now - last >= _SECONDS_BETWEEN_LINES:
      last = now
      of = f"/{total}" if total else ""
      print(f"{count}{of} frames, {count / (now - started):.1f} frames/s", file=sys.stderr)
