import numpy as np
import pytest

from llve_jax.ops.develop import curve, faded


def _clip(seed=0, high=200):
  return np.random.default_rng(seed).integers(0, high, (2, 21, 34, 3), np.uint8)


def test_no_level_is_no_curve():
  np.testing.assert_allclose(curve(_clip(), 0.0, 0.7), np.arange(256) / 255, atol=1e-7)


@pytest.mark.parametrize("level", [0.25, 0.38, 0.6])
@pytest.mark.parametrize("contrast", [0.0, 0.5, 1.2])
def test_the_mean_is_the_level(level, contrast):
  clip, bent = _clip(), curve(_clip(), level, contrast)
  assert bent[clip].mean() == pytest.approx(level, abs=1e-4)
  assert bent[0] == 0
  assert bent[255] == pytest.approx(1)
  assert (np.diff(bent) >= 0).all()


def test_contrast_spreads_the_values():
  clip = _clip()
  spreads = [curve(clip, 0.45, contrast)[clip].std() for contrast in (0.0, 0.5, 1.0)]
  assert spreads == sorted(spreads)
  assert spreads[2] > 1.2 * spreads[0]


def test_the_curve_is_the_one_that_is_written_down():
  y = 200 / 255 * 6 / (1 + 5 * 200 / 255)
  dark = np.full((1, 4, 4, 3), 3, np.uint8)  # more than the steepest curve could lift to the level
  assert curve(dark, 0.5, 0.4)[200] == pytest.approx(y + 0.4 * (3 * y**2 - 2 * y**3 - y), abs=1e-4)


@pytest.mark.parametrize("saturation", [0.0, 0.4, 1.0])
def test_colours_fade_towards_their_luma(saturation):
  frame = _clip(high=256)[0]
  luma = (frame @ np.array([0.299, 0.587, 0.114]))[..., None]
  expected = luma + saturation * (frame - luma)
  np.testing.assert_allclose(faded(frame, saturation), expected, atol=1.01)
