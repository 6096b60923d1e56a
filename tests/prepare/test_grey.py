import numpy as np
import pytest
import skimage.color
import skimage.exposure

from llve_jax.prepare import grey as module
from llve_jax.prepare.grey import correlation, equalize, grey, normalized, shrink, view


def test_grey_is_bt601_luma():
  image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
  expected = 255 * (skimage.color.rgb2yiq(image)[..., 0])
  np.testing.assert_allclose(grey(image), expected, atol=0.2)
  assert module.grey(image).dtype == np.float32


def test_equalize_agrees_with_scikit_image():
  picture = np.random.default_rng(0).gamma(2.0, 20.0, (60, 80)).astype(np.float32)
  expected = skimage.exposure.equalize_hist(picture, nbins=4096)
  np.testing.assert_allclose(equalize(picture), expected, atol=3e-3)


def test_equalize_cancels_exposure_and_tone_curve():
  picture = np.random.default_rng(0).uniform(0, 255, (60, 80)).astype(np.float32)
  dark = 20 * (picture / 255) ** 1.3
  # Different curves put a few values in other bins.
  np.testing.assert_allclose(equalize(dark), equalize(picture), atol=5e-3)


def test_flat_pictures():
  flat = np.full((4, 5), 7.0, np.float32)
  np.testing.assert_array_equal(equalize(flat), 1)
  np.testing.assert_array_equal(normalized(flat), 0)
  assert correlation(flat, flat) == 0


def test_correlation_is_pearsons():
  first, second = np.random.default_rng(0).standard_normal((2, 30, 40)).astype(np.float32)
  second += first
  expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
  assert correlation(first, second) == pytest.approx(expected, abs=1e-5)
  assert correlation(first, -first) == pytest.approx(-1, abs=1e-5)


def test_view_shrinks_blurs_and_never_enlarges():
  picture = np.random.default_rng(0).uniform(0, 255, (64, 96)).astype(np.float32)
  np.testing.assert_allclose(
    shrink(picture, 32), picture.reshape(32, 2, 48, 2).mean((1, 3)), atol=1e-3
  )
  assert shrink(picture, 100) is picture
  rough = [np.abs(np.diff(view(picture, 32, blur))).mean() for blur in (0, 1, 2)]
  assert rough[0] > rough[1] > rough[2]
