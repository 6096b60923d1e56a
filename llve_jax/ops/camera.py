"""A camera in little light: linear light of a frame in, an 8-bit sRGB frame out.

Light passes colour filters and is counted by a sensor, which adds its noise; from the mosaic the
camera guesses the missing colours, balances white, applies the tone curve, suppresses noise,
sharpens and rounds. Units as in `llve_jax.ops.degrade`: 1 is full scale.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.ops.color import linear_to_srgb
from llve_jax.shapes import Frame8

# sRGB by the square root of light: there it is nearly a straight line, so that 4096 steps do.
_STEPS = 4095
_CODE_OF_ROOT = linear_to_srgb((np.arange(_STEPS + 1, dtype=np.float32) / np.float32(_STEPS)) ** 2)
# From linear sRGB to what typical colour filters let through; rows sum to 1, white stays white.
_FILTERS = np.array([[0.7, 0.25, 0.05], [0.12, 0.73, 0.15], [0.03, 0.22, 0.75]], np.float32)
_OFFSET, _SCALE = 4096.0, 45000.0  # of a mosaic as 16-bit numbers: room below black, above white


@dataclasses.dataclass(frozen=True)
class Camera:
  """The camera of one clip. The defaults add nothing but rounding.

  Attributes:
    white_balance: gains on the sensor's red, green and blue, which amplify their noise.
    shot_noise: variance of the noise per unit of light, see `degrade.Degradation`.
    read_noise: standard deviation of noise that does not depend on light.
    row_noise: standard deviation of an offset per row and frame.
    fixed_noise: standard deviation of an offset per pixel that stays for the clip.
    mosaic: one colour is measured per pixel, the others are guessed from its neighbours.
    black: sRGB codes (0 to 255) at which red, green and blue begin: stray light.
    luma_denoise: share of the brightness that a median of 3x3 pixels replaces, 0 to 1.
    chroma_denoise: standard deviation of the blur of colour differences, in pixels.
    sharpen: amount of an unsharp mask of 1 pixel.
  """

  white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
  shot_noise: float = 0.0
  read_noise: float = 0.0
  row_noise: float = 0.0
  fixed_noise: float = 0.0
  mosaic: bool = False
  black: tuple[float, float, float] = (0.0, 0.0, 0.0)
  luma_denoise: float = 0.0
  chroma_denoise: float = 0.0
  sharpen: float = 0.0

  @property
  def noisy(self) -> bool:
    """Whether the sensor adds anything."""
    return max(self.shot_noise, self.read_noise, self.row_noise, self.fixed_noise) > 0


def draw_camera(
  rng: np.random.Generator,
  *,
  noise: float,
  shot_noise: float,
  most_noise: float,
  fixed_noise: float,
  mosaic: float,
  black: float,
  denoise: float,
  sharpen: float,
) -> Camera:
  """Draws a camera. `shot_noise` is a level, `most_noise` its limit; the others are probabilities.

  Read noise follows shot noise as Brooks et al., "Unprocessing Images for Learned Raw Denoising",
  CVPR 2019 (arXiv 1811.11127), measured: log(read**2) is 2.18 log(shot) + 1.2 with a deviation of
  0.26; their gains for white balance, too. Banding and fixed patterns are weaker than that.
  """
  present = rng.random(6) < (noise, fixed_noise, mosaic, black, denoise, sharpen)
  noisy, patterned, cells, stray, denoised, sharpened = present.tolist()
  shot = min(shot_noise, most_noise)
  read = float(np.exp(0.5 * (2.18 * np.log(max(shot, 1e-9)) + 1.2 + rng.normal(0, 0.26))))
  rows, dots = (read * rng.uniform(0.05, 0.5, 2)).tolist()
  codes = np.maximum(rng.uniform(0, 4) + rng.uniform(-1.5, 3, 3), 0).tolist()
  luma, chroma, sharp = rng.uniform(size=3).tolist()
  return Camera(
    white_balance=(float(rng.uniform(1.7, 2.4)), 1.0, float(rng.uniform(1.5, 2.0))),
    shot_noise=shot if noisy else 0.0,
    read_noise=read if noisy else 0.0,
    row_noise=rows if noisy and patterned else 0.0,
    fixed_noise=dots if noisy and patterned else 0.0,
    mosaic=cells,
    black=(codes[0], codes[1], codes[2]) if stray else (0.0, 0.0, 0.0),
    luma_denoise=luma if denoised else 0.0,
    chroma_denoise=0.7 + 2 * chroma if denoised else 0.0,
    sharpen=sharp if sharpened else 0.0,
  )


def take(
  light: Float[np.ndarray, "h w 3"],
  camera: Camera,
  rng: np.random.Generator,
  fixed: Float[np.ndarray, "h w"] | None = None,
) -> Frame8:
  """Takes one frame of linear light; `fixed` is the camera's pattern of the clip, deviation 1."""
  if camera.noisy or camera.mosaic:
    light = _sense(light, camera, rng, fixed)
  srgb = tone(light)
  if any(camera.black):
    offset = np.asarray(camera.black, np.float32) / np.float32(255)
    srgb = srgb * (1 - offset) + offset
  srgb = finish(srgb, camera)
  return rounded(srgb)


