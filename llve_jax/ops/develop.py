"""How a bright picture is made one that people would have kept, or one of a poor camera."""

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.shapes import Frame8, Frames8

_STEEPEST = 6.0  # gain of the darkest and the inverse of it: how far a curve goes at most
_HALVINGS = 24


def curve(frames: Frames8, level: float, contrast: float) -> Float[np.ndarray, "256"]:
  """What becomes of each code, in [0, 1], so that the mean of a clip is `level`.

  x in [0, 1] becomes y = x g / (1 + (g - 1) x), which keeps black and white, and then
  y + contrast (3 y^2 - 2 y^3 - y), which keeps the middle as well; g is looked for, from 1/6 to 6.
  A clip that would need more is brought as near as that.

  Args:
    frames: uint8 [t, h, w, 3].
    level: mean over all values, in [0, 1]; 0: any, and no curve.
    contrast: 0 to 1 or a little more.
  """
  codes = np.arange(256, dtype=np.float32) / np.float32(255)
  if not level:
    return codes

  def bent(gain: float) -> Float[np.ndarray, "256"]:
    y = codes * gain / (1 + (gain - 1) * codes)
    return np.clip(y + contrast * (3 * y**2 - 2 * y**3 - y), 0, 1).astype(np.float32)

  shares = np.bincount(frames.ravel(), minlength=256) / frames.size
  low, high = -np.log(_STEEPEST), np.log(_STEEPEST)
  for _ in range(_HALVINGS):
    middle = (low + high) / 2
    low, high = (low, middle) if shares @ bent(np.exp(middle)) > level else (middle, high)
  return bent(float(np.exp((low + high) / 2)))


def faded(frame: Frame8, saturation: float) -> Frame8:
  """The frame with colours `saturation` times as far from their luma (BT.601), 0 to 1."""
  if saturation == 1:
    return frame
  grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
  return np.asarray(cv2.addWeighted(frame, saturation, grey, 1 - saturation, 0), np.uint8)
