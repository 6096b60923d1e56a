"""Which frame of the pan shows the same view as each still."""

import dataclasses

import numpy as np
from jaxtyping import Float

Correlations = Float[np.ndarray, "stills frames"]


@dataclasses.dataclass(frozen=True)
class Matches:
  """The frame of each still, or None for a still that fits nowhere; still order as given.

  `reverse`: the stills run against the direction of the pan.
  """

  frames: tuple[int | None, ...]
  reverse: bool = False


def best_frames(correlations: Correlations, *, floor: float) -> Matches:
  """The frame of the highest correlation for each still by itself, as the report did it.

  Nothing keeps the order: in a noisy or repetitive view, neighbouring stills may land anywhere.
  """
  frames = np.argmax(correlations, axis=1)
  return Matches(
    tuple(
      int(frame) if row[frame] >= floor else None
      for row, frame in zip(correlations, frames, strict=True)
    )
  )


def monotone_path(correlations: Correlations, *, floor: float, min_step: int = 0) -> Matches:
  """The order-keeping assignment of stills to frames whose correlations have the largest sum.

  Dynamic programming over (still, last frame used). A still may be left out; that counts as
  `floor`, so none is matched below it and one wrong still cannot pull the others along. Both
  directions of the pan are tried.

  Args:
    correlations: of each still with each frame.
    floor: lowest correlation of a match.
    min_step: frames from one matched still to the next, at least; 0 lets two stills share one.
  """
  forward, gain = _path(correlations, floor, min_step)
  backward, reverse_gain = _path(correlations[::-1], floor, min_step)
  if reverse_gain > gain:
    return Matches(tuple(reversed(backward)), reverse=True)
  return Matches(tuple(forward))


def _path(
  correlations: Correlations, floor: float, min_step: int
) -> tuple[list[int | None], float]:
  """The best path with frames in ascending order, and its sum above that of leaving all out."""
  stills, frames = correlations.shape
  gains = correlations.astype(np.float64) - floor
  # best[i, j]: the first i stills, using none but the first j frames.
  best = np.zeros((stills + 1, frames + 1))
  before = np.maximum(np.arange(1, frames + 1) - min_step, 0)
  for still in range(stills):
    taken = best[still, before] + gains[still]
    best[still + 1, 1:] = np.maximum(taken, best[still, 1:])
    best[still + 1] = np.maximum.accumulate(best[still + 1])
  path: list[int | None] = [None] * stills
  last = frames
  for still in reversed(range(stills)):
    while last > 0 and best[still + 1, last - 1] == best[still + 1, last]:
      last -= 1
    if best[still + 1, last] == best[still, last]:
      continue  # left out
    path[still] = last - 1
    last = int(before[last - 1])
  return path, float(best[-1, -1])
