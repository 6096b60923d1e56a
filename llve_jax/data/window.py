"""Random windows of frames and pixels from examples with dark and bright frames in RGB."""

from collections.abc import Sequence
from typing import Any

import grain
import numpy as np

from llve_jax.data import stills
from llve_jax.data.augment import Pair, Size, draw_window, sides
from llve_jax.data.frames import (
  WHOLE,
  as_float,
  decode_beside,
  decode_window,
  draw_frames,
  resized,
  window_id,
  window_sizes,
)
from llve_jax.errors import UserError
from llve_jax.ops.thumbnail import thumbnail_of


class Window(grain.transforms.RandomMap):
  """Cuts a random window of frames and pixels from an encoded example.

  Attributes:
    frames: frames to keep; only these are decoded.
    crop: side of a square, in pixels, or (height, width).
    apart: frames of a still scene that do not follow each other, see `draw_frames`.
    context: side of the view of the whole dark frames; 0: there is none.
    pictures: whether a pair of single pictures stands for a clip, see `data.stills`.
    resize: (height, width) that whole frames are brought to first; empty: they stay as they are.
  """

  def __init__(
    self,
    *,
    frames: int,
    crop: Size,
    apart: bool = False,
    context: int = 0,
    pictures: bool = False,
    resize: Sequence[int] = (),
  ):
    self.frames = frames
    self.crop = crop
    self.apart = apart
    self.context = context
    self.pictures = pictures
    self.resize: tuple[int, int] | tuple[()] = sides(resize) if resize else ()

  def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> Pair:
    """Returns float32 clips [frames, height, width, 3] in [0, 1], and where they come from ("id").

    A single bright frame is the target of every dark one. Where the example has a mask, so has the
    window: [frames, height, width, 1].

    Raises:
      UserError: the example is shorter or smaller than the window, or its clips do not match.
    """
    clip = element["clip"].decode()
    still = self.pictures and len(element["low"]) == 1 < self.frames
    places = [0] if still else draw_frames(element, self.frames, rng, apart=self.apart)
    shape, target = window_sizes(element, places)
    if shape != target:
      found = [f"{width}x{height}" for height, width in (shape, target)]
      raise UserError(
        f"{clip}: the dark frames have {found[0]}, the bright {found[1]} pixels (width x height)"
      )
    try:
      shape = self.resize or shape
      window = draw_window(shape, self.crop, rng)
      whole = still or self.context > 0 or bool(self.resize)
      low, high = decode_window(element, places, WHOLE if whole else window)
    except UserError as error:
      raise UserError(f"{clip}: {error}") from None
    if low.shape != high.shape:
      raise UserError(
        f"{clip}: the dark frames have {low.shape[-1]} channel(s), the bright {high.shape[-1]}"
      )
    low, high = (resized(side, self.resize) for side in (low, high))
    beside = {}
    if self.context:
      view = thumbnail_of(as_float(low), self.context)
      beside["context"] = np.repeat(view, self.frames // len(low), axis=0)
    path = stills.drift(window, shape, self.frames, rng) if still else []
    if still:
      low, high = (stills.as_clip(side[0], path) for side in (low, high))
      low = stills.add_fresh_noise(low, rng)
    elif whole:
      low, high = low[:, *window], high[:, *window]
    if "mask" in element:
      entire = still or bool(self.resize)
      mask = decode_beside(element, "mask", places, WHOLE if entire else window)[..., :1]
      if self.resize:
        mask = resized(mask, self.resize)
        mask = mask if still else mask[:, *window]
      beside["mask"] = as_float(stills.as_clip(mask[0], path) if still else mask)
    pair: Any = {
      "low": as_float(low),
      "high": as_float(high),
      "id": np.str_(window_id(element, places)),
      **beside,
    }
    return pair