def tone(light: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
  """sRGB of linear light, clipped to [0, 1]; from a table, off by less than 1/20 of a code."""
  index = np.sqrt(np.clip(light, 0, 1))
  index *= np.float32(_STEPS)
  index += np.float32(0.5)
  # Not np.take, which makes 64-bit numbers of the index first: ten times slower.
  return _CODE_OF_ROOT[index.astype(np.uint16)]


def rounded(srgb: Float[np.ndarray, "h w 3"]) -> Frame8:
  """8 bits of [0, 1]; what is outside is clipped."""
  codes = np.clip(srgb, 0, 1)
  codes *= np.float32(255)
  codes += np.float32(0.5)
  return codes.astype(np.uint8)


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
  """Normal numbers of deviation 1, float32, eight times as fast as numpy's; `rng` seeds them."""
  numbers = np.empty(shape, np.float32)
  cv2.setRNGSeed(int(rng.integers(1, 2**31)))  # of this thread only
  cv2.randn(numbers.reshape(shape[0], -1), np.zeros(1), np.ones(1))
  return numbers


def finish(srgb: Float[np.ndarray, "h w 3"], camera: Camera) -> Float[np.ndarray, "h w 3"]:
  """Suppresses noise and sharpens, as cameras do after the tone curve."""
  if not (camera.luma_denoise or camera.chroma_denoise or camera.sharpen):
    return srgb
  planes = list(cv2.split(cv2.cvtColor(srgb, cv2.COLOR_RGB2YCrCb)))
  if camera.luma_denoise:
    share = np.float32(camera.luma_denoise)
    planes[0] = planes[0] + share * (cv2.medianBlur(planes[0], 3) - planes[0])
  if camera.chroma_denoise:
    for channel in (1, 2):
      planes[channel] = cv2.GaussianBlur(planes[channel], (0, 0), camera.chroma_denoise)
  if camera.sharpen:
    soft = cv2.GaussianBlur(planes[0], (0, 0), 1.0)
    planes[0] = planes[0] + np.float32(camera.sharpen) * (planes[0] - soft)
  return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB))


def _sense(
  light: Float[np.ndarray, "h w 3"],
  camera: Camera,
  rng: np.random.Generator,
  fixed: Float[np.ndarray, "h w"] | None,
) -> Float[np.ndarray, "h w 3"]:
  """Through filters and sensor and back to linear sRGB; negative where noise is."""
  gains = np.asarray(camera.white_balance, np.float32)
  seen = cv2.transform(light, _FILTERS / gains[:, None])
  height, width = seen.shape[:2]
  if camera.mosaic:
    plane = np.empty((height, width), np.float32)  # RGGB
    plane[0::2, 0::2], plane[1::2, 1::2] = seen[0::2, 0::2, 0], seen[1::2, 1::2, 2]
    plane[0::2, 1::2], plane[1::2, 0::2] = seen[0::2, 1::2, 1], seen[1::2, 0::2, 1]
    plane = _noise(plane[..., None], camera, rng, fixed)[..., 0]
    sites = np.empty((height, width), np.float32)
    sites[0::2, 0::2], sites[1::2, 1::2] = gains[0], gains[2]
    sites[0::2, 1::2] = sites[1::2, 0::2] = gains[1]
    plane *= sites
    whole = np.clip(plane * _SCALE + _OFFSET + 0.5, 0, 65535).astype(np.uint16)
    # OpenCV names a layout after its second row, from the second column on.
    guessed = cv2.cvtColor(whole, cv2.COLOR_BayerBG2RGB)
    back = guessed.astype(np.float32)
    back -= np.float32(_OFFSET)
    back *= np.float32(1 / _SCALE)
  else:
    back = _noise(seen, camera, rng, fixed) * gains
  return np.asarray(cv2.transform(back, np.linalg.inv(_FILTERS)))


def _noise(
  seen: Float[np.ndarray, "h w c"],
  camera: Camera,
  rng: np.random.Generator,
  fixed: Float[np.ndarray, "h w"] | None,
) -> Float[np.ndarray, "h w c"]:
  """Adds what the sensor adds: variances add up to shot_noise * light + the squares of the rest."""
  if camera.shot_noise or camera.read_noise:
    variance = np.maximum(seen, 0)
    variance *= np.float32(camera.shot_noise)
    variance += np.float32(camera.read_noise**2)
    noise = gaussian(rng, seen.shape)
    noise *= np.sqrt(variance, out=variance)
    noise += seen
    seen = noise
  if camera.row_noise:
    seen = seen + np.float32(camera.row_noise) * rng.standard_normal((len(seen), 1, 1), np.float32)
  if camera.fixed_noise and fixed is not None:
    seen = seen + np.float32(camera.fixed_noise) * fixed[..., None]
  return seen
