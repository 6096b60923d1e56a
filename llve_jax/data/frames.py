"""From an encoded image of a data set to pixels."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from llve_jax.errors import UserError

# sRGB, or 16-bit R'G'B' or one plane of a mosaic.
Frame = UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w c"]
Frames = UInt8[np.ndarray, "t h w 3"] | UInt16[np.ndarray, "t h w c"]


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


def decode_frames(encoded: Sequence[bytes]) -> Frames:
  """Decodes the images of one clip, all of one size."""
  return np.stack([decode_frame(image) for image in encoded])


def as_float(frames: Frames) -> np.ndarray:
  """Integer frames as float32 in [0, 1]: 1 is the largest value of their type."""
  return np.divide(frames, np.float32(np.iinfo(frames.dtype).max), dtype=np.float32)


def decode_window(element: dict[str, Any], start: int, frames: int) -> tuple[Frames, Frames]:
  """Decodes `frames` dark frames from `start` on, and their targets; nothing else is decoded.

  Raises:
    UserError: there is no target.
  """
  if len(element["high"]) == 0:
    raise UserError(
      f"{element['clip'].decode()} has no bright frames: this split can be enhanced, not trained "
      "on or scored"
    )
  low = decode_frames(element["low"][start : start + frames])
  return low, decode_beside(element, "high", start, frames)


def decode_beside(element: dict[str, Any], key: str, start: int, frames: int) -> Frames:
  """Decodes what stands beside `frames` dark frames from `start` on; one image is beside all."""
  images = element[key]
  if len(images) == 1 < len(element["low"]):
    return np.repeat(decode_frames(images), frames, axis=0)
  return decode_frames(images[start : start + frames])


def draw_start(element: dict[str, Any], frames: int, rng: np.random.Generator) -> int:
  """Draws the first of `frames` consecutive frames of an encoded example.

  Raises:
    UserError: the example is shorter.
  """
  count = len(element["low"])
  if frames > count:
    raise UserError(
      f"frames={frames} is more than the {count} frames of a segment of "
      f"{element['clip'].decode()}; take at most {count}, or build the data set with longer "
      "segments"
    )
  return int(rng.integers(count - frames + 1))
