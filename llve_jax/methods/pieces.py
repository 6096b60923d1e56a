"""A stream of frames in pieces of one length: one program is compiled, and memory is bounded."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from llve_jax.errors import UserError
from llve_jax.methods.method import Frame


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
  """Frames that a network gets at once.

  Attributes:
    frames: [n, h, w, c].
    kept: those whose results are used; the others are context, or fill the piece up.
    anew: a new shot begins here, for which nothing of those before is remembered.
  """

  frames: np.ndarray
  kept: slice
  anew: bool = False


@dataclasses.dataclass
class Rest:
  """Frames at the end of one part of a video that wait for those of the next.

  Attributes:
    frames: in order.
    done: of these, how many were kept from a window; they are context.
    anew: whether a new shot begins with the first.
    more: whether a part follows; looked at when the frames of a part have ended.
  """

  frames: list[Frame] = dataclasses.field(default_factory=list)
  done: int = 0
  anew: bool = False
  more: Callable[[], bool] = lambda: False


def batches(
  frames: Iterable[Frame],
  size: int,
  begins: Callable[[Frame], bool] = lambda frame: False,
  rest: Rest | None = None,
) -> Iterator[Piece]:
  """Every `size` frames, fewer at the end of a shot, filled up with copies of the last of them.

  A network of single frames, or one that only remembers, does not mind what comes after.

  Args:
    frames: of one video.
    size: frames of a piece.
    begins: asked of every frame in order whether a new shot begins with it.
    rest: of the part before; where a part follows, what that needs is left there.
  """
  rest = rest or Rest()
  group, anew = list(rest.frames), rest.anew
  for frame in frames:
    new_shot = begins(frame)
    if group and (new_shot or len(group) == size):
      yield _filled(group, size, anew)
      group, anew = [], new_shot
    group.append(frame)
  if rest.more():
    rest.frames, rest.anew = group, anew
  elif group:
    yield _filled(group, size, anew)


def _filled(group: list[Frame], size: int, anew: bool) -> Piece:
  filled = group + [group[-1]] * (size - len(group))
  return Piece(np.stack(filled), slice(0, len(group)), anew)


def windows(
  frames: Iterable[Frame], size: int, *, halo: int, least: int = 1, rest: Rest | None = None
) -> Iterator[Piece]:
  """Windows of `size` frames that overlap, for a network that looks at several frames.

  Each frame is kept from a window in which it has `halo` frames on either side, or as many as the
  video has there. The last window is moved back to end with the video. A video shorter than a
  window is one piece of its own length.

  Args:
    frames: of one video.
    size: more than 2 * halo.
    halo: frames to each side that the network looks at.
    least: frames that it needs.
    rest: of the part before; where a part follows, what that needs is left there.

  Raises:
    UserError: there are fewer than `least` frames.
  """
  rest = rest or Rest()
  iterator = itertools.chain(rest.frames, frames)
  held, done = list(itertools.islice(iterator, size)), rest.done
  if len(held) < size and rest.more():
    rest.frames = held
    return
  if len(held) < least:
    raise UserError(
      f"expected {least} frames at least, since this network looks at so many, found {len(held)}"
    )
  while held:
    following = list(itertools.islice(iterator, size - 2 * halo))
    if len(following) < size - 2 * halo and rest.more():
      rest.frames, rest.done = held + following, done
      return
    end = len(held) - halo if following else len(held)
    yield Piece(np.stack(held), slice(done, end))
    if not following:
      return
    done = end - len(following)
    held = held[len(following) :] + following
