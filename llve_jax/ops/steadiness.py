"""How much the brightness of a film jumps, counted frame by frame as it passes."""

import numpy as np
from jaxtyping import Float

_LUMA = np.array([0.299, 0.587, 0.114])  # BT.601, as `metrics.harm` has it


class Flicker:
  """Mean change of brightness from frame to frame, as share of the mean brightness.

  The number of `metrics.harm.flicker`, without holding the film; what changes at a cut is none.
  Motion counts, too: compare films of the same scene.
  """

  def __init__(self, counted: list[float | None] | None = None) -> None:
    """Starts a film, or goes on with what was `counted` so far."""
    before, jumps, pairs, total, count = counted or (None, 0, 0, 0, 0)
    self._before: float | None = before
    self._jumps, self._sum = jumps or 0.0, total or 0.0
    self._pairs, self._count = pairs or 0, count or 0

  @property
  def counted(self) -> list[float | None]:
    """What to go on with."""
    return [self._before, self._jumps, self._pairs, self._sum, self._count]

  def add(self, colors: Float[np.ndarray, "3"], *, cut: bool = False) -> None:
    """The next frame.

    Args:
      colors: its mean R, G and B.
      cut: whether it begins a new shot.
    """
    level = float(_LUMA @ colors)
    if self._before is not None and not cut:
      self._jumps += abs(level - self._before)
      self._pairs += 1
    self._before = level
    self._sum += level
    self._count += 1

  @property
  def share(self) -> float:
    """Of the frames so far; 0 for less than two, and for black ones."""
    if not self._pairs or not self._sum:
      return 0.0
    return (self._jumps / self._pairs) / (self._sum / self._count)
