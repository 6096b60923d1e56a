"""Turn a bright clip into a dark one as a camera delivers it, and into the target it should become.

Real darkness is not a bright picture times a factor. Highlights survive while middle tones sink;
white balance fails; at night lamps outshine everything and the sky is black; cameras suppress
noise and sharpen; films are compressed, and carry letterbox bars and graphics that were never dark.
What must stay as it is - lamps, bars, graphics, black skies, clips that are not dark - is the same
in the target.

In order: how the bright clip is developed, tone curve, linear light, shake, uneven light and lamps,
exposure and colour cast, the camera with its noise (`ops.camera`), bars and graphics
(`ops.overlay`), compression (`ops.compress`). Parameters hold for a clip; noise, shake and flicker
are new in every frame. `ops.darkening` draws them.

Units as in `llve_jax.ops.degrade`: linear light, 1 is full scale.
"""

from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.ops import camera as cameras
from llve_jax.ops import compress, degrade, develop, night_light, night_target, overlay
from llve_jax.ops.color import srgb_to_linear
from llve_jax.ops.darkening import Darkening
from llve_jax.ops.frames import to_8_bit
from llve_jax.ops.night_light import NightLight
from llve_jax.shapes import Frame8, Frames8

_RATE = Fraction(25)  # only the codec's; its decisions hardly depend on it


def apply(
  bright: Frames8, darkening: Darkening, rng: np.random.Generator
) -> tuple[Frames8, Frames8]:
  """The dark clip, and what it should become; both of the shape of the bright one.

  Raises:
    UserError: the frames are not uint8 [t, h, w, 3].
  """
  if bright.dtype != np.uint8 or bright.ndim != 4 or bright.shape[-1] != 3:
    raise UserError(f"expected uint8 frames [t, h, w, 3], found {bright.dtype} {bright.shape}")
  shape = bright.shape[1], bright.shape[2]
  camera, night = darkening.camera, darkening.night
  fixed = cameras.gaussian(rng, shape) if camera.fixed_noise else None
  over = overlay.rasterise(darkening.overlay, shape)
  gains = exposures(len(bright), darkening, rng)
  codes = np.arange(256, dtype=np.float32) / np.float32(255)
  a, b, g = darkening.tone
  developed = to_8_bit(develop.curve(bright, darkening.level, darkening.contrast))
  day, toned = srgb_to_linear(codes), srgb_to_linear(b * (a * codes) ** g).astype(np.float32)
  lit = None
  low, high = np.empty_like(bright), np.empty_like(bright)
  for index, source in enumerate(bright):
    frame = develop.faded(np.asarray(cv2.LUT(source, developed), np.uint8), darkening.saturation)
    if darkening.colors != (0, 1, 2):
      frame = np.ascontiguousarray(frame[..., darkening.colors])
    light = _toned(frame, toned, day, darkening.vivid)
    if night is not None:
      if lit is None or any(lamp.speed != (0.0, 0.0) for lamp in night.lamps):
        lit = _lit(night, shape, index, darkening)
      field, lifted, lamps = lit
      light *= field
      scene = cv2.LUT(frame, day) * lifted
      high[index] = night_target.target(scene, light, lamps, darkening.exposure)
      light += lamps
    else:
      high[index] = frame
    if darkening.blur_length > 0:
      path = degrade.shake_trajectory(rng, darkening.blur_length, shutter=darkening.shutter)
      light = degrade.blur(light, degrade.point_spread(path))
    light *= (np.asarray(darkening.cast) * gains[index]).astype(np.float32)
    low[index] = overlay.lay_over(cameras.take(light, camera, rng, fixed), over)
    if darkening.jpeg:
      low[index] = compress.jpeg_round_trip(low[index], darkening.jpeg)
  if night is not None and not night.lamps and darkening.level:
    high = cv2.LUT(high, to_8_bit(develop.curve(high, darkening.level, 0.0)))
  high = np.stack([overlay.lay_over(frame, over) for frame in high])
  if darkening.h264_crf:
    low = compress.h264_round_trip(low, _RATE, darkening.h264_crf, preset="ultrafast")
  return low, high


def exposures(count: int, darkening: Darkening, rng: np.random.Generator) -> Float[np.ndarray, "t"]:
  """Factor on the light of each frame: exposure, drift and flicker."""
  angle = 2 * np.pi * np.arange(count) / darkening.drift_frames + darkening.drift_start
  stops = darkening.drift * np.sin(angle) + darkening.flicker * rng.standard_normal(count)
  return darkening.exposure * 2.0**stops


def _toned(
  frame: Frame8, toned: np.ndarray, day: np.ndarray, vivid: float
) -> Float[np.ndarray, "h w 3"]:
  """Light of a frame under the tone curve `toned`, codes to light; `day` is that of no curve."""
  gaudy = np.asarray(cv2.LUT(frame, toned), np.float32)
  if not vivid:
    return gaudy
  share = (toned / np.maximum(day, day[1])).astype(np.float32)
  light = np.asarray(cv2.LUT(frame, day), np.float32)
  light *= cv2.LUT(frame.max(-1), share)[..., None]
  return gaudy + np.float32(vivid) * (light - gaudy)


def _lit(
  night: NightLight, shape: tuple[int, int], time: float, darkening: Darkening
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Illumination, the target's, and lamps."""
  field = night_light.illumination(night, shape, time)
  return field, night_light.lifted(field, darkening.lift), night_light.sources(night, shape, time)
