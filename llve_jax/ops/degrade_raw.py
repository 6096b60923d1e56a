"""Film a bright sRGB clip with a raw camera in the dark, so that raw systems train on any clip.

The rendering of a camera is undone, the light is dimmed, and noise is added where it arises: on the
mosaic, before black level and quantisation.

Units as in `llve_jax.ops.degrade`: light is linear, 1 is the sensor's full scale (white - black),
and noise levels are fractions of it.
"""

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from llve_jax.errors import UserError
from llve_jax.ops import degrade
from llve_jax.ops.color import LINEAR_OF_CODE, srgb_to_linear
from llve_jax.ops.degrade import Degradation
from llve_jax.ops.mosaic import color_sites
from llve_jax.shapes import Frames8

Gains = tuple[float, float, float]

# Sensors see about that much less red and blue than green: the middle of the ranges that Brooks et
# al. draw from.
DAYLIGHT: Gains = (2.15, 1.0, 1.7)
_HIGHLIGHT = 0.9


def unprocess(
  frame: UInt8[np.ndarray, "*batch h w 3"] | Float[np.ndarray, "*batch h w 3"],
  *,
  white_balance: Gains = DAYLIGHT,
  color_matrix: Float[np.ndarray, "3 3"] | None = None,
) -> Float[np.ndarray, "*batch h w 3"]:
  """What the camera's red, green and blue pixels saw where an sRGB picture was rendered, float32.

  Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019 (arXiv 1811.11127),
  section 3: the sRGB curve is inverted, colours become the camera's, white balance is undone. White
  stays white there: what was clipped in the picture was clipped on the sensor, too, so the factor
  on a pixel goes from 1 / gain to 1 as its mean goes from 0.9 to 1; gains below 1 are undone there,
  too. Their tone curve is left out.

  Args:
    frame: sRGB, 8 bits or floating in [0, 1].
    white_balance: gains on red, green and blue that the rendering applied.
    color_matrix: from linear sRGB to the camera's colours; None if they are the same.

  Raises:
    UserError: another type or shape, or gains that are not positive.
  """
  if frame.ndim < 3 or frame.shape[-1] != 3:
    raise UserError(f"expected frames [..., h, w, 3], found {frame.shape}")
  if not min(white_balance) > 0:
    raise UserError(f"expected positive white-balance gains, found {white_balance}")
  if frame.dtype == np.uint8:
    light = LINEAR_OF_CODE[frame]
  elif np.issubdtype(frame.dtype, np.floating):
    light = srgb_to_linear(frame.astype(np.float32))
  else:
    raise UserError(f"expected sRGB as uint8 or floating in [0, 1], found {frame.dtype}")
  if color_matrix is not None:
    if np.shape(color_matrix) != (3, 3):
      raise UserError(f"expected a colour matrix [3, 3], found {np.shape(color_matrix)}")
    light = np.clip(light @ np.asarray(color_matrix, np.float32).T, 0, 1)
  factors = 1 / np.asarray(white_balance, np.float32)
  brightness = light.mean(axis=-1, keepdims=True)
  clipped = (np.maximum(brightness - _HIGHLIGHT, 0) / (1 - _HIGHLIGHT)) ** 2
  return light * np.maximum(clipped + (1 - clipped) * factors, factors)


def to_mosaic(
  camera_rgb: Float[np.ndarray, "*batch h w 3"], cfa: str
) -> Float[np.ndarray, "*batch h w"]:
  """Keeps of every pixel the one colour that the filter before it lets through.

  Raises:
    UserError: not three channels, or unknown letters.
  """
  if camera_rgb.ndim < 3 or camera_rgb.shape[-1] != 3:
    raise UserError(f"expected frames [..., h, w, 3], found {camera_rgb.shape}")
  h, w = camera_rgb.shape[-3:-1]
  sites = color_sites(cfa, (h, w))
  return camera_rgb[..., np.arange(h)[:, None], np.arange(w), sites]


def apply_raw(
  frames: Frames8,
  degradation: Degradation,
  rng: np.random.Generator,
  *,
  cfa: str = "RGGB",
  black: float = 512,
  white: float = 16383,
  white_balance: Gains = DAYLIGHT,
  color_matrix: Float[np.ndarray, "3 3"] | None = None,
) -> UInt16[np.ndarray, "t h w"]:
  """Films a bright clip with a raw camera under `degradation`.

  Per frame: the camera's light (`unprocess`), shake, exposure and gains, mosaic, noise, black
  level, whole numbers from 0 to `white`. Noise below black is kept, as sensors keep it.

  Args:
    frames: sRGB.
    degradation: one clip's; `red_gain` and `blue_gain` tint the light, as a lamp does.
    rng: source of randomness; the same state gives the same bits.
    cfa: layout of the mosaic, see `llve_jax.ops.mosaic`.
    black: the sensor's number for no light.
    white: its largest number, at most 65535.
    white_balance: see `unprocess`.
    color_matrix: see `unprocess`.

  Returns:
    Mosaics; `raw_light.normalize` with the same levels gives back light, noise included.

  Raises:
    UserError: the frames are not uint8 [t, h, w, 3], or levels, gains or letters make no sense.
  """
  if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
    raise UserError(f"expected uint8 frames [t, h, w, 3], found {frames.dtype} {frames.shape}")
  if not 0 <= black < white <= 65535:
    raise UserError(f"expected 0 <= black < white <= 65535, found black {black}, white {white}")
  tint = np.array([degradation.red_gain, 1, degradation.blue_gain], np.float32)
  tint *= np.float32(degradation.exposure)
  mosaics = np.empty(frames.shape[:3], np.uint16)
  for index, frame in enumerate(frames):
    light = unprocess(frame, white_balance=white_balance, color_matrix=color_matrix)
    if degradation.blur_length > 0:
      path = degrade.shake_trajectory(rng, degradation.blur_length, shutter=degradation.shutter)
      light = degrade.blur(light, degrade.point_spread(path))
    plane = to_mosaic(light * tint, cfa)
    plane = degrade.add_noise(plane[..., None], degradation, rng)[..., 0]
    mosaics[index] = np.round(np.clip(black + plane * np.float32(white - black), 0, white))
  return mosaics
