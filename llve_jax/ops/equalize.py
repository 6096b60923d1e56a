"""Histogram equalisation of a whole clip: one curve for all of its frames and channels.

As the code to Jiang and Zheng, "Learning to See Moving Objects in the Dark", ICCV 2019, prepares
its raw clips. One curve for all colours of a mosaic shifts the white balance, and it looks at
frames that come later: it is here to reproduce those figures.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Integer, Shaped

BINS = 65536


def count_values(
  frames: Iterable[Shaped[np.ndarray, "..."]], levels: int
) -> Integer[np.ndarray, "n"]:
  """How often every value 0 .. levels-1 occurs in the frames (unsigned integers)."""
  counts = np.zeros(levels, np.int64)
  for frame in frames:
    counts += np.bincount(frame.ravel(), minlength=levels)
  return counts


def equalizing_curve(counts: Integer[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
  """The curve that equalises a clip, by value; it runs from about 0 to n-1.

  The histogram has 65,536 bins between the smallest and the largest value that occur; a value is
  mapped by linear interpolation of the cumulative histogram at the left edges of its bins.

  Args:
    counts: how often every value occurs (`count_values`).
  """
  levels = len(counts)
  present = np.flatnonzero(counts)
  low, high = int(present[0]), int(present[-1])
  if low == high:
    return np.arange(levels, dtype=np.float64)  # one grey: there is nothing to spread
  histogram, edges = np.histogram(
    np.arange(levels), bins=BINS, range=(low, high), weights=counts.astype(np.float64)
  )
  cumulative = np.cumsum(histogram)
  scaled = (levels - 1) * cumulative / cumulative[-1]
  return np.interp(np.arange(levels), edges[:-1], scaled)
