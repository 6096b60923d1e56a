"""What happens to a clip that is made dark, drawn at random, see `llve_jax.ops.darken`.

Units as in `llve_jax.ops.degrade`: linear light, 1 is full scale.
"""

import dataclasses

import numpy as np

from llve_jax.errors import UserError
from llve_jax.ops import camera as cameras
from llve_jax.ops import night_light, overlay, ranges
from llve_jax.ops.camera import Camera
from llve_jax.ops.color import srgb_to_linear
from llve_jax.ops.night_light import NightLight
from llve_jax.ops.overlay import Overlay
from llve_jax.ops.ranges import Range

Triple = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Darkening:
  """What happens to one clip. The defaults change nothing.

  Attributes:
    level: mean sRGB value, in [0, 1], that the bright clip is brought to before all else by a
      curve, see `develop.curve`; both sides show it. 0: the clip stays as it is. Where the scene is
      lit unevenly and without lamps, the target is brought there once more.
    contrast: what that curve adds of it.
    saturation: factor on the bright clip's distance from grey, on both sides; 0 is without colour.
    colors: which colour of the bright clip becomes its red, green and blue, on both sides.
    tone: (a, b, g): of the dark side, an sRGB value x in [0, 1] becomes b * (a * x)**g.
    vivid: 1: only the brightest colour of each pixel does so, and the others keep their ratio to it
      in linear light, as under less light; 0: every colour does, which makes the dark clip gaudy;
      between: a mean of both.
    exposure: factor on light.
    cast: factors on red, green and blue light that the camera did not balance.
    night: how the scene is lit; None: as the bright clip shows it.
    lift: power on illumination in the target: 0 is day, 1 is night as it was.
    drift: amplitude of slow changes of the exposure, in stops (doublings).
    drift_frames: their period.
    drift_start: their phase at the first frame, in radians.
    flicker: standard deviation of changes of the exposure from frame to frame, in stops.
    blur_length: see `degrade.Degradation`.
    shutter: see `degrade.Degradation`.
    camera: noise and rendering.
    overlay: bars and graphics.
    jpeg: quality at which each frame is compressed; 0: it is not.
    h264_crf: constant rate factor at which the clip is compressed; 0: it is not.
  """

  level: float = 0.0
  contrast: float = 0.0
  saturation: float = 1.0
  colors: tuple[int, int, int] = (0, 1, 2)
  tone: Triple = (1.0, 1.0, 1.0)
  vivid: float = 0.0
  exposure: float = 1.0
  cast: Triple = (1.0, 1.0, 1.0)
  night: NightLight | None = None
  lift: float = 0.35
  drift: float = 0.0
  drift_frames: float = 50.0
  drift_start: float = 0.0
  flicker: float = 0.0
  blur_length: float = 0.0
  shutter: float = 1.0
  camera: Camera = dataclasses.field(default_factory=Camera)
  overlay: Overlay = dataclasses.field(default_factory=Overlay)
  jpeg: int = 0
  h264_crf: int = 0


