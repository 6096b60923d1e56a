"""A small picture of the whole frame: what a network that sees a part must know of the rest."""

import cv2
import numpy as np
from jaxtyping import Float, Shaped

from llve_jax.errors import UserError


def thumbnail(
  frames: Shaped[np.ndarray, "t h w c"], side: int = 64
) -> Float[np.ndarray, "t {side} {side} c"]:
  """Every frame averaged over areas to `side` x `side` pixels, whatever its own shape is.

  Args:
    frames: whole numbers, of which the largest of their type becomes 1, or floating in [0, 1].
    side: in pixels; the pixels of frames that are smaller count as squares of one colour.

  Returns:
    float32, in [0, 1].

  Raises:
    UserError: no clip, or a side below 1.
  """
  if frames.ndim != 4 or side < 1:
    raise UserError(f"expected frames [t, h, w, c] and a side of 1, found {frames.shape}, {side}")
  full = np.iinfo(frames.dtype).max if np.issubdtype(frames.dtype, np.integer) else 1
  small = np.empty((len(frames), side, side, frames.shape[-1]), np.float32)
  for index, frame in enumerate(frames):
    # Of floating numbers: those of 8 bits would be rounded, and dark ones hold little else.
    whole = frame.astype(np.float32)
    for axis in (0, 1):
      if whole.shape[axis] < side:  # OpenCV would interpolate
        whole = np.repeat(whole, -(-side // whole.shape[axis]), axis)
    shrunk = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA)
    small[index] = shrunk.reshape(side, side, -1)
  return small / np.float32(full)
