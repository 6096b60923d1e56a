"""Where one shot ends and the next begins, so that a memory does not carry over.

Frames are compared as small pictures of the logarithm of their brightness: a lamp that is switched
on or an exposure that is adjusted adds a constant to it and is no cut, and the noise of dark frames
is averaged away. What moves changes a part of the picture, a cut nearly all of it.
"""

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.methods.method import Frame
from llve_jax.ops.frames import to_unit

_SIDE = 32  # of the small pictures, in pixels
_FLOOR = 4.0 / 255.0  # added to brightness: differences below are the noise of black
# (correlation below, mean difference above): likeness falls and the difference is large. Of fifteen
# hundred pairs of neighbours in twelve films the least alike had (0.77, 0.33) and (0.74, 0.03).
_LIMITS = ((0.72, 0.15), (0.85, 0.4))


class Cuts:
  """Looks at the frames of one video in order.

  Attributes:
    before: the last frame, small; all that is remembered.
  """

  def __init__(self, before: Float[np.ndarray, "h w"] | None = None) -> None:
    """Starts a video, or goes on behind a frame."""
    self.before = before

  def __call__(self, frame: Frame) -> bool:
    """Whether this frame begins a new shot; the first frame of a video does not."""
    now, before = _small(frame), self.before
    self.before = now
    if before is None:
      return False
    difference = float(np.abs(now - before).mean())
    spread = float(np.sqrt((now**2).mean() * (before**2).mean()))
    likeness = float((now * before).mean()) / max(spread, 1e-9)
    return any(likeness < least and difference > most for least, most in _LIMITS)


def _small(frame: Frame) -> Float[np.ndarray, "h w"]:
  shrunk = cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
  grey = np.maximum(to_unit(shrunk.reshape(_SIDE, _SIDE, -1)).mean(axis=-1), 0.0)  # raw noise
  brightness = np.log(grey + np.float32(_FLOOR))
  return brightness - brightness.mean()
