"""What was done to a picture or a video, in numbers: `--report=FILE.json`."""

import json
import math
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from llve_jax.enhance.files import Enhanced
from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.methods.cuts import Cuts
from llve_jax.methods.method import Frame
from llve_jax.metrics import harm
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.ops.steadiness import Flicker
from llve_jax.shapes import Frame8

_MOST_SAMPLES = 32  # frames that are kept for what needs a whole clip
_SIDE = 320  # of those, in pixels at most
_LUMA = np.array([0.299, 0.587, 0.114])


class Account:
  """Compares every frame of a run before and after; memory does not depend on how many there are.

  Brightness (mean luma of BT.601, 0 to 255), clipped share (pixels of which a channel is at 250 or
  more) and flicker are of all frames; what `metrics.harm` says of shadows, lamps, greys and bars is
  of up to 32 of them, spread evenly and at most 320 pixels wide.
  """

  def __init__(self) -> None:
    self._sides = (_Side(), _Side())
    self._cuts = Cuts()
    self._samples: list[tuple[Frame8, Frame8]] = []
    self._every, self._count = 1, 0

  def add(self, before: Frame, after: Frame) -> None:
    """The next frame, as sRGB of any depth, and what became of it."""
    cut = self._cuts(before)
    frames = [_codes(frame) for frame in (before, after)]
    for side, frame in zip(self._sides, frames, strict=True):
      side.add(frame, cut)
    if self._count % self._every == 0:
      height, width = frames[0].shape[:2]
      scale = min(1.0, _SIDE / max(height, width))
      size = (max(1, round(width * scale)), max(1, round(height * scale)))
      small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in frames]
      self._samples.append((np.asarray(small[0]), np.asarray(small[1])))
    self._count += 1
    if len(self._samples) > _MOST_SAMPLES:
      self._samples, self._every = self._samples[::2], 2 * self._every

  def numbers(self) -> dict[str, Any]:
    """Of the frames so far; a number that there is not is None."""
    if not self._samples:
      return {}
    before, after = (np.stack([pair[index] for pair in self._samples]) for index in (0, 1))
    chroma, hue = harm.grey_shift(before, after)
    found = {
      "dark_ratio": harm.rank_ratio(before, after, 0, 1 / 3),
      "bright_ratio": harm.rank_ratio(before, after, 0.9, 1),
      "grey_chroma": chroma,
      "grey_hue": hue,
      "bars": harm.bar_level(before, after),
    }
    sides = [side.numbers() for side in self._sides]
    pairs = {key: {"before": sides[0][key], "after": sides[1][key]} for key in sides[0]}
    return pairs | {"harm": {key: _known(value) for key, value in found.items()}}


class _Side:
  """Sums over the frames of the input, or of the output."""

  def __init__(self) -> None:
    self._count, self._level, self._burnt, self._flicker = 0, 0.0, 0.0, Flicker()

  def add(self, frame: Frame8, cut: bool) -> None:
    colors = np.array(cv2.mean(frame)[:3])
    self._count += 1
    self._level += float(_LUMA @ colors)
    self._burnt += harm.burnt(frame)
    self._flicker.add(colors, cut=cut)

  def numbers(self) -> dict[str, float]:
    return {
      "brightness": round(self._level / self._count, 3),
      "clipped": round(self._burnt / self._count, 6),
      "flicker": round(self._flicker.share, 6),
    }


def check_report(path: str | os.PathLike[str]) -> Path:
  """Before the work: that a report can be written there.

  Raises:
    UserError: its suffix is not .json, its folder is missing, or it is a folder.
  """
  path = Path(path)
  if path.suffix.lower() != ".json":
    raise UserError(f"--report={path}: a report is a .json file, found the suffix {path.suffix!r}")
  if not path.parent.is_dir() or path.is_dir():
    raise UserError(f"--report={path}: expected a file in a folder that exists; create it first")
  return path


def write_report(
  path: Path, source: str | os.PathLike[str], model: str, enhanced: Enhanced, account: Account
) -> None:
  """Writes what was done."""
  report = {
    "source": str(source),
    "target": str(enhanced.path),
    "model": model,
    "frames": enhanced.frames,
    "width": enhanced.width,
    "height": enhanced.height,
    "seconds": round(enhanced.seconds, 3),
    "frames_per_second": round(enhanced.rate, 3),
    "rates": enhanced.rates,
    **account.numbers(),
    "notes": list(enhanced.notes),
    "faults": list(enhanced.faults),
  }
  with replacing(path) as temporary:
    temporary.write_text(json.dumps(report, indent=2) + "\n")


def _codes(frame: Frame) -> Frame8:
  return frame if frame.dtype == np.uint8 else to_8_bit(to_unit(frame))


def _known(value: float) -> float | None:
  return round(value, 4) if math.isfinite(value) else None
