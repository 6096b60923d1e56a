"""Training pairs from bright frames alone: they are made dark anew each time they are read."""

import zlib
from collections.abc import Mapping
from typing import Any

import grain
import numpy as np

from llve_jax.data.augment import Pair, Size, draw_window, sides
from llve_jax.data.frames import (
  as_float,
  decode_beside,
  decode_frames,
  draw_frames,
  frame_size,
  window_id,
)
from llve_jax.errors import UserError
from llve_jax.ops import darken, darkening
from llve_jax.ops.frames import to_unit
from llve_jax.ops.thumbnail import thumbnail_of
from llve_jax.shapes import Frames8


def is_bright(element: Mapping[str, Any]) -> bool:
  """Whether an example has bright frames and no dark ones."""
  return len(element["low"]) == 0 and len(element["high"]) > 0


def held_out(element: Mapping[str, Any], name: str) -> tuple[Frames8, Frames8]:
  """All frames of a bright example made dark, and their targets: the same whenever it is asked.

  Each name has a darkness of its own, so that a split shows as many cameras as it has clips.

  Raises:
    UserError: the frames are not 8-bit RGB.
  """
  rng = np.random.default_rng(zlib.crc32(name.encode()))
  bright = decode_frames(element["high"])
  try:
    return darken.apply(bright, darkening.draw(rng, untouched=0.0), rng)
  except UserError as error:
    raise UserError(f"{name}: {error}") from None


def dark_kind(element: Mapping[str, Any], kind: str | None) -> str:
  """The kind of input that a bright example gives once it is dark: "srgb".

  Raises:
    UserError: another one is wanted.
  """
  if kind not in (None, "srgb"):
    raise UserError(
      f"{element['clip'].decode()}: bright frames are made dark as srgb, but {kind!r} is wanted; "
      "take a network for srgb, or a data set of mosaics"
    )
  return "srgb"


class DarkWindow(grain.transforms.RandomMap):
  """Makes whole frames dark, see `ops.darken`, and cuts a window of them and of their targets.

  Whole frames, since lamps and skies have their place in them, and compression its blocks.

  Attributes:
    frames: frames to keep; a single bright picture is a still scene, its noise new in each frame.
    crop: side of a square, in pixels, or (height, width).
    context: side of the view of the whole dark frames; 0: there is none.
    ranges: keyword arguments of `darkening.draw`.
    least_view: share of the frame's height and of its width that is taken for the whole frame, at
      least; below 1 it is drawn anew for each window, and its place: a network that sees the whole
      frame cannot know a few pictures by heart.
  """

  def __init__(
    self,
    *,
    frames: int,
    crop: Size,
    context: int = 0,
    ranges: Mapping[str, Any] | None = None,
    least_view: float = 1.0,
  ):
    if not 0 < least_view <= 1:
      raise UserError(f"least_view: expected a share above 0 and up to 1, found {least_view}")
    self.frames = frames
    self.crop = crop
    self.context = context
    self.ranges = dict(ranges or {})
    self.least_view = least_view

  def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> Pair:
    """As `window.Window.random_map`.

    Raises:
      UserError: the example is shorter or smaller than the window, or not 8-bit RGB; or a range
        makes no sense.
    """
    clip = element["clip"].decode()
    places = draw_frames(element, self.frames, rng, key="high")
    try:
      size, view = self._view(frame_size(element["high"][places[0]]), rng)
      window = draw_window(size, self.crop, rng)
      bright = np.ascontiguousarray(decode_beside(element, "high", places)[(slice(None), *view)])
      low, high = darken.apply(bright, darkening.draw(rng, **self.ranges), rng)
    except UserError as error:
      raise UserError(f"{clip}: {error}") from None
    inside = (slice(None), *window)
    pair: Pair = {
      "low": as_float(low[inside]),
      "high": as_float(high[inside]),
      "id": np.str_(window_id(element, places)),
    }
    if self.context:
      pair["context"] = thumbnail_of(to_unit(low), self.context)
    return pair

  def _view(
    self, size: tuple[int, int], rng: np.random.Generator
  ) -> tuple[tuple[int, int], tuple[slice, slice]]:
    """(height, width) of what counts as the whole frame, no less than a window, and its place."""
    if self.least_view == 1:
      return size, (slice(size[0]), slice(size[1]))
    shares = rng.uniform(self.least_view, 1, 2)
    wanted = (round(float(share) * side) for share, side in zip(shares, size, strict=True))
    kept = [
      min(side, max(want, least))
      for side, want, least in zip(size, wanted, sides(self.crop), strict=True)
    ]
    view = draw_window(size, (kept[0], kept[1]), rng)
    return (kept[0], kept[1]), view
