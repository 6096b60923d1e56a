"""How fast frames are read, computed and written, each by itself: what holds a run up."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


@dataclasses.dataclass
class Rates:
  """Seconds that the three have worked; they do so at the same time.

  Attributes:
    reading: seconds of decoding.
    computing: of the method, without what it waited for frames.
    writing: of encoding.
  """

  reading: float = 0.0
  computing: float = 0.0
  writing: float = 0.0

  def read(self, frames: Iterator[T]) -> Iterator[T]:
    """Passes frames on and counts the time until each comes as reading."""
    try:
      while True:
        started = time.monotonic()
        frame = next(frames, None)
        self.reading += time.monotonic() - started
        if frame is None:
          return
        yield frame
    finally:
      if close := getattr(frames, "close", None):
        close()

  def waited(self, frames: Iterator[T]) -> Iterator[T]:
    """Passes frames on to the method; the time until each comes is none of computing."""
    while True:
      started = time.monotonic()
      frame = next(frames, None)
      self.computing -= time.monotonic() - started
      if frame is None:
        return
      yield frame

  def computed(self, frames: Iterator[T]) -> Iterator[T]:
    """Passes results of the method on and counts the time until each comes as computing."""
    while True:
      started = time.monotonic()
      frame = next(frames, None)
      self.computing += time.monotonic() - started
      if frame is None:
        return
      yield frame

  def written(self, write: Callable[[T], None]) -> Callable[[T], None]:
    """The function, its time counted as writing."""

    def timed(item: T) -> None:
      started = time.monotonic()
      write(item)
      self.writing += time.monotonic() - started

    return timed

  def of(self, count: int) -> dict[str, float]:
    """Frames a second of each, for `count` frames."""
    return {
      name: round(count / max(seconds, 1e-6), 2)
      for name, seconds in dataclasses.asdict(self).items()
    }

  def told(self, count: int) -> str:
    """One line: the three rates, and which is the slowest."""
    rates = self.of(count)
    listed = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
    return f"frames/s by themselves: {listed}; {min(rates, key=rates.__getitem__)} is the slowest"
