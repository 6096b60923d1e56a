"""Results that flicker are steadied; what happens in the film, happens in the result."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from llve_jax.methods import Steadied
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.methods.steady import multiply_odds, odds_factors
from llve_jax.ops.frames import to_8_bit, to_16_bit, to_unit
from tests.methods.test_cuts import film, scene


class Trembling(Method):
  """Triples the light of frames, by a factor more or less for each, as of red against blue."""

  name = "trembling"

  def __init__(self, amount: float = 0.15):
    self._amount = amount

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    random = np.random.default_rng(0)
    for frame in frames:
      tremble = 1 + self._amount * random.uniform(-1, 1, 3).astype(np.float32)
      bright = np.clip(3 * to_unit(frame) * tremble, 0, 1)
      yield to_8_bit(bright) if rounded else bright


def dark(seed: int, count: int, gain: float = 0.3) -> np.ndarray:
  return film(scene(seed, 30, 40), count, gain=gain, noise=2.0)


def jumps(frames: np.ndarray) -> np.ndarray:
  """Mean change of the mean of each colour from frame to frame, on the scale of 0 to 1."""
  return np.abs(np.diff(to_unit(frames).mean(axis=(1, 2)), axis=0)).mean(axis=0)


@pytest.mark.parametrize("rounded", [True, False])
def test_exposure_and_colour_follow_a_smooth_curve(rounded: bool) -> None:
  frames, told = dark(0, 30), []
  before = Trembling()(frames, rounded=rounded)
  after = Steadied(Trembling(), lambda *shares: told.append(shares))(frames, rounded=rounded)
  assert after.dtype == before.dtype
  assert after.shape == before.shape
  assert (jumps(after) < jumps(before) / 5).all()
  assert np.abs(to_unit(after).mean() - to_unit(before).mean()) < 0.01
  ((was, now),) = told
  assert now < was / 5


def test_sixteen_bits_are_not_rounded_to_eight() -> None:
  frames = np.linspace(0, 9000, 4 * 30 * 40 * 3).reshape(4, 30, 40, 3).astype(np.uint16)
  after = Steadied(Trembling())(frames, rounded=False)
  assert len(np.unique(to_16_bit(after))) > 5000


def test_a_steady_result_is_left_as_it_is() -> None:
  frames = dark(0, 20)
  before, after = (method(frames) for method in (Trembling(0.0), Steadied(Trembling(0.0))))
  assert np.abs(before.astype(int) - after).max() <= 1


@pytest.mark.parametrize(
  "happens",
  [
    pytest.param(lambda: [dark(0, 10), dark(1, 10, 0.15)], id="a cut"),
    pytest.param(lambda: [dark(0, 10, 0.15), dark(0, 10)], id="a lamp is switched on"),
    pytest.param(lambda: [dark(0, 10, 0.15), dark(0, 1, 0.6), dark(0, 9, 0.15)], id="a flash"),
  ],
)
def test_what_is_sudden_stays_sudden(happens: Callable[[], list[np.ndarray]]) -> None:
  frames = np.concatenate(happens())
  before, after = (method(frames) for method in (Trembling(0.0), Steadied(Trembling(0.0))))
  levels = [to_unit(clip).mean(axis=(1, 2, 3)) for clip in (before, after)]
  assert np.abs(np.diff(levels[0])).max() > 0.05
  np.testing.assert_allclose(levels[1], levels[0], atol=0.005)


def test_few_frames_are_held() -> None:
  read = 0

  def frames() -> Iterator[Frame]:
    nonlocal read
    for frame in dark(0, 30):
      read += 1
      yield frame

  for count, _ in enumerate(Steadied(Trembling()).stream(frames()), 1):
    assert read <= count + 8
  assert count == 30
  assert list(Steadied(Trembling()).stream([])) == []


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_black_and_white_stay(kind: type) -> None:
  largest = {np.uint8: 255, np.uint16: 65535, np.float32: 1.0}[kind]
  frame = np.broadcast_to(np.array([0, largest / 2, largest])[:, None, None], (3, 2, 3))
  factors = np.array([2.0, 0.5, 1.0])
  changed = multiply_odds(frame.astype(kind), factors) / largest
  assert changed.dtype != kind or kind == np.float32
  assert (changed[0] == 0).all()
  assert (changed[2] == 1).all()
  np.testing.assert_allclose(changed[1, 0], [2 / 3, 1 / 3, 1 / 2], atol=0.005)


def test_factors_bring_the_mean_where_it_is_wanted() -> None:
  pixels = np.random.default_rng(0).uniform(0, 0.7, (500, 3)).astype(np.float32)
  change = np.array([0.05, -0.04, 0.0])
  changed = multiply_odds(pixels[None], odds_factors(pixels, change))
  np.testing.assert_allclose(changed[0].mean(axis=0) - pixels.mean(axis=0), change, atol=1e-4)
  flat = np.zeros((4, 3), np.float32)
  assert np.isfinite(odds_factors(flat, change)).all()


class Shown(Method):
  """Gives frames of its own, whatever it gets."""

  name = "shown"

  def __init__(self, results: np.ndarray):
    self._results = results

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    yield from (result for result, _ in zip(self._results, frames, strict=True))


@pytest.mark.parametrize("place", [0, 9, 19])
def test_a_result_counts_in_those_up_to_eight_frames_away(place: int) -> None:
  frames = dark(0, 20)
  plain = np.full((20, 30, 40, 3), 0.4, np.float32)
  other = plain.copy()
  other[place] = 0.6
  one, two = (Steadied(Shown(results))(frames, rounded=False) for results in (plain, other))
  changed = [index for index in range(20) if np.abs(one[index] - two[index]).max() > 1e-6]
  assert changed == [index for index in range(20) if abs(index - place) <= 8]
