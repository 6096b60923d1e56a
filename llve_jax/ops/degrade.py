"""Make a bright clip dark, as a small sensor at night would have filmed it.

Units. Light is linear: 0 is black, 1 (full scale) is what sRGB code 255 stands for, so every noise
level is a fraction of full scale. Lengths are pixels. Frames are 8-bit sRGB.

All functions are numpy and take a `numpy.random.Generator`: the same generator state gives the
same bits.
"""

import dataclasses
import math

import cv2
import numpy as np
from jaxtyping import Complex, Float

from llve_jax.errors import UserError
from llve_jax.ops.color import LINEAR_OF_CODE, linear_to_srgb
from llve_jax.ops.frames import to_8_bit
from llve_jax.ops.ranges import Range, log_uniform, ordered
from llve_jax.shapes import Frames8


@dataclasses.dataclass(frozen=True)
class Degradation:
  """What happens to the light of one clip. The defaults change nothing.

  Attributes:
    exposure: factor on the light; 1/12 is a shutter twelve times too short.
    red_gain: white-balance error, factor on red light; green is the reference.
    blue_gain: the same for blue light.
    shot_noise: light that one detected photo-electron stands for, in full scales; the variance of
      the shot noise is `shot_noise * light`.
    read_noise: standard deviation of the noise that does not depend on light, in full scales.
    row_noise: standard deviation of an offset shared by a row of pixels (banding), in full scales.
    blur_length: path of the camera's shake during one frame period, in pixels; 0 is a tripod.
    shutter: fraction of the frame period, and so of that path, during which the shutter is open.
  """

  exposure: float = 1.0
  red_gain: float = 1.0
  blue_gain: float = 1.0
  shot_noise: float = 0.0
  read_noise: float = 0.0
  row_noise: float = 0.0
  blur_length: float = 0.0
  shutter: float = 1.0


def draw(
  rng: np.random.Generator,
  *,
  exposure: Range = (1 / 24, 1 / 6),
  white_balance: float = 0.15,
  shot_noise: Range = (1e-4, 6e-4),
  read_noise: Range = (5e-4, 2e-3),
  row_noise: Range = (2e-4, 8e-4),
  blur_length: Range = (0.0, 0.0),
  shutter: Range = (1.0, 1.0),
  stratum: tuple[int, int] = (0, 1),
) -> Degradation:
  """Draws one clip's degradation.

  Exposure and noise levels are uniform in their logarithm, the others uniform.

  Args:
    rng: source of randomness.
    exposure: lowest and highest factor.
    white_balance: largest relative error of the red and of the blue gain.
    shot_noise: lowest and highest level; likewise for the ranges that follow.
    read_noise: see `Degradation`.
    row_noise: see `Degradation`.
    blur_length: see `Degradation`.
    shutter: see `Degradation`.
    stratum: (k, n) draws the exposure from the k-th of n slices of its range that are equal in
      the logarithm, k from 0 (darkest).

  Raises:
    UserError: a range is empty, or a logarithmic one holds 0 (a level that is always 0 is (0, 0)).
  """
  k, n = stratum
  if not 0 <= k < n:
    raise UserError(f"stratum: expected k of n with 0 <= k < n, found {k} of {n}")
  return Degradation(
    exposure=log_uniform(rng, "exposure", exposure, (k / n, (k + 1) / n)),
    red_gain=1 + rng.uniform(-white_balance, white_balance),
    blue_gain=1 + rng.uniform(-white_balance, white_balance),
    shot_noise=log_uniform(rng, "shot_noise", shot_noise),
    read_noise=log_uniform(rng, "read_noise", read_noise),
    row_noise=log_uniform(rng, "row_noise", row_noise),
    blur_length=rng.uniform(*ordered("blur_length", blur_length)),
    shutter=rng.uniform(*ordered("shutter", shutter)),
  )


def apply(frames: Frames8, degradation: Degradation, rng: np.random.Generator) -> Frames8:
  """Films a bright clip under `degradation`.

  Per frame: linear light, shake, exposure and white balance, noise, sRGB, 8 bits. The levels hold
  for the clip; noise and shake are fresh in every frame.

  Raises:
    UserError: the frames are not uint8 [t, h, w, 3].
  """
  if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
    raise UserError(f"expected uint8 frames [t, h, w, 3], found {frames.dtype} {frames.shape}")
  gains = np.array([degradation.red_gain, 1, degradation.blue_gain], np.float32)
  gains *= np.float32(degradation.exposure)
  dark = np.empty_like(frames)
  for index, frame in enumerate(frames):
    light = LINEAR_OF_CODE[frame]
    if degradation.blur_length > 0:
      path = shake_trajectory(rng, degradation.blur_length, shutter=degradation.shutter)
      light = blur(light, point_spread(path))
    light = add_noise(light * gains, degradation, rng)
    srgb = linear_to_srgb(np.clip(light, 0, 1))
    dark[index] = to_8_bit(srgb)
  return dark


