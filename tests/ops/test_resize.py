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
# One program for each shape, where each operation would be one of its own.
pad_to_multiple = jax.jit(resize.pad_to_multiple, static_argnames=("multiple", "centred"))
reflect_pad = jax.jit(resize.reflect_pad, static_argnums=1)
bilinear_double = jax.jit(resize.bilinear_double, static_argnames="align_corners")
bilinear_enlarge = jax.jit(resize.bilinear_enlarge, static_argnames=("factor", "align_corners"))
max_pool_half = jax.jit(resize.max_pool_half)
max_pool3_half = jax.jit(resize.max_pool3_half)
transposed_conv3_double = jax.jit(resize.transposed_conv3_double)


def images(*shape: int, seed: int = 0) -> np.ndarray:
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(max_examples=12, deadline=None)
@given(SIDES, SIDES, st.integers(1, 16))
def test_padding_is_numpys_reflection(height, width, multiple):
  x = images(2, height, width, 3)
  bottom, right = -height % multiple, -width % multiple
  expected = np.pad(x, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="reflect")
  found = pad_to_multiple(x, multiple)
  assert found.shape[1] % multiple == found.shape[2] % multiple == 0
  np.testing.assert_array_equal(found, expected)


def test_padding_nothing_returns_the_images():
  x = images(1, 8, 16, 1)
  assert resize.pad_to_multiple(x, 8) is resize.pad_to_multiple(x, 8, centred=True) is x


@settings(max_examples=6, deadline=None)
@given(SIDES, SIDES)
def test_doubling_is_tensorflows_half_pixel_resize(height, width):
  x = images(2, height, width, 3)
  expected = tf.image.resize(x, (2 * height, 2 * width), method="bilinear", antialias=False)
  np.testing.assert_allclose(bilinear_double(x), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_doubling_is_jaxs_resize(size):
  x = images(2, *size, 3)
  expected = jax.image.resize(x, (2, 2 * size[0], 2 * size[1], 3), "bilinear")
  np.testing.assert_allclose(bilinear_double(x), expected, atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(SIDES, SIDES, st.integers(0, 5))
def test_padding_every_side_is_numpys_reflection(height, width, pad):
  """PyTorch's ReflectionPad2d where that is defined: sides larger than the padding."""
  x = images(2, height, width, 3)
  expected = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
  np.testing.assert_array_equal(reflect_pad(x, pad), expected)


@settings(max_examples=8, deadline=None)
@given(SIDES, SIDES, st.integers(1, 16))
def test_centred_padding_is_numpys_reflection_of_half_on_each_side(height, width, multiple):
  x = images(2, height, width, 3)
  rows, columns = ((-side % multiple // 2, -(-(-side % multiple) // 2)) for side in (height, width))
  expected = np.pad(x, ((0, 0), rows, columns, (0, 0)), mode="reflect")
  found = pad_to_multiple(x, multiple, centred=True)
  assert found.shape[1] % multiple == found.shape[2] % multiple == 0
  np.testing.assert_array_equal(found, expected)
  np.testing.assert_array_equal(
    np.asarray(resize.crop_to(np.asarray(found), height, width, centred=True)), x
  )


@pytest.mark.parametrize("size", [(2, 2), (5, 8)])
def test_average_pooling_is_tensorflows(size):
  x = images(2, *size, 3)
  expected = tf.nn.avg_pool2d(x, 2, 2, "VALID").numpy()
  np.testing.assert_allclose(resize.average_pool_half(jnp.asarray(x)), expected, atol=1e-6)


@settings(max_examples=6, deadline=None)
@given(SIDES, SIDES)
def test_aligned_doubling_is_tensorflows(height, width):
  x = images(2, height, width, 3)
  expected = tf.compat.v1.image.resize_bilinear(x, (2 * height, 2 * width), align_corners=True)
  found = bilinear_double(x, align_corners=True)
  np.testing.assert_allclose(found, expected.numpy(), atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 8)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_doubling_is_pytorchs_definition(size, align_corners):
  """A loop from PyTorch's documentation of torch.nn.Upsample, mode "bilinear"."""
  x = images(1, *size, 2).astype(np.float64)

  def source(place: int, length: int) -> float:
    if align_corners:
      return place * (length - 1) / (2 * length - 1)
    return max((place + 0.5) / 2 - 0.5, 0.0)

  expected = np.zeros((1, 2 * size[0], 2 * size[1], 2))
  for row, column in np.ndindex(expected.shape[1:3]):
    y, x_ = source(row, size[0]), source(column, size[1])
    for near_y, near_x in np.ndindex(2, 2):
      weight = (1 - abs(y - int(y) - near_y)) * (1 - abs(x_ - int(x_) - near_x))
      pixel = x[0, min(int(y) + near_y, size[0] - 1), min(int(x_) + near_x, size[1] - 1)]
      expected[0, row, column] += weight * pixel
  found = bilinear_double(x.astype(np.float32), align_corners=align_corners)
  np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 4)])
def test_three_tap_transposed_convolution_is_the_definition(size):
  """A loop from PyTorch's documentation of ConvTranspose2d: 3, stride 2, padding 1 and 1 more."""
  x, kernel = images(2, *size, 3), images(3, 3, 3, 4, seed=1)
  expected = np.zeros((2, 2 * size[0] + 2, 2 * size[1] + 2, 4))
  for i, j, p, q in np.ndindex(*size, 3, 3):
    expected[:, 2 * i + p, 2 * j + q] += x[:, i, j] @ kernel[p, q]
  expected = expected[:, 1:-1, 1:-1]  # padding 1 cuts a line off, and the other end grows by one
  found = transposed_conv3_double(jnp.asarray(x), jnp.asarray(kernel))
  np.testing.assert_allclose(found, expected, atol=1e-5)


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
  np.testing.assert_array_equal(max_pool_half(jnp.asarray(x)), expected.numpy())
  gradient = jax.jit(jax.grad(lambda x: (resize.max_pool_half(x) * weight).sum()))(jnp.asarray(x))
  np.testing.assert_array_equal(gradient, tape.gradient(loss, watched).numpy())


def test_cropping_keeps_the_upper_left():
  x = images(2, 5, 7, 3)
  np.testing.assert_array_equal(resize.crop_to(jnp.asarray(x), 3, 6), x[:, :3, :6])


def test_gradients_are_finite_on_flat_images():
  def f(x):
    padded = resize.pad_to_multiple(x, 4)
    return (resize.bilinear_double(resize.max_pool_half(padded)) ** 2).sum()

  assert np.isfinite(jax.jit(jax.grad(f))(jnp.zeros((1, 5, 3, 1)))).all()


def test_everything_keeps_bfloat16():
  x = jnp.asarray(images(1, 5, 3, 2)).astype(jnp.bfloat16)
  kernel = jnp.ones((2, 2, 2, 3), jnp.bfloat16)

  def everything(x):
    padded = resize.pad_to_multiple(x, 4)
    return (
      padded,
      resize.max_pool_half(padded),
      resize.bilinear_double(padded),
      resize.transposed_conv_double(padded, kernel),
      resize.bilinear_double(padded, align_corners=True),
      resize.transposed_conv3_double(padded, jnp.ones((3, 3, 2, 3), jnp.bfloat16)),
      resize.reflect_pad(padded, 3),
      resize.average_pool_half(padded),
    )

  for found in jax.eval_shape(everything, x):
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
    np.testing.assert_allclose(exported.call(x), jax.jit(f)(x), atol=1e-6)


def test_symbolic_sizes_reflect_and_double_back():
  kernel = jnp.asarray(images(3, 3, 2, 2))

  def f(x):
    padded = resize.reflect_pad(resize.pad_to_multiple(x, 4, centred=True), 3)
    padded = resize.crop_to(padded, *x.shape[1:3], centred=True)
    padded = resize.average_pool_half(resize.pad_to_multiple(padded, 2))
    return resize.bilinear_double(padded, align_corners=True) + resize.transposed_conv3_double(
      padded, kernel
    )

  shape = export.symbolic_shape("n, h, w, 2")
  exported = export.export(jax.jit(f))(jax.ShapeDtypeStruct(shape, jnp.float32))
  assert "gather" not in exported.mlir_module(), "slow, and unknown to TensorFlow Lite"
  for size in ((1, 1), (9, 17)):
    x = images(1, *size, 2)
    np.testing.assert_allclose(exported.call(x), jax.jit(f)(x), atol=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 3, 16])
