"""Figures of harm against values computed by hand."""

import math

import numpy as np
import pytest
import skimage.color

from llve_jax.errors import UserError
from llve_jax.metrics import harm


def _grey(*codes, shape=(10, 10)):
  """A clip whose frames are even."""
  return np.stack([np.full((*shape, 3), code, np.uint8) for code in codes])


def _ramp():
  """One frame of 100 pixels with the codes 100 to 199."""
  return np.arange(100, 200, dtype=np.uint8).reshape(1, 10, 10, 1).repeat(3, axis=3)


def test_burnt_counts_pixels_with_a_channel_at_250():
  frames = _grey(100)
  frames[0, 0, 0] = (250, 0, 0)
  frames[0, 0, 1] = (249, 249, 249)
  frames[0, 0, 2] = 255
  assert harm.burnt(frames) == pytest.approx(2 / 100)


def test_rank_ratios_are_of_the_pixels_that_the_input_ranks():
  before = _ramp()
  after = before.copy()
  after[before >= 190] = 95  # the brightest tenth, 190 to 199
  assert harm.rank_ratio(before, after, 0.9, 1) == pytest.approx(95 / 194.5)
  after = before.copy()
  after[before < 133] += 20  # the darkest third, 100 to 132
  assert harm.rank_ratio(before, after, 0, 1 / 3) == pytest.approx(136 / 116)
  assert math.isnan(harm.rank_ratio(_grey(0), _grey(9), 0, 1 / 3))


def test_ratios_leave_letterbox_bars_out():
  before = _grey(0, shape=(10, 100))
  before[:, 2:-2] = _ramp()[:, :, :, :].reshape(1, 1, 100, 3)
  after = np.minimum(before * 1.25, 255).astype(np.uint8)
  assert harm.rank_ratio(before, after, 0, 1) == pytest.approx(1.25, rel=0.01)


def test_greys_move_by_their_distance_and_turn_by_their_angle():
  before = _grey(128)
  before[0, :, :5] = (132, 128, 126)  # neutral enough
  before[0, 0] = (200, 30, 30)  # not a grey: counts in neither
  after = before.copy()
  after[0, 1:] = (140, 128, 110)
  lab = [
    skimage.color.rgb2lab(frames[0, 1:] / 255)[..., 1:].reshape(-1, 2).mean(axis=0)
    for frames in (before, after)
  ]
  angles = [math.degrees(math.atan2(b, a)) for a, b in lab]
  chroma, hue = harm.grey_shift(before, after)
  assert chroma == pytest.approx(math.dist(*lab), rel=0.03)  # OpenCV's Lab is from tables
  assert hue == pytest.approx(abs(angles[1] - angles[0]), abs=2)
  assert harm.grey_shift(before, before) == (0, 0)


def test_without_greys_there_is_nothing_to_say():
  red = np.broadcast_to(np.array([250, 0, 0], np.uint8), (1, 8, 8, 3))
  assert all(math.isnan(value) for value in harm.grey_shift(red, red))


def test_bars_are_found_at_the_borders_with_signs_in_them():
  frames = _grey(60, 90, shape=(50, 40))
  frames[:, :6] = 1
  frames[:, -4:] = 0
  frames[:, 2:4, 3:10] = 255
  expected = np.zeros((50, 40), bool)
  expected[:6] = expected[-4:] = True
  expected[2:4, 3:10] = False
  np.testing.assert_array_equal(harm.letterbox(frames), expected)
  after = frames.copy()
  after[:, :6] = 12
  assert harm.bar_level(frames, after) == pytest.approx((12 * (240 - 14) + 0) / (400 - 14))


def test_pillars_are_bars_too():
  frames = _grey(80, shape=(30, 50))
  frames[:, :, :7] = 0
  assert harm.letterbox(frames).sum() == 30 * 7


def test_hues_turn_the_shorter_way_round():
  before, after = _grey(128), _grey(128)
  before[:], after[:] = (124, 130, 125), (104, 132, 140)  # beside green, on either side of it
  labs = [skimage.color.rgb2lab(each[0, :1, :1] / 255)[0, 0, 1:] for each in (before, after)]
  cosine = labs[0] @ labs[1] / np.prod(np.linalg.norm(labs, axis=1))
  assert labs[0][1] > 0 > labs[1][1]
  assert harm.grey_shift(before, after)[1] == pytest.approx(np.degrees(np.arccos(cosine)), abs=2)


def test_white_and_black_are_no_greys():
  before = _grey(128)
  before[0, :3], before[0, 3:5] = 255, 4
  after = before.copy()
  after[0, :3], after[0, 3:5] = (255, 240, 120), (20, 4, 4)
  assert harm.grey_shift(before, after)[0] == 0


def test_a_sign_that_stands_in_a_bar_for_a_moment_is_no_bar():
  frames = _grey(*[80] * 9, shape=(30, 50))
  frames[:, :6] = 0
  frames[4, 2:4, 5:12] = 200
  bars = harm.letterbox(frames)
  assert bars.sum() == 6 * 50 - 2 * 7
  assert not bars[2:4, 5:12].any()


@pytest.mark.parametrize("case", ["black", "dark border", "flashing", "thin"])
def test_what_is_no_bar(case):
  frames = _grey(60, 60, shape=(100, 60))
  if case == "black":
    frames[:] = 0
  elif case == "dark border":  # fades in, as a dark room does
    frames[:] = (np.arange(100) / 10)[None, :, None, None]
  elif case == "flashing":
    frames[0, :20] = 0
  else:
    frames[:, :1] = 0
  assert not harm.letterbox(frames).any()
  assert math.isnan(harm.bar_level(frames, frames))


def test_flicker_is_relative_to_the_brightness():
  assert harm.flicker(_grey(100, 104, 96)) == pytest.approx(((4 + 8) / 2) / 100)
  assert harm.flicker(_grey(100)) == 0
  assert harm.flicker(_grey(0, 0)) == 0


def test_all_figures_together():
  before = _grey(0, 0, shape=(40, 40))
  before[:, 8:-8] = 50
  before[:, 20, 20] = 255
  after = before.copy()
  after[:, 8:-8] = 100
  after[1, 8:-8] = 110
  after[:, :8] = 6
  found = harm.harm(before, after)
  assert found.burnt_before == pytest.approx(1 / 1600)
  assert found.burnt_growth == pytest.approx(-1 / 1600)
  assert found.dark_ratio == pytest.approx(105 / 50)
  assert found.bars == pytest.approx(3)
  assert found.grey_chroma < 0.1
  # 24 of 40 rows change by 10; the mean of both frames is 63 + 6 * 8 / 40.
  assert found.flicker == pytest.approx(6 / (0.6 * 105 + 1.2))


def test_nothing_changed_is_no_harm():
  frames = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
  found = harm.harm(frames, frames)
  assert (found.dark_ratio, found.bright_ratio, found.grey_chroma) == (1, 1, 0)
  assert found.burnt_growth == 0


@pytest.mark.parametrize("other", [np.zeros((1, 4, 5, 3), np.uint8), np.zeros((1, 4, 4, 3))])
def test_clips_that_do_not_fit_are_refused(other):
  with pytest.raises(UserError, match="expected"):
    harm.harm(np.zeros((1, 4, 4, 3), np.uint8), other)