def add_noise(
  light: Float[np.ndarray, "h w c"], degradation: Degradation, rng: np.random.Generator
) -> Float[np.ndarray, "h w c"]:
  """Adds shot, read and row noise to one frame of linear light; float32, not clipped.

  The variance is `shot_noise * light + read_noise**2 + row_noise**2`: photo-electrons are counted
  (Poisson), the rest is Gaussian.
  """
  height = light.shape[0]
  if degradation.shot_noise > 0:
    electrons = rng.poisson(np.maximum(light, 0) / degradation.shot_noise)
    light = electrons.astype(np.float32) * np.float32(degradation.shot_noise)
  if degradation.read_noise > 0:
    noise = rng.standard_normal(light.shape, np.float32)
    light = light + np.float32(degradation.read_noise) * noise
  if degradation.row_noise > 0:
    noise = rng.standard_normal((height, 1, 1), np.float32)
    light = light + np.float32(degradation.row_noise) * noise
  return light


def shake_trajectory(
  rng: np.random.Generator, length: float, *, shutter: float = 1.0, steps: int = 512
) -> Complex[np.ndarray, "n"]:
  """Walks the path of a hand-held camera; x is the real part, y the imaginary one, in pixels.

  The camera moves at constant speed and changes direction: inertia keeps the old one, tremor adds
  a Gaussian to it, a pull draws it back to where it started, and now and then a jerk turns it
  round. How strong each is, is drawn per path. After the family of Boracchi and Foi, "Modeling the
  performance of image restoration from motion blur", IEEE TIP 2012, as DeblurGAN uses it.

  Args:
    rng: source of randomness.
    length: length of the whole path, in pixels.
    shutter: part of the path that is seen, in (0, 1].
    steps: points of the whole path.
  """
  if not 0 < shutter <= 1 or steps < 2:
    raise UserError(f"expected 0 < shutter <= 1 and 2 steps, found {shutter} and {steps}")
  tremor = rng.uniform(0, 0.15)
  pull = rng.uniform(0, 0.3) / steps
  jerks = rng.random(steps) < rng.uniform(0, 2) / steps
  turns = np.exp(1j * (math.pi + rng.uniform(-0.5, 0.5, steps)))
  shakes = tremor * (rng.standard_normal(steps) + 1j * rng.standard_normal(steps))
  direction = np.exp(1j * rng.uniform(0, 2 * math.pi))
  path = np.zeros(steps, np.complex128)
  for step in range(1, steps):
    if jerks[step]:
      direction = direction * turns[step]
    direction = direction + shakes[step] - pull * path[step - 1]
    direction = direction / abs(direction)
    path[step] = path[step - 1] + direction
  seen = max(1, round(shutter * steps))
  return path[:seen] * (length / (steps - 1))


def point_spread(trajectory: Complex[np.ndarray, "n"]) -> Float[np.ndarray, "k k"]:
  """Rasterises a path, each point as bright as any other, by bilinear splatting.

  Returns:
    A kernel of odd size that sums to 1; its centre of mass is its middle, so that blur does not
    shift the picture.
  """
  path = trajectory - trajectory.mean()
  radius = math.floor(max(np.abs(path.real).max(), np.abs(path.imag).max())) + 1
  kernel = np.zeros((2 * radius + 1, 2 * radius + 1))
  x, y = path.real + radius, path.imag + radius
  left, top = np.floor(x).astype(int), np.floor(y).astype(int)
  for down in (0, 1):
    for right in (0, 1):
      weight = (1 - np.abs(y - top - down)) * (1 - np.abs(x - left - right))
      inside = weight > 0
      np.add.at(kernel, (top[inside] + down, left[inside] + right), weight[inside])
  return (kernel / len(path)).astype(np.float32)


def blur(
  light: Float[np.ndarray, "h w c"], kernel: Float[np.ndarray, "k k"]
) -> Float[np.ndarray, "h w c"]:
  """Convolves a frame of linear light with `kernel`; the border is mirrored."""
  # OpenCV correlates; a convolution needs the kernel turned by half a turn.
  return cv2.filter2D(light, -1, kernel[::-1, ::-1], borderType=cv2.BORDER_REFLECT_101)