def test_enlarging_is_tensorflows(factor, align_corners):
  for size in ((1, 1), (1, 3), (5, 2)):
    x = images(2, *size, 3)
    expected = tf.compat.v1.image.resize_bilinear(
      x,
      (factor * size[0], factor * size[1]),
      align_corners=align_corners,
      half_pixel_centers=not align_corners,
    )
    found = bilinear_enlarge(jnp.asarray(x), factor, align_corners=align_corners)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    if factor == 2:
      doubled = bilinear_double(jnp.asarray(x), align_corners=align_corners)
      np.testing.assert_allclose(found, doubled, atol=2e-6)


@pytest.mark.parametrize("size", [(2, 2), (6, 8)])
def test_pooling_of_three_and_its_gradient_are_tensorflows(size):
  x = images(2, *size, 3)
  weight = images(2, size[0] // 2, size[1] // 2, 3, seed=1)
  beyond = [[0, 0], [1, 1], [1, 1], [0, 0]]
  with tf.GradientTape() as tape:
    tape.watch(watched := tf.constant(x))
    expected = tf.nn.max_pool2d(tf.pad(watched, beyond, constant_values=-np.inf), 3, 2, "VALID")
    loss = tf.reduce_sum(expected * weight)
  np.testing.assert_array_equal(max_pool3_half(jnp.asarray(x)), expected)
  gradient = jax.jit(jax.grad(lambda x: (resize.max_pool3_half(x) * weight).sum()))(jnp.asarray(x))
  np.testing.assert_allclose(gradient, tape.gradient(loss, watched), atol=1e-6)


@pytest.mark.parametrize("align_corners", [False, True])
def test_symbolic_sizes_pool_by_three_and_enlarge(align_corners):
  def f(x):
    small = resize.max_pool3_half(resize.max_pool3_half(x))
    return resize.bilinear_enlarge(small, 4, align_corners=align_corners)

  shape = export.symbolic_shape("n, 4*h, 4*w, 2")
  exported = export.export(jax.jit(f))(jax.ShapeDtypeStruct(shape, jnp.float32))
  assert "gather" not in exported.mlir_module(), "slow, and unknown to TensorFlow Lite"
  for size in ((4, 4), (12, 8)):
    x = images(1, *size, 2)
    np.testing.assert_allclose(exported.call(x), jax.jit(f)(x), atol=1e-6)
  coarse = jax.ShapeDtypeStruct((1, 4, 4, 1), jnp.bfloat16)
  assert jax.eval_shape(f, coarse).dtype == jnp.bfloat16
