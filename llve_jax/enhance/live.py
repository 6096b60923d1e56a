"""A camera or a stream, brightened as it comes: input and output side by side in a browser."""

import collections
import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator

from llve_jax.enhance.screen import Screen
from llve_jax.enhance.videos import beside
from llve_jax.errors import UserError
from llve_jax.io.video import read_frames
from llve_jax.io.video.live import Live, is_live
from llve_jax.methods.method import Method
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.shapes import Frame8


@dataclasses.dataclass(frozen=True)
class Shown:
  """What was shown: frames, those that came too fast, and seconds."""

  source: str
  frames: int
  dropped: int
  seconds: float

  def __str__(self) -> str:
    rate = self.frames / max(self.seconds, 1e-9)
    return (
      f"{self.source}: {self.frames} frames shown in {self.seconds:.1f} s ({rate:.1f} frames/s), "
      f"{self.dropped} dropped"
    )


def show(
  source: str, method: Callable[[Frame8], Method], *, port: int, say: Callable[[str], None]
) -> Shown:
  """Shows a stream until it ends or Ctrl-C is pressed.

  Args:
    source: see `Live`.
    method: gives the method, for frames like the first; it should take one at a time.
    port: see `Screen`.
    say: is told the address.

  Raises:
    UserError: nothing can be read, or the port is taken.
  """
  made = None
  if not is_live(source):  # a file waits until all is compiled
    made = _compiled(method, to_8_bit(to_unit(next(read_frames(source)).image)))
  started, count = time.monotonic(), 0
  with Live(source) as live, Screen(port) as screen:
    say(f"{source}: input and output side by side at {screen.address} (Ctrl-C ends)")
    frames = live.frames()
    first = next(frames, None)
    if first is None:
      raise UserError(f"{source}: expected moving pictures, found no frame")
    made = made or _compiled(method, first)
    waiting: collections.deque[Frame8] = collections.deque()

    def seen() -> Iterator[Frame8]:
      for frame in itertools.chain([first], frames):
        waiting.append(frame)
        yield frame

    try:
      for bright in made.stream(seen()):
        screen.put(beside(waiting.popleft(), bright))
        count += 1
    except KeyboardInterrupt:
      pass  # how one ends it
  return Shown(source, count, live.dropped, time.monotonic() - started)


def _compiled(method: Callable[[Frame8], Method], first: Frame8) -> Method:
  """The method for frames like the first, after it has run once."""
  made = method(first)
  with contextlib.suppress(UserError):  # one that needs several frames says so when they are there
    for _ in made.stream(iter([first])):
      pass
  return made
