"""How strongly a film is brightened: probed, chosen, and said in a line."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from llve_jax.io.video import VideoInfo, glimpse
from llve_jax.methods.lift import Lifted
from llve_jax.methods.method import Frame, Method
from llve_jax.metrics.probe import Found, probe
from llve_jax.ops.frames import to_unit

Look = Literal["natural", "bright", "forensic"]
LOOKS = ["natural", "bright", "forensic"]

_PLACES = (0.25, 0.5, 0.75)  # of the length; two more are in the first second
_DARK, _BRIGHT = 65.0, 105.0  # median luma up to which all is done, and from which hardly anything
_LEAST = 0.1  # strength on what is not dark
_WANTED = {"bright": 0.45, "forensic": 0.5}  # median of the result, from 0 to 1
_MOST = 8.0  # largest factor of the odds
_MANY_BLOCKS = 1.2
_TOO_DARK = 2.5  # median luma, or so many times the noise, that is too little to trust
_MUCH_BURNT = 0.05


@dataclasses.dataclass(frozen=True)
class Chosen:
  """What a film is like and what is done about it.

  Attributes:
    found: see `metrics.probe`.
    look: as asked for.
    strength: see `methods.Mixed`.
  """

  found: Found
  look: Look
  strength: float

  def __str__(self) -> str:
    found = self.found
    blocks = ", blocks of a codec" if found.blocks > _MANY_BLOCKS else ""
    return (
      f"found: brightness {found.level:.0f} of 255 (median), noise {found.noise:.1f}{blocks}, "
      f"{100 * found.burnt:.1f} % burnt; look {self.look}: strength {self.strength:.2f}"
    )

  @property
  def warnings(self) -> tuple[str, ...]:
    """Where no method can help, a line each."""
    found, lines = self.found, []
    if found.level < _TOO_DARK * max(1.0, found.noise):
      lines.append(
        f"warning: too dark to trust: half of the picture is below {found.level:.1f} of 255, with "
        f"noise of {found.noise:.1f}; what appears there may not be real"
      )
    if found.burnt > _MUCH_BURNT:
      lines.append(
        f"warning: clipped highlights: {100 * found.burnt:.0f} % of the picture is white; nothing "
        "can be brought back there"
      )
    return tuple(lines)


def moments_of(info: VideoInfo) -> list[list[Frame]]:
  """Pairs of frames from the first second of a video and a few places further on."""
  length = info.duration or float((info.expected_frames or 0) / info.average_rate)
  times = sorted({0.0, min(0.5, length / 2), *(place * length for place in _PLACES)})
  return [pair for pair in (glimpse(info, time, 2) for time in times) if pair]


def choose(moments: Sequence[Sequence[Frame]], look: Look, strength: float | None) -> Chosen:
  """What is to be done.

  Args:
    moments: as `metrics.probe.probe` takes them.
    look: "natural" does the less, the brighter the film is already; the others do all.
    strength: as asked for; None: chosen.
  """
  found = probe(moments)
  if strength is None:
    strength = 1.0 if look != "natural" else fitting_strength(found.level)
  return Chosen(found, look, strength)


def fitting_strength(level: float) -> float:
  """All of it up to a median luma of 65, then less and less, 0.1 from about 100 on."""
  return float(np.clip((_BRIGHT - level) / (_BRIGHT - _DARK), _LEAST, 1.0))


def lifted(method: Method, moments: Sequence[Sequence[Frame]], look: Look) -> Method:
  """The method with what a look adds: light until the median of the moments is where it is wanted.

  Args:
    method: for ordinary frames; it is run on the moments.
    moments: see `moments_of`.
    look: "natural" adds nothing, "forensic" local contrast too.
  """
  if look == "natural":
    return method
  level = float(np.median([np.median(to_unit(frame)) for frame in _results(method, moments)]))
  level = float(np.clip(level, 1 / 255, 254 / 255))
  wanted = _WANTED[look]
  factor = (wanted / (1 - wanted)) / (level / (1 - level))
  return Lifted(method, float(np.clip(factor, 1.0, _MOST)), contrast=look == "forensic")


def _results(method: Method, moments: Sequence[Sequence[Frame]]) -> Iterator[Frame]:
  """What the method makes of the last frame of each moment."""
  for moment in moments:
    *_, last = method.stream(iter(moment))
    yield last
