"""NIQE: how natural the statistics of an image are, with no target to compare it with.

Mittal, Soundararajan and Bovik, "Making a Completely Blind Image Quality Analyzer", IEEE Signal
Processing Letters 2013. Smaller is better. The score is a distance to a PRISTINE MODEL, the mean
and covariance of 36 features over sharp blocks of good photographs. The published model (125
pictures) does not come with this package. Fit one with `fit_pristine` on pictures of your own, or
read a published file with `load_pristine`. Scores of different models are not to be compared, and
any table of them must name the model.

Even with one model NIQE is unstable as a judge of low-light enhancement: a picture with overdone
local contrast can score better than its source. Runs on the host, in float64.
"""

import dataclasses
import functools
import math
import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.shapes import Frame8

BLOCK = 96  # pixels, at full size; half of it at half size
FEATURES = 36  # 18 at each of two scales

_WINDOW, _SIGMA = 7, 7 / 6  # of the local mean and deviation
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows, columns: the neighbours that are multiplied
_KEYS = (("mean", "covariance"), ("mu_pris_param", "cov_pris_param"))  # ours; BasicSR's file


@dataclasses.dataclass(frozen=True)
class Pristine:
  """What the features of good photographs are like.

  Attributes:
    mean: of each feature, float64.
    covariance: of the features over blocks, float64.
  """

  mean: Float[np.ndarray, "36"]
  covariance: Float[np.ndarray, "36 36"]

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes an npz file, whole or not at all.

    Raises:
      UserError: the folder does not exist.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
      np.savez(file, mean=self.mean, covariance=self.covariance)


def fit_pristine(images: Iterable[Frame8], *, sharpness: float = 0.75) -> Pristine:
  """Fits the pristine model on the sharp blocks of good pictures.

  Args:
    images: uint8 RGB, of any sizes from 96 x 96; read one by one. The paper took 125 pictures of
      about half a million pixels: a few thousand blocks.
    sharpness: a block counts if its mean local deviation exceeds this part of the image's largest.

  Raises:
    ValueError: an image that is not uint8 RGB or too small, or no more than 36 blocks that count
      in all (their covariance would say nothing).
  """
  kept = []
  for image in images:
    features, sharp = block_features(image)
    kept.append(features[sharp > sharpness * sharp.max()])
  blocks = _finite(np.concatenate(kept)) if kept else np.zeros((0, FEATURES))
  if len(blocks) <= FEATURES:
    raise ValueError(
      f"a pristine model needs more than {FEATURES} sharp blocks of {BLOCK} x {BLOCK} pixels, got "
      f"{len(blocks)}; give more or larger pictures"
    )
  return Pristine(blocks.mean(axis=0), np.cov(blocks, rowvar=False))


def load_pristine(path: str | os.PathLike[str]) -> Pristine:
  """Reads a model that `Pristine.save` wrote, or BasicSR's `niqe_pris_params.npz`.

  Raises:
    UserError: no such file, no npz of arrays, or one without a mean [36] and a covariance [36, 36].
  """
  path = Path(path)
  names = " or ".join(f"{mean}, {covariance}" for mean, covariance in _KEYS)
  expected = f"expected a NIQE model: an npz file with {names}"
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = {name: file[name] for name in file.files}
  except (OSError, ValueError, EOFError, AttributeError) as error:
    raise UserError(f"{path}: {expected}; cannot be read: {error}; check the path") from error
  for mean_name, covariance_name in _KEYS:
    if mean_name in arrays and covariance_name in arrays:
      mean = np.asarray(arrays[mean_name], np.float64).reshape(-1)
      covariance = np.asarray(arrays[covariance_name], np.float64)
      if mean.shape == (FEATURES,) and covariance.shape == (FEATURES, FEATURES):
        return Pristine(mean, covariance)
  found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
  raise UserError(f"{path}: {expected}, of shapes (36,) and (36, 36); found {found}; fit a new one")


def niqe(image: Frame8, pristine: Pristine) -> float:
  """Distance of an image's block features from the pristine model's (Eq 10 of the paper).

  sqrt((m1 - m2)^T ((S1 + S2) / 2)^-1 (m1 - m2)), with the pseudo-inverse. Blocks without texture
  (saturated, or black) have no features and are left out.

  Args:
    image: uint8 RGB; what does not fill a block of 96 x 96 at the right and bottom is not looked
      at. It takes 36 blocks and more for a covariance of full rank; with fewer, scores scatter.
    pristine: the model, to be named with the score.

  Raises:
    ValueError: as `block_features`, or fewer than two blocks with texture.
  """
  blocks = _finite(block_features(image)[0])
  if len(blocks) < 2:
    raise ValueError(
      f"NIQE needs two blocks of {BLOCK} x {BLOCK} pixels with texture; an image of {image.shape} "
      f"has {len(blocks)}"
    )
  difference = blocks.mean(axis=0) - pristine.mean
  covariance = (np.cov(blocks, rowvar=False) + pristine.covariance) / 2
  return float(math.sqrt(max(difference @ np.linalg.pinv(covariance) @ difference, 0.0)))


