import cv2
import numpy as np
import pytest

from llve_jax.io.images import read_image
from llve_jax.io.video import read_frames
from llve_jax.ops.warp import valid_area
from llve_jax.prepare.grey import grey
from llve_jax.prepare.register import agreement, bounds, find_shift, fit, move, relit


@pytest.fixture(scope="module")
def pair(filmed):
  """(dark frame, still, true shift)."""
  folder, truth = filmed
  frame = truth.nearest(2)
  dark = list(read_frames(folder / "dark.mp4"))[frame].image
  return dark, read_image(folder / "stills" / "0002.png"), truth.shift(2, frame)


def test_shift_of_a_dark_noisy_frame(pair):
  dark, still, truth = pair
  assert dark.mean() < 30
  found = find_shift(grey(dark), grey(still))
  assert np.hypot(*(np.array(found) - truth)) < 0.2
  # Estimated at half the size it is still a shift in pixels of the whole.
  small = find_shift(grey(dark), grey(still), height=90)
  assert np.hypot(*(np.array(small) - truth)) < 0.5


def test_a_large_shift_is_found_without_the_windows_bias(pair):
  _, still, _ = pair
  shift = (21.4, -8.3)
  moved, _ = move(still, shift)
  np.testing.assert_allclose(find_shift(grey(moved), grey(still)), shift, atol=0.1)


def test_no_larger_shift_is_looked_for_than_the_limit_in_pixels_of_the_whole(pair):
  _, still, _ = pair
  moved, _ = move(still, (21.4, -8.3))
  found, near = (
    find_shift(grey(moved), grey(still), height=90, limit=limit, passes=0) for limit in (30, 12)
  )
  np.testing.assert_allclose(found, (21.4, -8.3), atol=4)
  assert np.abs(near).max() < 14


def test_registration_raises_the_agreement(pair):
  dark, still, _ = pair
  everywhere = np.ones(dark.shape[:2], bool)
  options = {"height": 180, "blur": 1.0}
  shift = find_shift(grey(dark), grey(still))
  before = agreement(dark, still, everywhere, **options)
  after = agreement(dark, *move(still, shift), **options)
  assert after > before + 0.005
  assert agreement(dark, still, ~everywhere, **options) == 0


def test_relit_is_the_mean_of_the_frame_at_each_grey():
  rng = np.random.default_rng(0)
  still = rng.integers(0, 8, (50, 60)).astype(np.float32)
  frame = (still - 3) ** 2 + rng.standard_normal((50, 60)).astype(np.float32)
  found = relit(still, frame)
  for level in range(8):
    expected = frame[still == level].mean()
    np.testing.assert_allclose(found[still == level], expected, rtol=1e-4)


def test_bounds():
  assert bounds(valid_area(40, 50, (3.5, -2.0))) == (6, 0, 44, 38)
  assert bounds(np.ones((4, 5), bool)) == (0, 0, 5, 4)
  assert bounds(np.zeros((4, 5), bool)) is None


def test_fit_cuts_the_middle_of_a_photograph():
  frame = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
  frame = cv2.GaussianBlur(frame, (0, 0), 2)
  photograph = cv2.resize(frame, (480, 270), interpolation=cv2.INTER_CUBIC)
  photograph = cv2.copyMakeBorder(photograph, 25, 25, 0, 0, cv2.BORDER_CONSTANT)  # 3:2
  assert np.abs(fit(photograph, 160, 90).astype(int) - frame).mean() < 2
  np.testing.assert_array_equal(fit(frame, 160, 90), frame)
  assert fit(frame, 320, 180).shape == (180, 320, 3)


def test_the_benchmarks_truth_agrees_with_its_pictures(filmed):
  """Bright against bright: what the benchmark calls the shift is what the pictures show."""
  folder, truth = filmed
  still, other = (read_image(folder / "stills" / f"{n:04d}.png") for n in (1, 2))
  expected = truth.stills[1] - truth.stills[2]
  np.testing.assert_allclose(find_shift(grey(other), grey(still)), expected, atol=0.1)
