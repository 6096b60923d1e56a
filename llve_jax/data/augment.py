"""Augmentations of a pair of clips [t, h, w, c] (numpy, no batch axis).

Geometry and colour act on both clips alike, so that the pair still fits; noise acts on the input
only. Every function draws from the `numpy.random.Generator` it is given.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NotRequired, TypedDict

import grain
import numpy as np
from jaxtyping import Float, Shaped

from llve_jax.errors import UserError

AnyClip = Shaped[np.ndarray, "t h w c"]
FloatClip = Float[np.ndarray, "t h w c"]
Size = int | Sequence[int]  # of a window: its side, or (height, width)
Window2d = tuple[slice, slice]


class Pair(TypedDict):
  """A dark clip and its bright counterpart, float32 in [0, 1].

  Attributes:
    low: the dark clip.
    high: the bright one.
    mask: 1 where the bright one can be trusted, 0 where not; one channel.
    context: the whole dark frames, made small, see `ops.thumbnail`.
    id: where the pair comes from.
  """

  low: FloatClip
  high: FloatClip
  mask: NotRequired[FloatClip]
  context: NotRequired[FloatClip]
  id: NotRequired[np.str_]


def sides(size: Size) -> tuple[int, int]:
  """(height, width) of a window; one number is a square.

  Raises:
    UserError: neither one nor two whole numbers of at least 1.
  """
  pair = tuple(size) if isinstance(size, Sequence) else (size, size)
  if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
    raise UserError(f"crop={size}: expected a side in pixels, or (height, width)")
  return pair


def draw_window(shape: tuple[int, int], size: Size, rng: np.random.Generator) -> Window2d:
  """Draws where a window of `size` lies, anywhere inside frames of (height, width) `shape`.

  Raises:
    UserError: the frames are smaller than the window.
  """
  (height, width), (rows, columns) = shape, sides(size)
  if rows > height or columns > width:
    most = min(shape) if isinstance(size, int) else shape
    what = size if isinstance(size, int) else f"{sides(size)} (height, width)"
    raise UserError(
      f"crop={what} is larger than a frame of {width}x{height} pixels (width x height); "
      f"take a crop of at most {most}"
    )
  top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
  return slice(top, top + rows), slice(left, left + columns)


def flip(*clips: AnyClip, rng: np.random.Generator) -> tuple[AnyClip, ...]:
  """Mirrors all clips left-right, and upside down, each with probability 1/2."""
  for axis in (1, 2):
    if rng.integers(2):
      clips = tuple(np.flip(clip, axis) for clip in clips)
  return clips


def rotate(*clips: AnyClip, rng: np.random.Generator) -> tuple[AnyClip, ...]:
  """Turns all clips by the same random multiple of 90 degrees.

  Raises:
    UserError: frames are not square, so that clips of one batch would differ in shape.
  """
  for clip in clips:
    if clip.shape[1] != clip.shape[2]:
      raise UserError(f"rotation needs square frames, found {clip.shape[1:3]}; crop them first")
  turns = int(rng.integers(4))
  return tuple(np.rot90(clip, turns, axes=(1, 2)) for clip in clips)


def permute_channels(*clips: AnyClip, rng: np.random.Generator) -> tuple[AnyClip, ...]:
  """Shuffles the colour channels of all clips in the same way."""
  order = rng.permutation(clips[0].shape[-1])
  return tuple(clip[..., order] for clip in clips)


def add_noise(low: FloatClip, rng: np.random.Generator, *, spread: float = 2 / 255) -> FloatClip:
  """Adds Gaussian noise of standard deviation |s|, s ~ N(0, spread), and clips to [0, 1]."""
  deviation = np.float32(abs(rng.normal(0, spread)))
  noisy = rng.standard_normal(low.shape, np.float32)
  noisy *= deviation
  noisy += low
  return np.clip(noisy, 0, 1, out=noisy)


@dataclasses.dataclass(frozen=True)
class Turn:
  """A way to lay out a clip [t, h, w, ...] anew; the defaults leave it as it is.

  Attributes:
    reverse: play it backwards.
    up_down: turn it upside down.
    left_right: mirror it.
    transpose: then make rows of its columns.
  """

  reverse: bool = False
  up_down: bool = False
  left_right: bool = False
  transpose: bool = False

  @classmethod
  def draw(
    cls, rng: np.random.Generator, *, reverse: bool = True, transpose: bool = True
  ) -> "Turn":
    """Each with probability 1/2; none backwards without `reverse`, nor on its side."""
    turn = cls(*(rng.integers(2, size=4) == 1).tolist())
    allowed = (turn.reverse and reverse, turn.transpose and transpose)
    return dataclasses.replace(turn, reverse=allowed[0], transpose=allowed[1])

  def apply(self, clip: Shaped[np.ndarray, "t h w *c"]) -> Shaped[np.ndarray, "t ..."]:
    """Returns a view."""
    chosen = (self.reverse, self.up_down, self.left_right)
    clip = np.flip(clip, tuple(axis for axis in range(3) if chosen[axis]))
    return np.swapaxes(clip, 1, 2) if self.transpose else clip

  def origin(self, window: Window2d, shape: tuple[int, int]) -> Window2d:
    """Where, in frames of (height, width) `shape`, a window of the turned frames comes from."""
    rows, columns = window[::-1] if self.transpose else window
    if self.up_down:
      rows = slice(shape[0] - rows.stop, shape[0] - rows.start)
    if self.left_right:
      columns = slice(shape[1] - columns.stop, shape[1] - columns.start)
    return rows, columns


class Augment(grain.transforms.RandomMap):
  """System A's, as one step of a pipeline: flip, rotate, permute the channels, add noise."""

  def random_map(self, element: Pair, rng: np.random.Generator) -> Pair:
    """Maps a pair of float32 clips with square frames to another one of the same shape."""
    # What lies beside the target moves as it does; a view of the whole frame has its colours, too.
    colored = [key for key in ("low", "high", "context") if key in element]
    keys = [*colored, *(key for key in ("mask",) if key in element)]
    clips = flip(*(element[key] for key in keys), rng=rng)  # type: ignore[literal-required]
    clips = rotate(*clips, rng=rng)
    permuted = permute_channels(*clips[: len(colored)], rng=rng)
    changed = dict(zip(keys, (*permuted, *clips[len(colored) :]), strict=True))
    changed["low"] = add_noise(changed["low"], rng)
    pair: Any = {**element, **{key: np.ascontiguousarray(clip) for key, clip in changed.items()}}
    return pair