def block_features(
  image: Frame8,
) -> tuple[Float[np.ndarray, "n 36"], Float[np.ndarray, "n"]]:
  """Features of every 96 x 96 block, row by row, and its sharpness (mean local deviation).

  Grey is BT.601 luma rounded to whole numbers. The second scale is half the size by bicubic
  interpolation with its kernel stretched to twice the width, against aliasing. Features of a block
  without texture are not finite.

  Raises:
    ValueError: an image that is not uint8 RGB, or smaller than a block.
  """
  if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
    raise ValueError(f"expected uint8 [h, w, 3], got {image.dtype} {image.shape}")
  rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
  if not rows or not columns:
    raise ValueError(f"NIQE needs {BLOCK} x {BLOCK} pixels at least, got {image.shape}")
  image = image[: rows * BLOCK, : columns * BLOCK]
  red, green, blue = np.moveaxis(image.astype(np.int64), -1, 0)
  grey = ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.float64)
  scales, sharpness = [], np.zeros(0)
  for size in (BLOCK, BLOCK // 2):
    normalised, deviation = local_contrast(grey)
    scales.append(_features(_blocks(normalised, size)))
    if size == BLOCK:
      sharpness = _blocks(deviation, size).mean(axis=(1, 2))
      grey = _half(grey)
  return np.concatenate(scales, axis=1), sharpness


def local_contrast(
  grey: Float[np.ndarray, "h w"],
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
  """(grey - local mean) / (local deviation + 1), and the local deviation.

  Under a 7 x 7 Gaussian of sigma 7/6; grey is on the scale 0 to 255 (Eq 1 to 3 of the paper).
  """
  taps = cv2.getGaussianKernel(_WINDOW, _SIGMA, cv2.CV_64F)

  def smooth(values: np.ndarray) -> np.ndarray:
    return cv2.sepFilter2D(values, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REPLICATE)

  mean = smooth(grey)
  deviation = np.sqrt(np.abs(smooth(grey * grey) - mean * mean))
  return (grey - mean) / (deviation + 1.0), deviation


def asymmetric_gaussian(
  samples: Float[np.ndarray, "n k"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Fits an asymmetric generalised Gaussian to each row by its moments: (shape, left, right), [n].

  The density is proportional to exp(-(-x / left)^shape) below zero and exp(-(x / right)^shape)
  above. Shapes are looked for from 0.2 to 10 in steps of 0.001. Lasmar et al., "Multiscale skewed
  heavy tailed model for texture analysis", ICIP 2009. Rows without both signs give what is not
  finite.
  """
  with np.errstate(divide="ignore", invalid="ignore"):
    squares = samples * samples
    below, above = samples < 0, samples > 0
    left = np.sqrt(np.sum(squares * below, axis=1) / below.sum(axis=1))
    right = np.sqrt(np.sum(squares * above, axis=1) / above.sum(axis=1))
    ratio = left / right
    observed = np.abs(samples).mean(axis=1) ** 2 / squares.mean(axis=1)
    observed *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
  shapes, moments = _moment_table()
  # The table rises, so the nearest entry is one of the two around the place of insertion.
  after = np.clip(np.searchsorted(moments, observed), 1, len(shapes) - 1)
  nearer = observed - moments[after - 1] <= moments[after] - observed
  shape = shapes[after - nearer]
  scale = np.sqrt(_gamma(1 / shape) / _gamma(3 / shape))
  return shape, left * scale, right * scale


def _features(blocks: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 18"]:
  """Shape and width of the values, then of products of neighbours; neighbours wrap in a block."""
  shape, left, right = asymmetric_gaussian(blocks.reshape(len(blocks), -1))
  columns = [shape, (left + right) / 2]
  for shift in _SHIFTS:
    products = blocks * np.roll(blocks, shift, axis=(1, 2))
    shape, left, right = asymmetric_gaussian(products.reshape(len(blocks), -1))
    mean = (right - left) * _gamma(2 / shape) / _gamma(1 / shape)
    columns += [shape, mean, left, right]
  return np.stack(columns, axis=1)


def _blocks(plane: Float[np.ndarray, "h w"], size: int) -> Float[np.ndarray, "n size size"]:
  rows, columns = plane.shape[0] // size, plane.shape[1] // size
  return plane.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(-1, size, size)


def _half(plane: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h/2 w/2"]:
  """Half the size; borders are mirrored. Keys' cubic (a = -1/2), stretched to eight taps."""
  distance = np.abs(np.arange(-3.5, 4.0)) / 2
  near = 1.5 * distance**3 - 2.5 * distance**2 + 1
  far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
  taps = np.where(distance <= 1, near, far)
  taps /= taps.sum()
  for axis in (0, 1):
    padding = [(0, 0), (0, 0)]
    padding[axis] = (3, 3)
    lines = np.moveaxis(np.pad(plane, padding, mode="symmetric"), axis, 0)
    half = (len(lines) - 6) // 2
    halved = sum(tap * lines[start : start + 2 * half : 2] for start, tap in enumerate(taps))
    plane = np.moveaxis(np.asarray(halved), 0, axis)
  return plane


@functools.cache
def _moment_table() -> tuple[np.ndarray, np.ndarray]:
  """Shapes, and for each (E|x|)^2 / E x^2 of a symmetric generalised Gaussian."""
  shapes = np.arange(200, 10001) / 1000
  return shapes, _gamma(2 / shapes) ** 2 / (_gamma(1 / shapes) * _gamma(3 / shapes))


def _gamma(values: np.ndarray) -> np.ndarray:
  return np.array([math.gamma(value) for value in values.flat]).reshape(values.shape)


def _finite(blocks: np.ndarray) -> np.ndarray:
  return blocks[np.isfinite(blocks).all(axis=1)]
