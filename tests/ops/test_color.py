"""The sRGB curve against scikit-image and published values, luma against OpenCV."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.ops import color

LIBRARIES = pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])


def _random_rgb(shape=(5, 7, 3), dtype=np.float32):
  return np.random.default_rng(0).random(shape).astype(dtype)


@LIBRARIES
def test_known_values(xp):
  # 8-bit 0, 10, 11, 128, 255: the line holds up to code 10.31.
  srgb = xp.asarray(np.array([0, 10, 11, 128, 255], np.float32) / 255)
  linear = np.array([0.0, 0.00303527, 0.00334654, 0.21586050, 1.0], np.float32)
  np.testing.assert_allclose(color.srgb_to_linear(srgb), linear, rtol=2e-6, atol=1e-9)
  np.testing.assert_allclose(color.linear_to_srgb(xp.asarray(linear)), srgb, rtol=2e-6, atol=1e-9)


@LIBRARIES
def test_luma_equals_opencv(xp):
  rgb = _random_rgb()
  expected = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]
  np.testing.assert_allclose(color.luma(xp.asarray(rgb)), expected, atol=1e-6)


def test_curve_equals_scikit_image():
  # scikit-image applies the same curve inside RGB <-> XYZ; on grey, Y is the linear value.
  grey = np.linspace(0, 1, 4001)
  rgb = np.repeat(grey[:, None], 3, axis=1)
  expected = skimage.color.rgb2xyz(rgb)[:, 1]
  np.testing.assert_allclose(color.srgb_to_linear(grey), expected, atol=1e-6)
  # ... and back, through an XYZ whose chromaticity is the white point.
  white = skimage.color.rgb2xyz(np.ones((1, 3)))
  expected = skimage.color.xyz2rgb(grey[:, None] * white)[:, 1]
  np.testing.assert_allclose(color.linear_to_srgb(grey), expected, atol=2e-5)


@LIBRARIES
@pytest.mark.parametrize("function", [color.srgb_to_linear, color.linear_to_srgb, color.luma])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_keeps_library_and_dtype(xp, function, dtype):
  out = function(xp.asarray(_random_rgb(dtype=dtype)))
  assert out.dtype == dtype
  assert out.__array_namespace__() is xp.asarray(0.0).__array_namespace__()


def test_keeps_float64_of_numpy():
  assert color.srgb_to_linear(np.array([0.5])).dtype == np.float64


def test_same_under_jit():
  rgb = _random_rgb()
  for function in (color.srgb_to_linear, color.linear_to_srgb, color.luma):
    np.testing.assert_allclose(jax.jit(function)(rgb), function(rgb), atol=1e-6)


def test_gradient_is_finite_at_black_and_at_the_knees():
  points = jnp.array([0.0, 0.0031308, 0.04045, 1e-30, -0.1, 1.0], jnp.float32)
  for function in (color.srgb_to_linear, color.linear_to_srgb):
    slope = jax.vmap(jax.grad(function))(points)
    assert np.all(np.isfinite(slope))
    assert np.all(np.asarray(slope) > 0)


def test_every_8_bit_code_survives_the_round_trip():
  codes = np.arange(256, dtype=np.float32)
  back = color.linear_to_srgb(color.srgb_to_linear(codes / np.float32(255)))
  np.testing.assert_array_equal(np.round(back * 255), codes)


@settings(deadline=None)
@given(st.floats(-0.5, 2.0))
def test_round_trip(value):
  array = np.array([value])
  # The two published knees disagree in the eighth digit; nothing else is lost.
  np.testing.assert_allclose(color.linear_to_srgb(color.srgb_to_linear(array)), array, atol=1e-6)


@LIBRARIES
def test_integers_are_refused(xp):
  with pytest.raises(TypeError, match="uint8"):
    color.srgb_to_linear(xp.zeros((2, 2, 3), xp.uint8))
  with pytest.raises(TypeError, match="uint8"):
    color.luma(xp.zeros((2, 2, 3), xp.uint8))


def test_luma_names_the_wrong_shape():
  with pytest.raises(ValueError, match=r"\(2, 4\)"):
    color.luma(np.zeros((2, 4)))
