"""Less of a method: its result mixed with the input.

Mixed as sRGB values, which are about as evenly spaced as brightness is seen: at half the strength
the picture looks half as bright between the two. Mixed as light, it would look nearly as bright as
the result; mixed as logarithms of light, black would swallow it.
"""

import collections
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.ops.frames import to_8_bit, to_unit


class Mixed(Method):
  """`strength` of the method's result and the rest of the input; 0 is the input, 1 the result."""

  def __init__(self, method: Method, strength: float):
    """Wraps a method that takes sRGB frames.

    Raises:
      UserError: the strength is not from 0 to 1, or the method takes raw light, which is no picture
        that could be mixed with the result.
    """
    if not 0.0 <= strength <= 1.0:
      raise UserError(f"--strength={strength:g}: expected a number from 0 to 1")
    if method.takes != "srgb":
      raise UserError(
        f"--strength={strength:g}: {method.name} takes {method.takes} light, which is no picture "
        "to mix its result with; leave it out"
      )
    self.name, self._method, self._strength = method.name, method, strength

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """As `Method`.

    Raises:
      UserError: the result has another size than the input.
    """
    if self._strength == 0:
      for frame in frames:
        yield _as_asked(frame, rounded)
      return
    if self._strength == 1:
      yield from self._method.stream(frames, rounded=rounded, memory=memory)
      return
    waiting = collections.deque(memory.kept.get("mixed", []) if memory else [])

    def seen() -> Iterator[Frame]:
      for frame in frames:
        waiting.append(frame)
        yield frame

    for bright in self._method.stream(seen(), rounded=rounded, memory=memory):
      dark = waiting.popleft()
      if dark.shape != bright.shape:
        raise UserError(
          f"--strength={self._strength:g}: {self.name} makes {bright.shape[1]}x{bright.shape[0]} "
          f"pixels of {dark.shape[1]}x{dark.shape[0]}, so they cannot be mixed; leave it out"
        )
      yield self._mixed(_as_asked(dark, bright.dtype == np.uint8), bright)
    if memory:
      memory.kept["mixed"] = list(waiting)

  def about(self, height: int, width: int) -> str:
    """As `Method`."""
    return f"{self._method.about(height, width)}, strength {self._strength:.2g}"

  def _mixed(self, dark: Frame, bright: Frame) -> Frame:
    return np.asarray(cv2.addWeighted(dark, 1 - self._strength, bright, self._strength, 0))


def _as_asked(frame: Frame, rounded: bool) -> Frame:
  if rounded and frame.dtype == np.uint8:
    return frame
  return to_8_bit(to_unit(frame)) if rounded else to_unit(frame)
