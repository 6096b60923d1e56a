import cv2
import numpy as np
import pytest
import scipy.ndimage

from llve_jax.prepare.select import blurred, sharpness


def test_sharpness_is_the_variance_of_the_laplacian():
  picture = np.random.default_rng(0).uniform(0, 255, (40, 50)).astype(np.float32)
  expected = scipy.ndimage.laplace(picture, mode="mirror").var()
  assert sharpness(picture) == pytest.approx(expected, rel=1e-4)


def test_blur_lowers_it():
  picture = np.random.default_rng(0).uniform(0, 255, (40, 50)).astype(np.float32)
  scores = [sharpness(cv2.GaussianBlur(picture, (0, 0), blur)) for blur in (0.5, 1.0, 2.0)]
  assert sharpness(picture) > scores[0] > scores[1] > scores[2]


def test_blurred_is_relative_to_the_scene():
  assert blurred([100, 120, 20, 90], 0.25) == [False, False, True, False]
  assert blurred([1.0, 1.2, 0.2, 0.9], 0.25) == [False, False, True, False]
  # The median, which one sharp still does not move.
  assert blurred([100, 100, 100, 2000, 40], 0.5) == [False, False, False, False, True]
  assert blurred([100, 20], 0.0) == [False, False]
  assert blurred([], 0.25) == []
