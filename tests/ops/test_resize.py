import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export

from llve_jax.ops import resize

SIDES = st.integers(1, 9)


def images(*shape: int, seed: int = 0) -> np.ndarray:
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(max_examples=12, deadline=None)
@given(SIDES, SIDES, st.integers(1, 16))
def test_padding_is_numpys_reflection(height, width, multiple):
  x = images(2, height, width, 3)
  bottom, right = -height % multiple, -width % multiple
  expected = np.pad(x, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="reflect")
  found = resize.pad_to_multiple(x, multiple)
  assert found.shape[1] % multiple == found.shape[2] % multiple == 0
  np.testing.assert_array_equal(found, expected)


def test_padding_nothing_returns_the_images():
  x = images(1, 8, 16, 1)
  np.testing.assert_array_equal(resize.pad_to_multiple(x, 8), x)


@settings(max_examples=6, deadline=None)
@given(SIDES, SIDES)
def test_doubling_is_tensorflows_half_pixel_resize(height, width):
  x = images(2, height, width, 3)
  expected = tf.image.resize(x, (2 * height, 2 * width), method="bilinear", antialias=False)
  np.testing.assert_allclose(resize.bilinear_double(x), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_doubling_is_jaxs_resize(size):
  x = images(2, *size, 3)
  expected = jax.image.resize(x, (2, 2 * size[0], 2 * size[1], 3), "bilinear")
  np.testing.assert_allclose(resize.bilinear_double(x), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_transposed_convolution_is_tensorflows(size):
  x, kernel = images(2, *size, 3), images(2, 2, 3, 4, seed=1)
  expected = tf.nn.conv2d_transpose(
    x, kernel.transpose(0, 1, 3, 2), (2, 2 * size[0], 2 * size[1], 4), strides=2, padding="VALID"
  )
  found = resize.transposed_conv_double(jnp.asarray(x), jnp.asarray(kernel))
  np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("size", [(2, 2), (6, 8), (5, 7)])
def test_pooling_and_its_gradient_are_tensorflows(size):
  x = images(2, *size, 3)
  weight = images(2, size[0] // 2, size[1] // 2, 3, seed=1)
  with tf.GradientTape() as tape:
    tape.watch(watched := tf.constant(x))
    expected = tf.nn.max_pool2d(watched, 2, 2, "VALID")
    loss = tf.reduce_sum(expected * weight)
  np.testing.assert_array_equal(resize.max_pool_half(jnp.asarray(x)), expected.numpy())
  gradient = jax.grad(lambda x: (resize.max_pool_half(x) * weight).sum())(jnp.asarray(x))
  np.testing.assert_array_equal(gradient, tape.gradient(loss, watched).numpy())


def test_cropping_keeps_the_upper_left():
  x = images(2, 5, 7, 3)
  np.testing.assert_array_equal(resize.crop_to(jnp.asarray(x), 3, 6), x[:, :3, :6])


def test_gradients_are_finite_on_flat_images():
  def f(x):
    padded = resize.pad_to_multiple(x, 4)
    return (resize.bilinear_double(resize.max_pool_half(padded)) ** 2).sum()

  assert np.isfinite(jax.grad(f)(jnp.zeros((1, 5, 3, 1)))).all()


def test_everything_keeps_bfloat16():
  x = jnp.asarray(images(1, 5, 3, 2)).astype(jnp.bfloat16)
  padded = resize.pad_to_multiple(x, 4)
  kernel = jnp.ones((2, 2, 2, 3), jnp.bfloat16)
  for found in (
    padded,
    resize.max_pool_half(padded),
    resize.bilinear_double(padded),
    resize.transposed_conv_double(padded, kernel),
  ):
    assert found.dtype == jnp.bfloat16


def test_symbolic_sizes_pad_pool_and_double_back():
  def f(x):
    padded = resize.pad_to_multiple(x, 8)
    halved = resize.max_pool_half(resize.max_pool_half(resize.max_pool_half(padded)))
    doubled = resize.bilinear_double(resize.bilinear_double(resize.bilinear_double(halved)))
    return resize.crop_to(doubled + padded, *x.shape[1:3])

  shape = export.symbolic_shape("n, h, w, 2")
  exported = export.export(jax.jit(f))(jax.ShapeDtypeStruct(shape, jnp.float32))
  assert "gather" not in exported.mlir_module(), "slow, and unknown to TensorFlow Lite"
  assert str(exported.out_avals[0].shape) == "(n, h, w, 2)"
  for size in ((1, 1), (9, 17), (16, 8)):
    x = images(1, *size, 2)
    np.testing.assert_allclose(exported.call(x), f(x), atol=1e-6)
