"""Keeps a result from flickering: its exposure and colour follow a smoothed curve over time.

A network of single frames finds another exposure and white balance for each, since their noise
differs. The mean colour of its results is smoothed over neighbouring frames; of these only those
count in which as much light falls on the camera, so that a lamp that is switched on, or a flash,
stays as sudden as it was. At a cut the curve begins anew.

A frame is brought to the curve by multiplying the odds x / (1 - x) of each colour: a gain for what
is dark, while black and white stay as they are, so that lamps and letterbox bars do not pump.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.methods.cuts import Cuts
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.ops.frames import to_8_bit, to_16_bit, to_unit
from llve_jax.ops.steadiness import Flicker

_RADIUS = 8  # frames to each side; so many are held
_SIGMA = 4.0  # standard deviation of the weights over time, in frames
_SAME_LIGHT = 0.1  # difference of the logarithm of the input's brightness that is still the same
_FLOOR = 4.0 / 255.0  # added to brightness: differences below are the noise of black
_SIDE = 48  # of the small pictures that stand for a frame
_STEPS = 4  # of Newton's method
_MOST = 1.0  # largest logarithm of the odds' factor


class Steadied(Method):
  """A method whose results are steadied; a frame comes out eight frames after it went in."""

  def __init__(self, method: Method, told: Callable[[float, float], None] | None = None):
    """Wraps a method.

    Args:
      method: any.
      told: at the end of a video it gets the flicker of the results before and after, see
        `ops.steadiness.Flicker`.
    """
    self.name, self.takes, self._method, self._told = method.name, method.takes, method, told

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """As `Method`."""
    past = memory.kept.get("steadied", {}) if memory else {}
    noted: collections.deque[list[Any]] = collections.deque(past.get("noted", []))
    cuts, before, after = (
      Cuts(past.get("cuts")),
      Flicker(past.get("before")),
      Flicker(past.get("after")),
    )

    def seen() -> Iterator[Frame]:
      for frame in frames:
        noted.append([_light(frame), cuts(frame)])
        yield frame

    shot = _Shot(before, after, past.get("shot"))
    for bright in self._method.stream(seen(), rounded=rounded, memory=memory):
      light, begins = noted.popleft()
      if begins:
        yield from shot.end()
        shot = _Shot(before, after)
      yield from shot.add(bright, light)
    if memory and memory.more:
      counted = {"before": before.counted, "after": after.counted}
      memory.kept["steadied"] = counted | {
        "noted": list(noted),
        "cuts": cuts.before,
        "shot": shot.kept(),
      }
      return
    yield from shot.end()
    if self._told is not None:
      self._told(before.share, after.share)

  def about(self, height: int, width: int) -> str:
    """As `Method`."""
    return f"{self._method.about(height, width)}, steadied"


@dataclasses.dataclass(frozen=True, eq=False)
class _Moment:
  """A frame of the curve: brightness of the input, mean colour and small picture of the result."""

  light: float
  colors: Float[np.ndarray, "3"]
  small: Float[np.ndarray, "n 3"]


class _Shot:
  """The frames between two cuts."""

  def __init__(self, before: Flicker, after: Flicker, kept: dict[str, Any] | None = None):
    """Begins a shot, or goes on with what was `kept`."""
    kept = kept or {"cut": True, "moments": [], "held": []}
    self._before, self._after, self._cut = before, after, kept["cut"]
    self._moments = collections.deque(_Moment(*moment) for moment in kept["moments"])
    self._held: collections.deque[Frame] = collections.deque(kept["held"])

  def kept(self) -> dict[str, Any]:
    """What to go on with."""
    moments = [[moment.light, moment.colors, moment.small] for moment in self._moments]
    return {"cut": self._cut, "moments": moments, "held": list(self._held)}

  def add(self, frame: Frame, light: float) -> Iterator[Frame]:
    """The next frame of the method; yields those whose neighbours are known."""
    self._held.append(frame)
    self._moments.append(_Moment(light, _colors(frame), _small(frame)))
    if len(self._held) > _RADIUS:
      yield self._first()

  def end(self) -> Iterator[Frame]:
    """Yields the frames that are left."""
    while self._held:
      yield self._first()

  def _first(self) -> Frame:
    """The frame that was held longest, brought to the curve."""
    place = len(self._moments) - len(self._held)
    now = self._moments[place]
    distance = np.arange(len(self._moments)) - place
    lights = np.array([moment.light for moment in self._moments]) - now.light
    weights = np.exp(-((distance / _SIGMA) ** 2 + (lights / _SAME_LIGHT) ** 2) / 2)
    curve = weights @ np.stack([moment.colors for moment in self._moments]) / weights.sum()
    frame = self._held.popleft()
    steady = multiply_odds(frame, odds_factors(now.small, curve - now.colors))
    self._before.add(now.colors, cut=self._cut)
    self._after.add(_colors(steady), cut=self._cut)
    self._cut = False
    if place == _RADIUS:
      self._moments.popleft()
    return steady


def odds_factors(
  pixels: Float[np.ndarray, "n 3"], change: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
  """The factors of each colour's odds that change the mean of pixels in [0, 1] by `change`.

  Newton's method on the logarithm; where no factor does it, the nearest within e and 1/e.
  """
  exponent = np.zeros(3)
  wanted = pixels.mean(axis=0, dtype=np.float64) + change
  for _ in range(_STEPS):
    now = _with_odds(pixels, np.exp(exponent))
    slope = (now * (1 - now)).mean(axis=0, dtype=np.float64)
    error = wanted - now.mean(axis=0, dtype=np.float64)
    exponent = np.clip(exponent + error / np.maximum(slope, 1e-6), -_MOST, _MOST)
  return np.exp(exponent)


def multiply_odds(frame: Frame, factors: Float[np.ndarray, "3"]) -> Frame:
  """The frame with the odds x / (1 - x) of each colour multiplied; its type stays."""
  if frame.dtype == np.uint8:
    codes = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    table = to_8_bit(_with_odds(codes, factors))
    return np.asarray(cv2.LUT(frame, np.ascontiguousarray(table[None])))
  changed = _with_odds(to_unit(frame), factors)
  return to_16_bit(changed) if frame.dtype == np.uint16 else changed


def _with_odds(values: np.ndarray, factors: Float[np.ndarray, "3"]) -> np.ndarray:
  factor = factors.astype(np.float32)
  return factor * values / (1 + (factor - 1) * values)


def _light(frame: Frame) -> float:
  """Logarithm of a frame's brightness, of any kind and type."""
  largest = {"uint8": 255.0, "uint16": 65535.0}.get(str(frame.dtype), 1.0)
  return float(np.log(max(frame.mean(dtype=np.float64) / largest, 0.0) + _FLOOR))


def _colors(frame: Frame) -> Float[np.ndarray, "3"]:
  """Mean of each colour, in [0, 1]."""
  largest = {"uint8": 255.0, "uint16": 65535.0}.get(str(frame.dtype), 1.0)
  return np.array(cv2.mean(frame)[:3]) / largest


def _small(frame: Frame) -> Float[np.ndarray, "n 3"]:
  shrunk = cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
  return np.asarray(to_unit(shrunk)).reshape(-1, 3)
