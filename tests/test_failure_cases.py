"""What the published systems admit they do badly, on made clips, by the network that is shipped.

System A: a strong light turns what is around it black; seams where tiles meet; no steadiness over
time. System B: its recurrent network flickers, its 3-D one blurs where everything moves. System E:
flat dark areas come out noisy. Each is a clip, a measure and a bound, measured on two cores when it
was written; where nothing can help, the tool says so.
"""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from llve_jax import methods
from llve_jax.enhance import looks
from llve_jax.methods.method import Method
from llve_jax.metrics.harm import harm

pytestmark = pytest.mark.slow

NETWORK = "night-small"
HEIGHT, WIDTH, FRAMES = 96, 128, 8
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]


@pytest.fixture(scope="module")
def network() -> Method:
  return methods.load(NETWORK)


def noisy(frame: Callable[[int], np.ndarray], deviation: float = 2.0) -> np.ndarray:
  """Frames of codes 0 to 255, each with noise of its own."""
  random = np.random.default_rng(0)
  clip = np.stack([np.broadcast_to(frame(index), (HEIGHT, WIDTH, 3)) for index in range(FRAMES)])
  noise = random.normal(scale=deviation, size=clip.shape)
  return np.clip(np.round(clip + noise), 0, 255).astype(np.uint8)


def luma(frames: np.ndarray) -> np.ndarray:
  return frames @ np.array([0.299, 0.587, 0.114])


def texture(scale: float) -> np.ndarray:
  waves = [60 + 40 * np.sin(ROWS / 5 + k) * np.cos(COLUMNS / 7) for k in range(3)]
  return np.stack(waves, axis=-1) * scale


@pytest.mark.parametrize("name", [NETWORK, "night-research-small"])
def test_a_strong_light_turns_nothing_around_it_black(name: str) -> None:
  """Measured: the darkest pixel of the ring at 47 and 55, and 87 and 110 on average, of 25."""
  away = np.hypot(ROWS - HEIGHT / 2, COLUMNS - WIDTH / 2)
  glow = 120 * np.exp(-np.square(away / 14))[..., None]
  dark = noisy(lambda index: np.where(away[..., None] < 8, 255.0, texture(1 / 6) + glow))
  bright = methods.load(name)(dark)
  ring = (away > 12) & (away < 30)
  before, after = (luma(frames)[:, ring] for frames in (dark, bright))
  assert after[-1].min() > 1.5 * before.mean()
  assert after.mean() > 3 * before.mean()
  assert luma(bright)[:, away < 6].min() > 230  # the lamp stays one


def night_with_lamps_bars_and_text() -> np.ndarray:
  """Three lamps in their glow, faint colours that move, a letterbox, letters in it and outside."""
  lamps = [
    np.hypot(ROWS - row, COLUMNS - column) for row, column in ((40, 25), (55, 70), (35, 105))
  ]
  glow = sum(110 * np.exp(-np.square(away / 9)) for away in lamps)[..., None]

  def frame(index: int) -> np.ndarray:
    shade = np.roll(texture(1 / 5), index, axis=1) * (1.0, 0.95, 0.9)
    return np.where(np.min(lamps, axis=0)[..., None] < 3.5, 255.0, shade + glow)

  clip = noisy(frame)
  clip[:, :16] = clip[:, -16:] = 0
  for image in clip:
    for text, place in (("21:47", (6, HEIGHT - 22)), ("CAM 2", (80, 13))):
      cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
  return clip


@pytest.mark.parametrize("name", ["night", "night-small"])
def test_lamps_bars_and_text_of_a_night_come_to_no_harm(name: str) -> None:
  """Measured: the darkest third 7 times as bright, 0.1 % more burnt, bars at 1.3.

  Letters that touch the border of the frame hide that a bar is one: it comes out at 8 to 9 then.
  """
  dark = night_with_lamps_bars_and_text()
  found = harm(dark, methods.load(name)(dark))
  assert found.burnt_growth < 0.01
  assert found.dark_ratio > 1.8
  assert found.bright_ratio > 0.95
  assert found.grey_chroma < 3
  assert found.bars < 8
  assert found.flicker < 0.005


def test_tiles_leave_no_seam(network: Method) -> None:
  """A tile is context, which does not show, and core; 2 codes are a rounding on either side."""
  dark = np.concatenate([noisy(lambda index: texture(1 / 6))[:2]] * 2, axis=2)
  whole = network(dark).astype(int)
  tiled = methods.load(NETWORK, tile=168)(dark).astype(int)
  assert dark.shape[2] > 168
  assert np.abs(tiled - whole).max() <= 2


def test_a_light_that_flickers_is_not_made_worse(network: Method) -> None:
  """Measured: 3.9 % of the mean from frame to frame, 15.2 % in the input."""
  light = 1 + 0.15 * np.random.default_rng(1).uniform(-1, 1, FRAMES)

  def jumps(frames: np.ndarray) -> float:
    means = frames.mean(axis=(1, 2, 3))
    return float(np.abs(np.diff(means)).mean() / means.mean())

  dark = noisy(lambda index: texture(light[index] / 5))
  assert jumps(network(dark)) < 0.6 * jumps(dark)


def test_edges_stay_where_everything_moves(network: Method) -> None:
  """Measured: the steepest edge is 0.81 of the contrast when still, 0.72 at 3 pixels a frame."""

  def steepness(speed: int) -> float:
    def stripes(index: int) -> np.ndarray:
      lit = (COLUMNS + speed * index) // 6 % 2 == 0
      return np.where(lit[..., None], 23.0, 8.0)

    profile = luma(network(noisy(stripes, 1.5)))[-1].mean(axis=0)
    return float(np.abs(np.diff(profile)).max() / np.ptp(profile))

  still, moving = steepness(0), steepness(3)
  assert still > 0.7
  assert moving > 0.7 * still


def test_flat_dark_areas_come_out_clean(network: Method) -> None:
  """Measured: noise of 2.0 % of the level, 13.8 % after a gain alone."""
  inside = (ROWS > 30) & (ROWS < 60) & (COLUMNS > 40) & (COLUMNS < 90)
  dark = noisy(lambda index: np.where(inside[..., None], 40.0, 9.0), 2.5)
  flat = (slice(-3, None), slice(5, 25), slice(5, 120))

  def noise(frames: np.ndarray) -> float:
    part = frames[flat].astype(float)
    return float(part.std(axis=(1, 2)).mean() / part.mean())

  assert noise(network(dark)) < 0.4 * noise(methods.load("auto_gain")(dark))
  assert network(dark)[flat].mean() > 4 * dark[flat].mean()


@pytest.mark.parametrize(
  ("level", "white", "word"),
  [(1.0, 0.0, "too dark to trust"), (12.0, 0.3, "clipped highlights")],
)
def test_where_nothing_can_help_the_tool_says_so(level: float, white: float, word: str) -> None:
  dark = noisy(lambda index: np.full((HEIGHT, WIDTH, 3), level), 1.5)
  dark[:, : int(white * HEIGHT)] = 255
  choice = looks.choose([list(dark)], "natural", None)
  assert any(word in line for line in choice.warnings)
