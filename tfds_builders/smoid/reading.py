"""Reads the clips of SMOID: packed mosaics and bright frames, stored upside down."""

from collections.abc import Iterator

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.arrays import read_npy
from llve_jax.ops.equalize import count_values, equalizing_curve
from llve_jax.ops.mosaic import flip_cfa, unpack_rows
from tfds_builders.base import generate
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded

STORED_CFA = "GBRG"
WHITE = 65535
_MEAN_AT = 0.2  # the natural clip's gain brings its mean to a fifth of full scale


def read(clip: Clip, *, segment: int, equalize: bool) -> Iterator[generate.Example]:
  """Yields the examples of a clip, upright.

  Turning a mosaic upside down also turns its cell: GBRG becomes RGGB.

  Args:
    clip: one file for `low`, one or none for `high`.
    segment: frames per example.
    equalize: equalise the dark and the bright clip, each by one curve for all of its frames.

  Raises:
    UserError: another type, shape or number of frames than expected; the file is damaged.
  """
  low = read_npy(clip.low[0], dtype=np.uint16, shape=(None, None, None, 4))
  count, height, width = low.shape[:3]
  if not clip.high:
    high = np.zeros((count, 2 * height, 2 * width, 0), np.uint8)  # nothing of that size
  else:
    high = read_npy(clip.high[0], dtype=np.uint8, shape=(None, None, None, 3))
  if len(high) != count:
    raise UserError(
      f"{clip.low[0]} has {count} frames, {clip.high[0]} {len(high)}: the beams are not "
      "synchronous; expected as many"
    )
  if count == 0 or high.shape[1:3] != (2 * height, 2 * width):
    raise UserError(
      f"{(clip.high or clip.low)[0]}: expected [{max(count, 1)}, {2 * height}, {2 * width}, 3] "
      f"(twice the packed mosaic), found {list(high.shape)}"
    )
  low_curve = high_curve = None
  ratio = 1.0
  if equalize:
    low_curve = np.round(equalizing_curve(count_values(low, 65536))).astype(np.uint16)
    high_curve = np.round(equalizing_curve(count_values(high, 256))).astype(np.uint8)
  else:
    mean = float(np.mean([frame.mean() for frame in low]))
    if mean == 0:
      raise UserError(f"{clip.low[0]}: expected light in the dark clip, found zeros only")
    ratio = _MEAN_AT * WHITE / mean
  cfa = flip_cfa(STORED_CFA, "up_down")
  for part in generate.segments(count, segment):
    dark, bright = np.asarray(low[part]), np.asarray(high[part])
    if low_curve is not None and high_curve is not None:
      dark, bright = low_curve[dark], high_curve[bright]
    yield {
      "low": encoded(unpack_rows(dark)[:, ::-1]),
      "high": encoded(bright[:, ::-1] if clip.high else ()),
      "clip": clip.name,
      "variant": 0,
      "start": part.start,
      "fps": 0.0,
      "cfa": cfa,
      "black": np.zeros(4, np.float32),
      "white": float(WHITE),
      "ratio": np.full(len(dark), ratio, np.float32),
      "camera": "",
      "iso": 0.0,
      "exposure_time": 0.0,
    }
