"""By how much a still has to move to lie on a frame. Translation only.

The still is moved, not the frame: interpolation would change the noise that a network is to learn.
"""

import cv2
import numpy as np

from llve_jax.ops.warp import Shift, phase_correlate, translate, valid_area
from llve_jax.prepare.crop import Box
from llve_jax.prepare.grey import Grey, correlation, equalize, grey, shrink, view
from llve_jax.shapes import Frame8

_LEVELS = 256
_LATER_LIMIT = 4.0  # pixels: after the first pass only its error is left


def fit(still: Frame8, width: int, height: int) -> Frame8:
  """A still at the size of the video: its middle, cut to the video's proportions, then scaled.

  A camera films the middle of what it photographs: 16:9 of 3:2, at the full width.
  """
  rows, columns = still.shape[:2]
  scale = min(columns / width, rows / height)
  kept = min(columns, round(width * scale)), min(rows, round(height * scale))
  left, top = (columns - kept[0]) // 2, (rows - kept[1]) // 2
  middle = still[top : top + kept[1], left : left + kept[0]]
  if kept == (width, height):
    return middle
  method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
  return np.asarray(cv2.resize(middle, (width, height), interpolation=method), np.uint8)


def find_shift(
  frame: Grey,
  still: Grey,
  *,
  height: int = 720,
  blur: float = 1.0,
  limit: float = np.inf,
  passes: int = 3,
) -> Shift:
  """The shift (dx, dy) in pixels that brings `still` onto `frame`, both of the same size.

  First phase correlation of the equalised pictures, which needs to know nothing of their tones.
  Then, closer and closer, of the frame and of the still as the dark camera would have seen it
  (`relit`): equalising stretches the noise of the shadows over half the scale, this leaves them
  flat. A still is moved before each pass, since the window over both pictures makes a large shift
  seem smaller than it is.

  Args:
    frame: dark.
    still: bright.
    height: pictures with more rows are shrunk to this many; only the estimate is made there.
    blur: of the pictures that are equalised, see `llve_jax.prepare.grey.view`.
    limit: largest shift in pixels along an axis that is looked for.
    passes: of the second kind.
  """
  reference, moving = shrink(frame, height), shrink(still, height)
  x_scale, y_scale = (frame.shape[axis] / reference.shape[axis] for axis in (1, 0))
  (dx, dy), _ = phase_correlate(
    view(reference, height, blur),
    view(moving, height, blur),
    limit=max(limit / min(x_scale, y_scale), 1.0),
  )
  for _ in range(passes):
    guess = relit(translate(moving, (dx, dy)), reference)
    step, _ = phase_correlate(reference, guess, limit=_LATER_LIMIT)
    dx, dy = dx + step[0], dy + step[1]
  return dx * x_scale, dy * y_scale


def relit(still: Grey, frame: Grey) -> Grey:
  """The still in the dark frame's tones: each grey becomes the frame's mean where the still has it.

  The regression of one picture's values on the other's that the correlation ratio is made of (Roche
  et al., "The correlation ratio as a new similarity measure for multimodal image registration",
  MICCAI 1998). It need not rise, and knows nothing of exposure, tone curve or clipped noise.
  """
  level = (equalize(still) * np.float32(_LEVELS - 1)).astype(np.int32)
  count = np.bincount(level.ravel(), minlength=_LEVELS)
  total = np.bincount(level.ravel(), frame.ravel(), minlength=_LEVELS)
  return (total / np.maximum(count, 1)).astype(np.float32)[level]


def move(still: Frame8, shift: Shift) -> tuple[Frame8, np.ndarray]:
  """The moved still, and where it can be trusted (bool [h, w]): not on the exposed border."""
  height, width = still.shape[:2]
  return translate(still, shift), valid_area(height, width, shift)


def bounds(valid: np.ndarray) -> Box | None:
  """(left, top, width, height) of the trusted rectangle, or None if nothing is left."""
  rows, columns = np.flatnonzero(valid.any(1)), np.flatnonzero(valid.any(0))
  if not len(rows):
    return None
  left, top = int(columns[0]), int(rows[0])
  return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def agreement(
  frame: Frame8, moved: Frame8, valid: np.ndarray, *, height: int, blur: float
) -> float:
  """Correlation coefficient over the trusted rectangle, of the views that were matched."""
  box = bounds(valid)
  if box is None:
    return 0.0
  left, top, width, rows = box
  first, second = (
    view(grey(image[top : top + rows, left : left + width]), height, blur)
    for image in (frame, moved)
  )
  return correlation(first, second)
