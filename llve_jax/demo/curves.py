"""Brightness over time and how many pixels have which brightness, before and after, as pictures."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from llve_jax.methods.method import Frame
from llve_jax.ops.frames import to_8_bit, to_unit

_BINS = 64
_MOST_POINTS = 600
_WIDTH, _HEIGHT, _EDGE = 480, 160, 24
_COLORS = ("#5b6b7b", "#b35300")  # of before and after; both readable on white and on black


@dataclasses.dataclass
class Curves:
  """Sums over the frames of a run; a luma is one of BT.601 from 0 to 255.

  Attributes:
    means: of each frame, before and after.
    counts: pixels in 64 bins of luma, before and after.
  """

  means: list[tuple[float, float]] = dataclasses.field(default_factory=list)
  counts: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((2, _BINS)))

  @property
  def frames(self) -> int:
    """How many were seen."""
    return len(self.means)

  def add(self, before: Frame, after: Frame) -> None:
    """The next frame before and after, of any depth."""
    lumas = [cv2.cvtColor(_codes(each), cv2.COLOR_RGB2GRAY) for each in (before, after)]
    self.means.append((float(lumas[0].mean()), float(lumas[1].mean())))
    for side, luma in enumerate(lumas):
      self.counts[side] += np.histogram(luma, _BINS, (0, 256))[0]

  def over_time(self) -> str:
    """An SVG of the brightness of each frame; empty for a single one."""
    if self.frames < 2:
      return ""
    every = -(-self.frames // _MOST_POINTS)
    kept = np.array(self.means[::every]).T
    first, last = kept[:, 0], kept[:, -1]
    told = (
      f"Brightness of each frame, from 0 to 255: before {first[0]:.0f} at first and {last[0]:.0f} "
      f"at last, after {first[1]:.0f} and {last[1]:.0f}."
    )
    return _plot("Brightness over time", told, kept / 255)

  def histogram(self) -> str:
    """An SVG of the share of pixels of each brightness, the most frequent one at the top."""
    shares = np.sqrt(self.counts / np.maximum(self.counts.max(axis=1, keepdims=True), 1))
    medians = [np.searchsorted(np.cumsum(row), row.sum() / 2) * 256 / _BINS for row in self.counts]
    told = (
      "How many pixels have which brightness, dark at the left: half of them below "
      f"{medians[0]:.0f} of 255 before, below {medians[1]:.0f} after."
    )
    return _plot("Histogram", told, shares)


def _codes(frame: Frame) -> np.ndarray:
  return np.asarray(frame if frame.dtype == np.uint8 else to_8_bit(to_unit(frame)))


def _plot(title: str, told: str, curves: np.ndarray) -> str:
  """Two curves with values in [0, 1] over the same axis."""
  width, height = _WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE
  lines = [
    f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{_points(curve)}"/>'
    for color, curve in zip(_COLORS, curves, strict=True)
  ]
  names = [
    f'<text x="{_EDGE + 70 * at}" y="16" fill="{color}" font-size="13">{name}</text>'
    for at, (name, color) in enumerate(zip(("before", "after"), _COLORS, strict=True))
  ]
  frame = f'<rect x="{_EDGE}" y="{_EDGE}" width="{width}" height="{height}" fill="none"'
  return (
    f'<figure><svg role="img" aria-label="{told}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    f'style="width:100%;height:auto;background:#fff">{"".join(names)}'
    f'{frame} stroke="#888"/>{"".join(lines)}</svg>'
    f"<figcaption>{title}. {told}</figcaption></figure>"
  )


def _points(curve: Sequence[float] | np.ndarray) -> str:
  width, height = _WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE
  step = width / max(len(curve) - 1, 1)
  return " ".join(
    f"{_EDGE + at * step:.1f},{_EDGE + (1 - value) * height:.1f}" for at, value in enumerate(curve)
  )
