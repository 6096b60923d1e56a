"""Of the frames around a match, the one that was taken nearest to the still."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llve_jax.io.video import read_frames
from llve_jax.prepare.grey import Grey, grey, shrink
from llve_jax.prepare.match import Matches, monotone_path
from llve_jax.prepare.register import find_shift

HEIGHT = 270  # rows of the pictures that are compared
_REACH = 2  # frames to each side
_FAR = 1e4  # pixels: further than any shift


def nearest(
  video: Path, matches: Matches, stills: Sequence[Grey], *, blur: float, limit: float, min_step: int
) -> Matches:
  """Moves each match by a frame or two to where the shift to its still is smallest.

  Correlation alone hardly tells which of two frames a still lies nearer to; a shift does, to a
  fraction of a pixel. The order along the pan is kept.

  Args:
    video: the dark clip; decoded once.
    matches: of each still.
    stills: greys in the video's proportions, `HEIGHT` rows at most.
    blur: see `find_shift`.
    limit: largest shift that is looked for, as a part of the width.
    min_step: see `monotone_path`.
  """
  shifts: list[np.ndarray] = []
  for index, frame in enumerate(read_frames(video)):
    column = np.full(len(stills), np.inf)
    close = [
      number
      for number, match in enumerate(matches.frames)
      if match is not None and abs(match - index) <= _REACH
    ]
    if close:
      small = shrink(grey(frame.image), HEIGHT)
      bound = limit * small.shape[1]
      for number in close:
        shift = find_shift(small, stills[number], blur=blur, limit=bound, passes=2)
        column[number] = np.hypot(*shift)
    shifts.append(column)
  return monotone_path(-np.stack(shifts, 1), floor=-_FAR, min_step=min_step)
