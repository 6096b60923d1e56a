"""Reads the clips of Seeing-Motion-in-the-Dark, and makes its network inputs from raw files.

The script that made the released inputs was never published. What is known of it: black level
subtracted, Bayer merged to RGB (mean of the greens), 2x2 binned to a quarter of the sensor's size,
multiplied by the exposure ratio, clipped, denoised by VBM4D. Here a recursive average takes the
place of VBM4D, which is noted in every example: figures on the two are not comparable.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.arrays import read_npy
from llve_jax.io.images import read_image16
from llve_jax.io.raw import read_raw, read_raw_header, render_srgb
from llve_jax.ops.mosaic import pack
from llve_jax.ops.raw_light import bin_rgb, expose, exposure_ratio, normalize
from llve_jax.ops.temporal import RECURSIVE, denoise_stream
from llve_jax.shapes import Frame8, Frame16
from tfds_builders.base import generate
from tfds_builders.base.readers import check_sizes, read_image_files
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded

RELEASED = "vbm4d"  # the authors' files
NONE = "none"


def read_rgb16(clip: Clip, *, segment: int) -> Iterator[generate.Example]:
  """Yields the examples of a clip of released frames.

  Raises:
    UserError: a file cannot be read, has 8 bits, or another size than the others.
  """
  for example in read_image_files(clip, segment=segment, low=read_image16, high=read_image16):
    yield {**example, "denoiser": RELEASED}


def read_arrays(clip: Clip, *, segment: int) -> Iterator[generate.Example]:
  """Yields the examples of a clip of 8-bit arrays, blue first.

  Raises:
    UserError: a file cannot be read, or has another type or shape than expected.
  """
  yield from read_image_files(clip, segment=segment, low=_read_bgr, high=_read_bgr)


def read_mosaics(
  clip: Clip, *, segment: int, ratio: float, denoise: bool, shot_noise: float, read_noise: float
) -> Iterator[generate.Example]:
  """Yields the examples of a clip of raw files.

  Args:
    clip: raw frames; the fact "long" is the raw file of the long exposure.
    segment: frames per example.
    ratio: factor on the light of clips without a long exposure.
    denoise: average over time.
    shot_noise: of the sensor, in full scales per photo-electron, before brightening.
    read_noise: of the sensor, in full scales, before brightening.

  Raises:
    UserError: a file cannot be read, is not Bayer, or frames that do not fit.
  """
  if "long" in clip.facts:
    ratio = exposure_ratio(_exposure(Path(clip.facts["long"])), _exposure(clip.low[0]))
  frames = _linear_frames(clip.low, ratio)
  if denoise:
    # Binning 4x4 pixels leaves two per colour and cell, four cells: 4 of red and blue, 8 of green.
    frames = denoise_stream(
      frames, shot_noise=shot_noise * ratio / 4, read_noise=read_noise * ratio / 2
    )
  high: list[Frame16] = []
  for part in generate.segments(len(clip.low), segment):
    low = [np.round(np.clip(next(frames), 0, 1) * 65535).astype(np.uint16) for _ in clip.low[part]]
    if clip.high and not high:
      high = [_target(clip.high[0])]
      check_sizes(clip.high, high, low[0].shape[:2])
    yield {
      "low": encoded(low),
      "high": encoded(high),
      "clip": clip.name,
      "variant": 0,
      "start": part.start,
      "fps": 0.0,
      "ratio": np.full(len(low), ratio, np.float32),
      "denoiser": RECURSIVE if denoise else NONE,
    }


def _linear_frames(paths: tuple[Path, ...], ratio: float) -> Iterator[np.ndarray]:
  """Light at a quarter of the sensor's size, [h/4, w/4, 3], multiplied by the ratio."""
  size: tuple[int, ...] | None = None
  for path in paths:
    raw = read_raw(path, sensor="bayer")
    size = size or raw.mosaic.shape
    check_sizes((path,), [raw.mosaic], size)
    if size[0] % 4 or size[1] % 4:
      raise UserError(f"{path}: expected sides that are multiples of 4, found {size[1]}x{size[0]}")
    packed = pack(normalize(raw.mosaic, raw.cfa, raw.black, raw.white), raw.cfa)
    yield expose(_halve(bin_rgb(packed)), ratio)


def _halve(image: np.ndarray) -> np.ndarray:
  size = (image.shape[1] // 2, image.shape[0] // 2)
  return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _target(path: Path) -> Frame16:
  """The released rendering; or ours, of the long exposure at a quarter of its size."""
  if path.suffix.lower() == ".png":
    return read_image16(path)
  rendered = _halve(render_srgb(path, half_size=True))
  return np.asarray(rendered, np.uint16)


def _exposure(path: Path) -> float:
  seconds = read_raw_header(path).exposure_time
  if seconds is None:
    raise UserError(f"{path}: expected an exposure time in the file's tags, found none")
  return seconds


def _read_bgr(path: Path) -> Frame8:
  return np.asarray(read_npy(path, dtype=np.uint8, shape=(None, None, 3)))[..., ::-1]
