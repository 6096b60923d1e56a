"""From an encoded image of a data set to pixels."""

import io
import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from llve_jax.errors import UserError

# sRGB, or 16-bit R'G'B' or one plane of a mosaic.
Frame = UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w c"]
Frames = UInt8[np.ndarray, "t h w 3"] | UInt16[np.ndarray, "t h w c"]
Inside = tuple[slice, slice]  # rows and columns
WHOLE = (slice(None), slice(None))


def decode_frame(encoded: bytes) -> Frame:
  """Decodes a PNG or JPEG file: 8 bits to sRGB, grey as three equal channels; 16 bits as they are.

  Raises:
    UserError: the bytes are no image that OpenCV can read.
  """
  frame = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED) if encoded else None
  if frame is None:
    raise UserError(
      f"expected an encoded image in the data set, found {len(encoded)} bytes that start with "
      f"{encoded[:8]!r}; the file is damaged, build the data set again"
    )
  if frame.ndim == 2:
    return frame[..., None] if frame.dtype == np.uint16 else np.repeat(frame[..., None], 3, axis=2)
  # Not frame[..., 2::-1]: what copies that view later takes a quarter of the time of decoding.
  code = cv2.COLOR_BGR2RGB if frame.shape[2] == 3 else cv2.COLOR_BGRA2RGB
  return np.asarray(cv2.cvtColor(frame, code))


def frame_size(encoded: bytes) -> tuple[int, int]:
  """(height, width) of what `decode_frame` gives; reads the head of the file only.

  Raises:
    UserError: as `decode_frame`.
  """
  try:
    with Image.open(io.BytesIO(encoded)) as image:
      return image.height, image.width
  except (OSError, SyntaxError, ValueError):  # Pillow's ways to say that it cannot
    height, width = decode_frame(encoded).shape[:2]
    return height, width


def decode_frames(encoded: Sequence[bytes], inside: Inside = WHOLE) -> Frames:
  """Decodes the images of one clip, all of one size, and keeps what lies inside a window.

  Raises:
    UserError: as `decode_frame`; or the sizes differ.
  """
  kept, sizes = [], set()
  for image in encoded:
    frame = decode_frame(image)
    sizes.add(frame.shape)
    kept.append(np.ascontiguousarray(frame[inside]))  # so that the rest can go
  if len(sizes) > 1:
    raise UserError(
      f"expected frames of one size in one clip, found (height, width, channels) {sorted(sizes)}; "
      "the data set is damaged, build it again"
    )
  return np.stack(kept)


def as_float(frames: Frames) -> np.ndarray:
  """Integer frames as float32 in [0, 1]: 1 is the largest value of their type."""
  return np.divide(frames, np.float32(np.iinfo(frames.dtype).max), dtype=np.float32)


def resized(frames: Frames, size: Sequence[int]) -> Frames:
  """Frames at (height, width) `size`: means of areas where both sides shrink, else bilinear.

  OpenCV's INTER_AREA and INTER_LINEAR, which keep the type. An empty `size` changes nothing.
  """
  if not size or frames.shape[1:3] == tuple(size):
    return frames
  height, width = size
  smaller = height <= frames.shape[1] and width <= frames.shape[2]
  how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
  kept = [cv2.resize(frame, (width, height), interpolation=how) for frame in frames]
  return np.stack(kept).reshape(len(frames), height, width, frames.shape[-1])


def window_sizes(
  element: dict[str, Any], places: Sequence[int]
) -> tuple[tuple[int, int], tuple[int, int]]:
  """(height, width) of the dark frames of those numbers and of their targets; decodes nothing.

  Raises:
    UserError: there is no target.
  """
  _check_targets(element)
  high = element["high"]
  return frame_size(element["low"][places[0]]), frame_size(high[min(places[0], len(high) - 1)])


def decode_window(
  element: dict[str, Any], places: Sequence[int], inside: Inside = WHOLE
) -> tuple[Frames, Frames]:
  """Decodes the dark frames of those numbers, and their targets; nothing else is decoded.

  Raises:
    UserError: there is no target.
  """
  _check_targets(element)
  low = decode_frames([element["low"][place] for place in places], inside)
  return low, decode_beside(element, "high", places, inside)


def _check_targets(element: dict[str, Any]) -> None:
  if len(element["high"]) == 0:
    raise UserError(
      f"{element['clip'].decode()} has no bright frames: this split can be enhanced, not trained "
      "on or scored"
    )


def decode_beside(
  element: dict[str, Any], key: str, places: Sequence[int], inside: Inside = WHOLE
) -> Frames:
  """Decodes what stands beside the frames of those numbers; one image stands beside all."""
  images = element[key]
  if len(images) == 1:
    return np.repeat(decode_frames(images, inside), len(places), axis=0)
  return decode_frames([images[place] for place in places], inside)


def draw_frames(
  element: dict[str, Any],
  frames: int,
  rng: np.random.Generator,
  *,
  apart: bool = False,
  key: str = "low",
) -> list[int]:
  """Draws the numbers of `frames` frames of an encoded example.

  Args:
    element: the example.
    frames: how many.
    rng: what is drawn from.
    apart: any frames, each once and in any order, and not consecutive ones. Then one bright frame
      must be the target of all: the scene holds still.
    key: the side whose frames are counted. A single bright frame is repeated.

  Raises:
    UserError: the example is shorter, or it is no still scene.
  """
  count = len(element[key])
  clip = element["clip"].decode()
  if key == "high" and count == 1:
    return [0] * frames
  if frames > count:
    raise UserError(
      f"frames={frames} is more than the {count} frames of a segment of {clip}; take at most "
      f"{count}, or build the data set with longer segments"
    )
  if not apart:
    start = int(rng.integers(count - frames + 1))
    return list(range(start, start + frames))
  if len(element["high"]) > 1:
    raise UserError(
      f"apart=True needs still scenes, whose one bright frame is the target of all dark ones; "
      f"{clip} has {len(element['high'])} bright frames: what moves between two of its frames "
      "would count as flicker. Take such a data set, or leave apart out"
    )
  return [int(place) for place in rng.choice(count, frames, replace=False)]


def window_id(element: dict[str, Any], places: Sequence[int]) -> str:
  """Says where a window comes from: `clip/variant/frame`.

  The frame is the number of the window's first one in its clip; of frames that do not follow each
  other all are named, with + between.
  """
  start = int(element.get("start", 0))
  consecutive = all(b in (a, a + 1) for a, b in itertools.pairwise(places))
  named = places[:1] if consecutive else places
  numbers = "+".join(str(start + place) for place in named)
  return f"{element['clip'].decode()}/{int(element.get('variant', 0))}/{numbers}"
