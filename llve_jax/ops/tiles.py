"""Cut frames into overlapping tiles of one size, and blend processed tiles back without a seam.

A tile is core plus halo. The halo is context: a network's output is wrong there, because it could
not see past the tile, so it is thrown away, except at the border of the frame. What neighbouring
cores still share is feathered with raised-cosine weights that sum to one. Arrays are numpy: a frame
that needs tiles is one that does not fit where the network runs.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Windows:
  """How one side of a frame is covered.

  Attributes:
    length: pixels to cover.
    size: pixels of each window; larger than `length` where the side must be padded.
    halo: context at both ends of a window, without weight inside the frame.
    starts: first pixel of each window, ascending; the last window ends at the end of the side.
  """

  length: int
  size: int
  halo: int
  starts: tuple[int, ...]

  @property
  def padded(self) -> int:
    """Pixels that the windows span together: `length`, or more where it must be padded."""
    return self.starts[-1] + self.size

  def scaled(self, factor: int) -> "Windows":
    """The same for results that are so many times as large."""
    starts = tuple(factor * start for start in self.starts)
    return Windows(factor * self.length, factor * self.size, factor * self.halo, starts)

  def weights(self) -> Float[np.ndarray, "windows size"]:
    """Weight of each pixel of each window; over all windows they sum to one at every pixel."""
    weights = np.ones((len(self.starts), self.size))
    for index, (start, following) in enumerate(zip(self.starts, self.starts[1:], strict=False)):
      overlap = start + self.size - following - 2 * self.halo
      # Half-pixel centres: the ramp never reaches 0 or 1, and ramp + reversed ramp = 1.
      ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(overlap) + 0.5) / overlap)
      stop = self.size - self.halo
      weights[index, stop:] = 0.0
      weights[index, stop - overlap : stop] *= ramp[::-1]
      weights[index + 1, : self.halo] = 0.0
      weights[index + 1, self.halo : self.halo + overlap] *= ramp
    # Where three windows meet, the ramps alone do not sum to one.
    total = np.zeros(self.padded)
    for start, weight in zip(self.starts, weights, strict=True):
      total[start : start + self.size] += weight
    for start, weight in zip(self.starts, weights, strict=True):
      weight /= total[start : start + self.size]
    return weights.astype(np.float32)


def smallest_tile(*, halo: int, overlap: int, stride: int = 1) -> int:
  """The smallest window size with which `cover` can cut a side into several windows."""
  return stride * math.ceil((2 * _halo(halo, stride) + max(overlap, 1)) / stride) + stride


def cover(length: int, largest: int, *, halo: int, overlap: int, stride: int = 1) -> Windows:
  """Covers one side of a frame with windows of equal size.

  The side is padded to a multiple of `stride`; windows start at multiples of it, so that pooling
  has the same phase in a tile as in the whole frame. Of all sizes up to `largest` that need equally
  few windows, the smallest is taken; the last window is moved back to end with the side.

  Args:
    length: pixels of the side.
    largest: most pixels of a window, the padding aside.
    halo: context at each end of a window, at least half the receptive field; rounded up to a
      multiple of `stride`.
    overlap: least pixels that neighbouring cores share.
    stride: what the network divides sizes by.

  Raises:
    ValueError: the side is longer than `largest`, which is less than `smallest_tile`.
  """
  if min(length, largest, stride) < 1 or min(halo, overlap) < 0:
    raise ValueError(f"no windows of {largest} can cover {length} (halo {halo}, stride {stride})")
  padded = length + -length % stride
  if length <= largest:
    return Windows(length, padded, 0, (0,))
  smallest = smallest_tile(halo=halo, overlap=overlap, stride=stride)
  if largest < smallest:
    raise ValueError(f"a tile of {largest} is too small for a side of {length}: least {smallest}")
  halo = _halo(halo, stride)
  shared = 2 * halo + stride * math.ceil(max(overlap, 1) / stride)
  largest -= largest % stride
  count = 1 + math.ceil((padded - largest) / (largest - shared))
  # size * count - shared * (count - 1) >= padded, in whole strides.
  size = stride * math.ceil((padded + shared * (count - 1)) / count / stride)
  starts = [min(index * (size - shared), padded - size) for index in range(count)]
  return Windows(length, size, halo, tuple(starts))


def split(frames: Any, rows: Windows, columns: Windows) -> Iterator[Any]:
  """Yields the tiles of frames [..., h, w, c], row by row, each [..., rows.size, columns.size, c].

  Where a side must be padded, it is mirrored at the bottom or right (without repeating the border).
  """
  height, width = frames.shape[-3:-1]
  if (height, width) != (rows.length, columns.length):
    raise ValueError(f"frames are {width}x{height}, windows cover {columns.length}x{rows.length}")
  pad = [(0, 0)] * (frames.ndim - 3)
  pad += [(0, rows.padded - height), (0, columns.padded - width), (0, 0)]
  if any(after for _, after in pad):
    frames = np.pad(frames, pad, mode="reflect")
  for top in rows.starts:
    for left in columns.starts:
      yield frames[..., top : top + rows.size, left : left + columns.size, :]


def blend(tiles: Iterable[Any], rows: Windows, columns: Windows) -> Float[np.ndarray, "... h w c"]:
  """The frames whose tiles, in the order of `split`, are given; sums in float32.

  Takes one tile at a time, so `tiles` may compute them on demand.
  """
  row_weights, column_weights = rows.weights(), columns.weights()
  frames: np.ndarray | None = None
  places = (
    (row, column) for row in range(len(rows.starts)) for column in range(len(columns.starts))
  )
  for (row, column), tile in zip(places, tiles, strict=True):
    tile = np.asarray(tile, np.float32)
    if frames is None:
      frames = np.zeros((*tile.shape[:-3], rows.padded, columns.padded, tile.shape[-1]), np.float32)
    top, left = rows.starts[row], columns.starts[column]
    weight = row_weights[row, :, None, None] * column_weights[column, :, None]
    frames[..., top : top + rows.size, left : left + columns.size, :] += weight * tile
  assert frames is not None  # there is always one window
  return frames[..., : rows.length, : columns.length, :]


def _halo(halo: int, stride: int) -> int:
  return stride * math.ceil(halo / stride)
