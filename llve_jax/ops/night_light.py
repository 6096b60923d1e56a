"""Light as it falls at night: lamps far brighter than the rest, pools of light, black skies.

A lit scene is reflectance times illumination plus the lamps themselves. Illumination is 1 where a
lamp lights the scene fully. Units: linear light, 1 is the camera's white at an exposure of 1;
places are fractions of the frame (y from the top), lengths of its shorter side, speeds fractions of
the frame per frame of film.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float

Color = tuple[float, float, float]

_COARSE = 4  # illumination and glow are smooth: they are computed at a quarter of the size
_LUMINANCE = np.array([[0.2126, 0.7152, 0.0722]], np.float32)
_DARKEST = 0.002  # illumination below which nothing is worth lifting

# Linear colours of sodium, warm, neutral and cold lamps, red and green signals; green is about 1.
_LAMPS: tuple[Color, ...] = (
  (1.7, 1.0, 0.25),
  (1.4, 1.0, 0.5),
  (1.0, 1.0, 1.0),
  (1.0, 1.0, 1.0),
  (0.85, 1.0, 1.25),
  (2.5, 0.35, 0.3),
  (0.5, 1.3, 0.7),
)


@dataclasses.dataclass(frozen=True)
class Lamp:
  """One light source that the camera sees.

  Attributes:
    x: place; likewise `y`.
    y: see `x`.
    radius: of the source, a disc.
    aspect: width by height of the source; not 1: a rectangle, as windows and signs are.
    strength: its light; far above 1.
    glow: share of the strength that lens and haze spread around it.
    reach: of its pool of light on the scene; 0 lights nothing.
    streak: share of the strength that a wet road mirrors below it.
    color: linear, green about 1.
    speed: (x, y) per frame of film.
  """

  x: float
  y: float
  radius: float
  aspect: float
  strength: float
  glow: float
  reach: float
  streak: float
  color: Color
  speed: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class NightLight:
  """How a scene is lit.

  Attributes:
    ambient: illumination that is everywhere.
    color: of that.
    side: illumination of the lit half of the picture; 0: there is none.
    angle: where that half lies, in radians; 0 is right.
    edge: softness of its border.
    skyline: heights, from left to right, down to which there is sky; empty: none is seen.
    sky: share of the light around that reaches it; 0 is pitch black.
    vignette: share of light that is lost in the corners.
    lamps: seen by the camera.
  """

  ambient: float = 1.0
  color: Color = (1.0, 1.0, 1.0)
  side: float = 0.0
  angle: float = 0.0
  edge: float = 0.1
  skyline: tuple[float, ...] = ()
  sky: float = 0.0
  vignette: float = 0.0
  lamps: tuple[Lamp, ...] = ()


def draw_night(rng: np.random.Generator) -> NightLight:
  """A scene at night: little light around, one to fourteen lamps, often a black sky."""
  lamps = []
  shared = _LAMPS[rng.integers(5)]  # lamps of one street are alike
  for _ in range(int(rng.integers(1, 15))):
    moving = rng.random() < 0.25
    speed = rng.normal(0, 0.008, 2).tolist() if moving else (0.0, 0.0)
    color = shared if rng.random() < 0.7 else _LAMPS[rng.integers(len(_LAMPS))]
    lamps.append(
      Lamp(
        x=float(rng.uniform(0, 1)),
        y=float(rng.uniform(0.05, 0.8)),
        radius=float(0.002 * 16 ** (rng.uniform() ** 1.5)),
        aspect=1.0 if rng.random() < 0.8 else float(rng.uniform(0.4, 2.5)),
        strength=float(3 * 20 ** rng.uniform()),
        glow=float(0.004 * 20 ** rng.uniform()),
        reach=float(rng.uniform(0.06, 0.4)) if rng.random() < 0.7 else 0.0,
        streak=float(rng.uniform(0.01, 0.05)) if rng.random() < 0.25 else 0.0,
        color=color,
        speed=(speed[0], speed[1]),
      )
    )
  return NightLight(
    ambient=float(0.004 * 50 ** rng.uniform()),
    color=_LAMPS[rng.integers(1, 5)],
    side=float(rng.uniform(0.2, 1)) if rng.random() < 0.4 else 0.0,
    angle=float(rng.uniform(0, 2 * np.pi)),
    edge=float(0.01 * 30 ** rng.uniform()),
    skyline=_skyline(rng) if rng.random() < 0.5 else (),
    sky=float(1e-4 * 1000 ** rng.uniform()),
    vignette=float(rng.uniform(0, 0.6)),
    lamps=tuple(lamps),
  )


def draw_shade(rng: np.random.Generator) -> NightLight:
  """A scene without lamps that is lit unevenly: half in shade, or dark towards the corners."""
  return NightLight(
    ambient=float(0.1 * 6 ** rng.uniform()),
    side=float(rng.uniform(0.4, 1)) if rng.random() < 0.7 else 0.0,
    angle=float(rng.uniform(0, 2 * np.pi)),
    edge=float(0.03 * 15 ** rng.uniform()),
    vignette=float(rng.uniform(0, 0.6)),
  )


def illumination(
  light: NightLight, shape: tuple[int, int], time: float
) -> Float[np.ndarray, "h w 3"]:
  """Light that falls on each pixel of a frame of (height, width) `shape`, about 0 to 1.

  Args:
    light: of the clip.
    shape: of the frame.
    time: number of the frame, by which lamps have moved.
  """
  y, x, high, wide = _coarse(shape)
  field = np.full((len(y), len(x)), light.ambient, np.float32)
  if light.side:
    along = (x[None] - 0.5) * np.cos(light.angle) + (y[:, None] - 0.5) * np.sin(light.angle)
    field += light.side / (1 + np.exp(np.clip(-4 * along / light.edge, -60, 60)))
  colored = field[..., None] * _toned(light.color)
  for lamp in light.lamps:
    if lamp.reach:
      center = lamp.x + time * lamp.speed[0], lamp.y + time * lamp.speed[1] + lamp.reach / 2
      pool = _bump(x, y, center, lamp.reach * wide, lamp.reach * high * 0.6)
      colored += pool[..., None] * _toned(lamp.color)
  if light.skyline:
    steps = np.minimum((x * len(light.skyline)).astype(int), len(light.skyline) - 1)
    height = np.asarray(light.skyline, np.float32)[steps]
    ground = np.clip((y[:, None] - height[None]) / 0.03 + 0.5, 0, 1)
    colored *= (light.sky + (1 - light.sky) * ground)[..., None]
  if light.vignette:
    corner = ((x[None] - 0.5) ** 2 + (y[:, None] - 0.5) ** 2) * 2
    colored *= (1 - light.vignette * corner)[..., None]
  colored = np.minimum(colored.astype(np.float32), 1.2)
  return cv2.resize(colored, shape[::-1], interpolation=cv2.INTER_LINEAR)


def sources(light: NightLight, shape: tuple[int, int], time: float) -> Float[np.ndarray, "h w 3"]:
  """Light of the lamps themselves, with glow and mirror images; arguments as `illumination`."""
  y, x, high, wide = _coarse(shape)
  glow = np.zeros((len(y), len(x), 3), np.float32)
  short = min(shape)
  for lamp in light.lamps:
    center = lamp.x + time * lamp.speed[0], lamp.y + time * lamp.speed[1]
    color = lamp.strength * np.asarray(lamp.color, np.float32)
    # Bumps narrower than a coarse pixel would be missed or caught by chance.
    size = max(lamp.radius, 0.6 * _COARSE / short)
    veil = _bump(x, y, center, 2.5 * size * wide, 2.5 * size * high)
    veil += 0.04 * _bump(x, y, center, 10 * size * wide, 10 * size * high)
    glow += (lamp.glow * veil)[..., None] * color
    if lamp.streak:
      below = center[0], center[1] + 10 * size
      streak = _bump(x, y, below, 1.2 * size * wide, 6 * size * high)
      glow += (lamp.streak * streak)[..., None] * color
  seen = cv2.resize(glow, shape[::-1], interpolation=cv2.INTER_LINEAR)
  for lamp in light.lamps:
    _add_source(seen, lamp, time)
  return seen


def lifted(field: Float[np.ndarray, "h w 3"], power: float) -> Float[np.ndarray, "h w 3"]:
  """Illumination as a pleasing picture of the night has it: shadows lifted, black still black.

  The luminance L becomes `L**power * L / (L + 0.002)`, full light stays as it is, and colours stay.
  """
  luminance = np.maximum(cv2.transform(field, _LUMINANCE), np.float32(1e-8))
  gain = np.minimum(luminance, 1) ** np.float32(power - 1)
  gain *= luminance / (luminance + np.float32(_DARKEST))
  return field * gain[..., None]


def _skyline(rng: np.random.Generator) -> tuple[float, ...]:
  """A row of houses, or a horizon."""
  level, houses = rng.uniform(0.1, 0.5), int(rng.choice([1, 4, 7, 11, 16]))
  heights = level + rng.uniform(-0.3, 0.3, houses) * level * (houses > 1)
  return tuple(heights.tolist())


def _coarse(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, float, float]:
  """Rows and columns of the coarse grid, and a shorter side as fraction of height and width."""
  height, width = shape
  rows, columns = max(2, height // _COARSE), max(2, width // _COARSE)
  y = ((np.arange(rows) + 0.5) / rows).astype(np.float32)
  x = ((np.arange(columns) + 0.5) / columns).astype(np.float32)
  return y, x, min(shape) / height, min(shape) / width


def _bump(
  x: np.ndarray, y: np.ndarray, center: tuple[float, float], across: float, down: float
) -> Float[np.ndarray, "h w"]:
  """A Gaussian hill of height 1."""
  columns = np.exp(-0.5 * ((x - center[0]) / across) ** 2)
  rows = np.exp(-0.5 * ((y - center[1]) / down) ** 2)
  return rows[:, None] * columns[None]


def _toned(color: Color) -> Float[np.ndarray, "3"]:
  """The colour at a luminance of 1."""
  linear = np.asarray(color, np.float32)
  return linear / (_LUMINANCE @ linear)


def _add_source(seen: Float[np.ndarray, "h w 3"], lamp: Lamp, time: float) -> None:
  """Adds the disc or rectangle of a lamp, its edge about a pixel soft."""
  height, width = seen.shape[:2]
  short = min(height, width)
  x, y = (lamp.x + time * lamp.speed[0]) * width, (lamp.y + time * lamp.speed[1]) * height
  radius = max(lamp.radius * short, 0.6)
  root = lamp.aspect**0.5
  half = (radius * root, radius / root)
  left, right = max(0, int(x - half[0] - 1)), min(width, int(x + half[0] + 2))
  top, bottom = max(0, int(y - half[1] - 1)), min(height, int(y + half[1] + 2))
  if left >= right or top >= bottom:
    return
  across = np.arange(left, right, dtype=np.float32)[None] + 0.5 - x
  down = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - y
  if lamp.aspect == 1:
    inside = np.clip(radius + 0.5 - np.hypot(across, down), 0, 1)
  else:
    inside = np.clip(half[0] + 0.5 - abs(across), 0, 1) * np.clip(half[1] + 0.5 - abs(down), 0, 1)
  color = np.float32(lamp.strength) * np.asarray(lamp.color, np.float32)
  seen[top:bottom, left:right] += inside[..., None].astype(np.float32) * color
