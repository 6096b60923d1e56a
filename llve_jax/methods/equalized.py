"""Histogram equalisation of video by one curve that does not jump from frame to frame.

`hist_eq` equalises each frame by itself, so that a dark figure who walks in changes all of the
picture. System C equalises whole clips by one curve, which has to see the future; a running
histogram does not.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Float, Integer

from llve_jax.ops.frames import to_8_bit, to_16_bit
from llve_jax.shapes import Frame8, Frame16

Codes = Frame8 | Frame16


class RunningEqualizer:
  """Equalises luma (BT.601 Y') by the histogram of the frames so far; Cr and Cb stay as they are.

  The histogram h of the frames up to this one is h <- memory * h + (1 - memory) * h_frame, the
  first frame sets it, and the curve is that of OpenCV's `equalizeHist`. On a scene that holds still
  it is `hist_eq`.

  Attributes:
    memory: weight of the past per frame, in [0, 1); 0 is `hist_eq`, 0.9 halves it in 6.6 frames.
    past: the histogram so far; None before the first frame.
  """

  def __init__(self, memory: float = 0.9) -> None:
    if not 0.0 <= memory < 1.0:
      raise ValueError(f"memory must be in [0, 1), got {memory}")
    self.memory = memory
    self.past: Float[np.ndarray, n] | None = None

  def __call__(self, frame: Codes) -> Codes:
    """Brightens the next frame of the video."""
    counts = histogram(frame)
    past = counts if self.past is None else self.past
    self.past = self.memory * past + (1 - self.memory) * counts
    return apply_curve(frame, curve_of(self.past))


class ClipEqualizer:
  """Equalises luma by one curve, that of all frames of a clip: System C's form, on sRGB.

  Give it all of the clip (`look`) before its first frame.
  """

  def __init__(self) -> None:
    self._curve: Float[np.ndarray, n] | None = None

  def look(self, frames: Iterable[Codes]) -> None:
    """Counts the values of every frame."""
    self._curve = curve_of(np.sum([histogram(frame) for frame in frames], axis=0))

  def __call__(self, frame: Codes) -> Codes:
    """Brightens a frame of the clip."""
    if self._curve is None:
      raise ValueError("look at the whole clip first")
    return apply_curve(frame, self._curve)


def histogram(frame: Codes) -> Float[np.ndarray, "n"]:
  """How often each code of luma is there, as shares of the frame."""
  luma = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)[..., 0]
  counts = np.bincount(luma.ravel(), minlength=int(np.iinfo(frame.dtype).max) + 1)
  return np.asarray(counts / luma.size)


def curve_of(shares: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
  """New luma in [0, 1] of each code: the share of pixels above the darkest one and up to it."""
  present = np.flatnonzero(shares)
  above = np.cumsum(shares)
  above -= above[present[0]]
  if above[-1] <= 0:  # one grey: there is nothing to spread
    return np.arange(len(shares)) / (len(shares) - 1)
  return np.asarray(np.maximum(above, 0) / above[-1])


def apply_curve(frame: Codes, curve: Float[np.ndarray, "n"]) -> Codes:
  """The frame with its luma mapped; Cr and Cb as they were."""
  deep = frame.dtype == np.uint16
  table: Integer[np.ndarray, n] = to_16_bit(curve) if deep else to_8_bit(curve)
  luma_chroma = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)
  luma_chroma[..., 0] = table[luma_chroma[..., 0]]
  return np.asarray(cv2.cvtColor(luma_chroma, cv2.COLOR_YCrCb2RGB), frame.dtype)
