"""Reads the clips of See-in-the-Dark: mosaics with their target, or rendered patches."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.raw import RawFrame, Sensor, read_raw, render_srgb
from llve_jax.ops.mosaic import XTRANS, phase_offset
from tfds_builders.base import generate
from tfds_builders.base.readers import check_sizes
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded

# The authors found these targets to be misaligned and leave them out of their figures.
MISALIGNED = ("10034", "10045", "10172")


def read_mosaics(clip: Clip, *, sensor: Sensor) -> Iterator[generate.Example]:
  """Yields one example: every frame of a burst or a scene, and the long exposure rendered as sRGB.

  X-Trans frames are cropped to the phase of `ops.mosaic.XTRANS` and to whole cells, so that
  they can be packed; the target likewise.

  Raises:
    UserError: a file cannot be read, has another kind of mosaic, or frames that do not fit.
  """
  frames = [read_raw(path, sensor=sensor) for path in clip.low]
  target = render_srgb(clip.high[0])
  first = frames[0]
  size = first.mosaic.shape
  check_sizes(clip.low, [frame.mosaic for frame in frames], size)
  check_sizes(clip.high, [target], size)
  for frame in frames:
    if (frame.cfa, frame.black, frame.white) != (first.cfa, first.black, first.white):
      raise UserError(
        f"{frame.path}: expected layout and levels of {first.path.name} ({first.cfa} {first.black} "
        f"{first.white}), found {frame.cfa} {frame.black} {frame.white}"
      )
  window, cfa, black = _whole_cells(first)
  yield {
    "low": encoded(frame.mosaic[window] for frame in frames),
    "high": encoded([target[window]]),
    **_facts(clip),
    "cfa": cfa,
    "black": np.asarray(black, np.float32),
    "white": first.white,
    "camera": first.camera,
    "iso": first.iso or 0.0,
    "exposure_time": clip.facts["seconds"],
  }


def read_rendered(clip: Clip, *, patch: int | None, stride: int) -> Iterator[generate.Example]:
  """Yields a pair rendered as 8-bit sRGB at half size: whole, or cut into patches.

  The slides of System D train on patches of 100 pixels at a stride of 50. `start` numbers
  the patches row by row; the last ones of a row or column are moved back inside.

  Raises:
    UserError: a file cannot be read, or the two differ in size, or are smaller than a patch.
  """
  low, high = (render_srgb(paths[0], bits=8, half_size=True) for paths in (clip.low, clip.high))
  check_sizes(clip.high, [high], low.shape[:2])
  facts = _facts(clip)
  if patch is None or clip.facts["whole"]:
    yield {"low": encoded([low]), "high": encoded([high]), **facts}
    return
  height, width = low.shape[:2]
  if min(height, width) < patch:
    raise UserError(
      f"{clip.low[0]}: expected at least {patch}x{patch} pixels, found {width}x{height}"
    )
  corners = [
    (top, left) for top in _starts(height, patch, stride) for left in _starts(width, patch, stride)
  ]
  for number, (top, left) in enumerate(corners):
    cut = (slice(top, top + patch), slice(left, left + patch))
    yield {"low": encoded([low[cut]]), "high": encoded([high[cut]]), **facts, "start": number}


def _starts(length: int, patch: int, stride: int) -> list[int]:
  starts = list(range(0, length - patch + 1, stride))
  return starts if starts[-1] + patch == length else [*starts, length - patch]


def _facts(clip: Clip) -> dict[str, Any]:
  return {
    "clip": clip.name,
    "variant": 0,
    "start": 0,
    "fps": 0.0,
    "ratio": np.asarray(clip.facts["ratios"], np.float32),
    "misaligned": clip.name[:5] in MISALIGNED,
  }


def _whole_cells(frame: RawFrame) -> tuple[tuple[slice, slice], str, tuple[float, ...]]:
  """The part of a frame that can be packed, its layout and black levels."""
  cfa, black = frame.cfa, frame.black
  height, width = frame.mosaic.shape
  top = left = 0
  cell = 2
  if len(cfa) > 4:
    top, left = phase_offset(cfa, XTRANS)
    cfa, cell = XTRANS, 6
    grid = np.asarray(black).reshape(6, 6)
    black = tuple(np.roll(grid, (-top, -left), (0, 1)).ravel().tolist())
  rows, columns = (
    (length - start) // cell * cell for length, start in ((height, top), (width, left))
  )
  return (slice(top, top + rows), slice(left, left + columns)), cfa, black