class MirrorPair(grain.transforms.RandomMap):
  """Mirrors a pair left-right with probability 1/2, as DeblurGAN's program does."""

  def random_map(self, element: Pair, rng: np.random.Generator) -> Pair:
    """Maps a pair of clips to another one of the same shape."""
    pair: Any = {**element}
    if rng.integers(2):
      for key in ("low", "high", "mask", "context"):
        if key in pair:
          pair[key] = np.ascontiguousarray(np.flip(pair[key], 2))
    return pair


class TurnPair(grain.transforms.RandomMap):
  """System C's: reverse time, turn upside down, mirror, transpose, each with probability 1/2.

  Attributes:
    reverse: whether time is reversed, too.
    transpose: whether rows become columns; only where frames are square.
  """

  def __init__(self, *, reverse: bool = True, transpose: bool = True):
    self.reverse = reverse
    self.transpose = transpose

  def random_map(self, element: Pair, rng: np.random.Generator) -> Pair:
    """Maps a pair of clips, with square frames if transposed, to another one of the same shape."""
    turn = Turn.draw(rng, reverse=self.reverse, transpose=self.transpose)
    pair: Any = {**element}
    for key in ("low", "high", "mask", "context"):
      if key in pair:
        pair[key] = np.ascontiguousarray(turn.apply(pair[key]))
    return pair


# What a pair can go through; they are told whether its frames are square. Mosaics are turned before
# they are cut, see `data.mosaic`.
AUGMENTATIONS: dict[str, Callable[[bool], grain.transforms.RandomMap] | None] = {
  "none": None,
  "turntable": lambda square: Augment(),
  "turn": lambda square: TurnPair(),
  "flip": lambda square: TurnPair(reverse=False, transpose=square),
  "mirror": lambda square: MirrorPair(),
}
# Those that lay frames on their side come out in one shape only if that is a square.
FOR_SQUARES = ("turntable", "turn")


def named(augment: bool | str, *, mosaics: bool) -> str:
  """The key of `AUGMENTATIONS` that is meant; True is "turntable", and of mosaics "turn".

  Raises:
    UserError: an unknown name, or "turntable" for mosaics.
  """
  if isinstance(augment, bool):
    return ("turn" if mosaics else "turntable") if augment else "none"
  if augment not in AUGMENTATIONS:
    raise UserError(f"no augmentation is called {augment!r}; known: {', '.join(AUGMENTATIONS)}")
  if mosaics and augment == "turntable":
    raise UserError(
      'augment="turntable" permutes colours and adds noise, which is for RGB; of mosaics take '
      '"turn" or "flip"'
    )
  return augment
