"""More light and local contrast than a method gives: for looking closely, not for beauty."""

from collections.abc import Iterable, Iterator

import numpy as np

from llve_jax.methods.classic import clahe, codes_of
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.methods.steady import multiply_odds
from llve_jax.ops.frames import to_unit


class Lifted(Method):
  """Multiplies the odds x / (1 - x) of the results, the same for the whole video.

  Black and white stay. With `contrast` the local contrast of lightness is equalised then
  (`classic.clahe`).
  """

  def __init__(self, method: Method, factor: float, *, contrast: bool = False):
    """Wraps a method; a factor of 1 adds no light.

    Raises:
      ValueError: the factor is not positive.
    """
    if not factor > 0:
      raise ValueError(f"expected a positive factor, got {factor}")
    self.name, self.takes, self.flickers = method.name, method.takes, method.flickers
    self._method, self._factors, self._contrast = method, np.full(3, factor), contrast

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """As `Method`."""
    equalize = clahe()
    for frame in self._method.stream(frames, rounded=rounded, memory=memory):
      lifted = multiply_odds(frame, self._factors)
      if self._contrast:
        lifted = equalize(codes_of(lifted))
      yield lifted if rounded else to_unit(lifted)

  def about(self, height: int, width: int) -> str:
    """As `Method`."""
    contrast = ", with local contrast" if self._contrast else ""
    lifted = f", lifted {self._factors[0]:.2g} times" if self._factors[0] != 1 else ""
    return f"{self._method.about(height, width)}{lifted}{contrast}"