def draw(
  rng: np.random.Generator,
  *,
  untouched: float = 0.1,
  untouched_level: Range = (0.0, 0.0),
  night: float = 0.3,
  shade: float = 0.2,
  exposure: Range = (1 / 60, 1.0),
  night_exposure: Range = (1 / 6, 1.0),
  lift: float = 0.35,
  tone: float = 0.65,
  tone_gamma: Range = (1.4, 3.6),
  tone_exposure: Range = (1 / 4, 1.0),
  vivid: Range = (0.0, 0.0),
  retouched: float = 0.0,
  level: Range = (0.38, 0.5),
  contrast: Range = (0.0, 0.5),
  faded: float = 0.0,
  exchanged: float = 0.0,
  cast: float = 0.5,
  night_cast: float = 0.2,
  noise: float = 0.85,
  shot_noise: Range = (1e-4, 1.2e-2),
  most_noise: float = 3e-3,
  fixed_noise: float = 0.3,
  mosaic: float = 0.5,
  black: float = 0.6,
  denoise: float = 0.5,
  sharpen: float = 0.4,
  drift: float = 0.3,
  blur_length: Range = (0.0, 3.0),
  blurred: float = 0.3,
  bars: float = 0.15,
  graphics: float = 0.15,
  jpeg: float = 0.5,
  jpeg_quality: tuple[int, int] = (40, 96),
  h264: float = 0.15,
  h264_crf: tuple[int, int] = (16, 32),
) -> Darkening:
  """Draws what happens to one clip.

  What has no range is the probability of a stage; 0 switches it off. Every stage draws from a
  stream of its own: switching one off leaves the others as they are.

  Args:
    rng: source of randomness.
    untouched: of a clip that is not dark at all: its light stays as it is, with hardly any noise.
    untouched_level: its mean then, uniform, so that pictures of a low key stay as they are, too;
      0: that of the clip.
    night: of a scene with lamps, see `night_light.draw_night`.
    shade: of uneven light without lamps, where it is not night.
    exposure: uniform in its logarithm.
    night_exposure: the same for scenes with lamps.
    lift: power on illumination in the target, see `Darkening`.
    tone: of a tone curve b * (a x)**g with a of 0.9 to 1 and b of 0.5 to 1; at night half as often
      and half as steep.
    tone_gamma: range of g, uniform.
    tone_exposure: takes the place of `exposure` where there is a tone curve and no night.
    vivid: of tone curves, uniform, see `Darkening`.
    retouched: of a bright clip whose exposure and contrast are made what people like; not at night.
    level: its mean then, uniform, see `Darkening`.
    contrast: that it gets with it, uniform.
    faded: of a bright clip with less colour, down to none, as cameras have it at night.
    exchanged: of a bright clip whose red, green and blue change places: without, pictures teach
      that whatever has no colour in the dark is as yellowish as most things are.
    cast: of a strong cast of colour where it is not night; without, red and blue are off by a few
      percent.
    night_cast: the same at night, where coloured lamps are to stay as they are.
    noise: of a noisy sensor.
    shot_noise: at full exposure, uniform in its logarithm; it shrinks with the light, as
      photo-electrons do. Read, row and fixed noise go with it, see `camera.draw_camera`.
    most_noise: largest shot noise after that.
    fixed_noise: of a pattern that stays and of banding, in a noisy sensor.
    mosaic: of a sensor that measures one colour per pixel.
    black: of stray light that lifts black by up to 7 codes.
    denoise: of a camera that suppresses noise.
    sharpen: of one that sharpens, by up to 1.
    drift: of a brightness that changes over time.
    blur_length: of the shake, uniform, in pixels.
    blurred: of shake.
    bars: of black bars.
    graphics: of text and boxes.
    jpeg: of compression by frame.
    jpeg_quality: lowest and highest.
    h264: of compression as a film, which takes the place of JPEG.
    h264_crf: lowest and highest constant rate factor.

  Raises:
    UserError: a probability outside [0, 1], or an empty range.
  """
  chances = {"untouched": untouched, "night": night, "shade": shade, "tone": tone, "cast": cast}
  chances |= {"night_cast": night_cast, "faded": faded, "exchanged": exchanged}
  chances |= {"retouched": retouched}
  chances |= {"noise": noise, "fixed_noise": fixed_noise, "mosaic": mosaic, "black": black}
  chances |= {"denoise": denoise, "sharpen": sharpen, "drift": drift, "blurred": blurred}
  chances |= {"bars": bars, "graphics": graphics, "jpeg": jpeg, "h264": h264}
  for name, chance in chances.items():
    if not 0 <= chance <= 1:
      raise UserError(f"{name}: expected a probability, 0 to 1, found {chance}")
  # Not rng.spawn(), which looks at how a generator was made and not at its state.
  kind, light, tint, sensor, time, shake, layer, codec = map(
    np.random.default_rng, rng.integers(2**63, size=8).tolist()
  )

  lit, dark = kind.random(3), kind.random() >= untouched
  at_night, curved = dark and lit[0] < night, lit[1] < tone * (0.5 if lit[0] < night else 1)
  curve: Triple = (1.0, 1.0, 1.0)
  factor, scene = 1.0, None
  if at_night:
    scene = night_light.draw_night(light)
  elif dark and lit[2] < shade:
    scene = night_light.draw_shade(light)
  if dark:
    bounds = night_exposure if at_night else tone_exposure if curved else exposure
    factor = ranges.log_uniform(kind, "exposure", bounds)
    if curved:
      gamma = ranges.uniform(kind, "tone_gamma", tone_gamma)
      gamma = 1 + (gamma - 1) / 2 if at_night else gamma
      curve = (float(kind.uniform(0.9, 1)), float(kind.uniform(0.5, 1)), float(gamma))
  mean, more = ranges.uniform(light, "level", level), ranges.uniform(light, "contrast", contrast)
  developed = dark and not at_night and light.random() < retouched
  fades, colour = light.random() < faded, float(light.random())
  exchanges, order = light.random() < exchanged, light.permutation(3).tolist()
  own = ranges.uniform(light, "untouched_level", untouched_level)
  jpeg_now, film_now = codec.random() < jpeg, codec.random() < h264
  quality = ranges.whole(codec, "jpeg_quality", jpeg_quality)
  crf = ranges.whole(codec, "h264_crf", h264_crf)
  changes, flickers = (time.random(2) < (drift, drift / 2)) & dark
  stops, jumps = time.uniform((0.03, 0), (0.35, 0.05)).tolist()
  period, phase = float(6 * 20 ** time.uniform()), float(time.uniform(0, 2 * np.pi))
  shakes = shake.random() < blurred
  length = ranges.uniform(shake, "blur_length", blur_length)
  return Darkening(
    level=own if not dark else mean if developed else 0.0,
    contrast=more if developed else 0.0,
    saturation=colour if fades else 1.0,
    colors=(order[0], order[1], order[2]) if exchanges else (0, 1, 2),
    tone=curve,
    vivid=ranges.uniform(kind, "vivid", vivid) if curved else 0.0,
    exposure=factor,
    cast=_cast(tint, night_cast if at_night else cast) if dark else (1.0, 1.0, 1.0),
    night=scene,
    lift=lift,
    drift=stops if changes else 0.0,
    drift_frames=period,
    drift_start=phase,
    flicker=jumps if flickers else 0.0,
    blur_length=length if shakes else 0.0,
    shutter=float(shake.uniform(0.3, 1)),
    camera=cameras.draw_camera(
      sensor,
      noise=noise,
      shot_noise=ranges.log_uniform(sensor, "shot_noise", shot_noise)
      * _dimming(factor, curve, dark),
      most_noise=most_noise,
      fixed_noise=fixed_noise,
      mosaic=mosaic if dark else 0.0,
      black=black if dark else 0.0,
      denoise=denoise,
      sharpen=sharpen,
    ),
    overlay=overlay.draw_overlay(layer, bars=bars, graphics=graphics),
    jpeg=0 if film_now or not jpeg_now else quality if dark else max(quality, 75),
    h264_crf=0 if not film_now else crf if dark else min(crf, 23),
  )


def _dimming(exposure: float, curve: Triple, dark: bool) -> float:
  """Share of the light of a middle grey that is left; of a clip that is not dark, a few percent
  stand for the many photo-electrons of a day.
  """
  a, b, g = curve
  before, after = srgb_to_linear(np.array([0.5, b * (a * 0.5) ** g]))
  return exposure * float(after / before) if dark else 0.03


def _cast(rng: np.random.Generator, chance: float) -> Triple:
  """Factors on red, green and blue light whose luminance is 1.

  Where tungsten light is not balanced, neutral greys of real dark photographs have up to 4.5 times
  as much red, and less than half as much blue light as green; daylight that is not is bluish.
  """
  strong = rng.random() < chance
  warmth = rng.uniform(-0.6, 1.7) if strong else rng.normal(0, 0.06)
  spread = 0.2 if strong else 0.04
  red, green, blue = np.exp(
    (
      warmth + rng.normal(0, spread),
      rng.normal(0, spread / 2),
      -0.5 * warmth + rng.normal(0, spread),
    )
  )
  luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
  return float(red / luminance), float(green / luminance), float(blue / luminance)
