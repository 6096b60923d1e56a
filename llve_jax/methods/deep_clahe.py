"""Contrast-limited adaptive equalisation that keeps 16 bits, with the look that it has in 8.

Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994, as OpenCV's
`createCLAHE` computes it in 8 bits. In 16 bits OpenCV counts 65,536 values, of which a tile holds
fewer than one each, so that hardly any contrast is limited and the result depends on the size of
the frame. Here 256 values are counted, and the curves of the tiles are linear between them.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt16

_BINS = 256
_CODES = 65536


def equalize(
  values: UInt16[np.ndarray, "h w"], *, limit: float, tiles: int
) -> Float[np.ndarray, "h w"]:
  """The equalised values in [0, 1]: those of OpenCV, where 257 divides a value, but not rounded.

  Args:
    values: one channel.
    limit: most that a bin may hold, in multiples of the mean bin.
    tiles: along each side.
  """
  h, w = values.shape
  pads = [tiles - side % tiles if h % tiles or w % tiles else 0 for side in (h, w)]
  padded = cv2.copyMakeBorder(values, 0, pads[0], 0, pads[1], cv2.BORDER_REFLECT_101)
  height, width = (side // tiles for side in padded.shape)
  curves = _curves(padded, height, width, limit, tiles)
  rows = _neighbours(np.arange(h, dtype=np.float32) / np.float32(height), tiles)
  columns = _neighbours(np.arange(w, dtype=np.float32) / np.float32(width), tiles)
  result = np.zeros((h, w), np.float32)
  for row, over_rows in rows:
    for column, over_columns in columns:
      tile = (row[:, None] * tiles + column) * _CODES
      result += curves[tile + values] * over_rows[:, None] * over_columns
  return result


def _curves(
  padded: np.ndarray, height: int, width: int, limit: float, tiles: int
) -> Float[np.ndarray, "n"]:
  """What every tile makes of 65,536 codes, tile after tile."""
  area = height * width
  most = max(int(limit * area / _BINS), 1)
  codes = np.round(padded / np.float32(257)).astype(np.int64)
  curves = np.empty((tiles * tiles, _CODES), np.float32)
  places = np.arange(_CODES) / 257
  for tile in range(tiles * tiles):
    top, left = tile // tiles * height, tile % tiles * width
    counts = np.bincount(codes[top : top + height, left : left + width].ravel(), minlength=_BINS)
    surplus = int(np.maximum(counts - most, 0).sum())
    counts = np.minimum(counts, most) + surplus // _BINS
    rest = surplus % _BINS
    if rest:
      counts[:: max(_BINS // rest, 1)][:rest] += 1
    curves[tile] = np.interp(places, np.arange(_BINS), np.minimum(np.cumsum(counts) / area, 1))
  return curves.ravel()


def _neighbours(places: np.ndarray, tiles: int) -> list[tuple[np.ndarray, np.ndarray]]:
  """The two tiles between whose centres each line lies, and their weights."""
  places = places - np.float32(0.5)
  before = np.floor(places).astype(np.int64)
  over = (places - before).astype(np.float32)
  last = tiles - 1
  return [(before.clip(0, last), 1 - over), ((before + 1).clip(0, last), over)]
