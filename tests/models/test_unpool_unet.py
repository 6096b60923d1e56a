import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.models.unpool_unet import UnpoolUNet

TINY = {"widths": (4, 8), "bottleneck": 8}


def test_parameter_count_does_not_depend_on_the_size():
  for side in (100, 7):
    shapes = jax.eval_shape(UnpoolUNet().init, jax.random.key(0), jnp.zeros((1, 1, side, side, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 1_920_195


def made(**fields):
  """A narrow network whose biases are far from their first values."""
  module = UnpoolUNet(**{**TINY, **fields})
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  normal = np.random.default_rng(1).normal
  return module, jax.tree.map(lambda leaf: normal(0, 0.2, leaf.shape).astype(np.float32), shapes)


def scatter_unpool(x: tf.Tensor, indices: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
  """Max-unpooling as published, by writing every value to the index of its maximum."""
  size = int(np.prod(shape))
  flat = tf.scatter_nd(tf.reshape(indices, (-1, 1)), tf.reshape(x, [-1]), [size])
  return tf.reshape(flat, shape)


def tensorflow_unet(params: dict, x: np.ndarray) -> np.ndarray:
  """System D's layer list over again, in TensorFlow, for sides that divide by four."""

  def conv(x, weights):
    return tf.nn.conv2d(x, weights["kernel"], 1, "SAME") + weights["bias"]

  def stack(x, name):
    for layer in sorted(params[name]):
      x = tf.nn.leaky_relu(conv(x, params[name][layer]), 0.2)
    return x

  pool = {"ksize": 2, "strides": 2, "padding": "SAME", "include_batch_in_index": True}
  first = stack(x, "encoder_0")
  y, first_places = tf.nn.max_pool_with_argmax(first, **pool)
  second = stack(y, "encoder_1")
  y, second_places = tf.nn.max_pool_with_argmax(second, **pool)
  y = scatter_unpool(stack(y, "coarsest"), second_places, second.shape)
  y = stack(tf.concat([y, second], -1), "decoder_1")
  y = scatter_unpool(y, first_places, first.shape)
  y = stack(tf.concat([y, first], -1), "decoder_0")
  return tf.sigmoid(conv(y, params["head"])).numpy()


def test_equals_the_layer_list_in_tensorflow_with_a_scatter():
  module, variables = made()
  clip = np.random.default_rng(2).random((2, 2, 12, 20, 3), dtype=np.float32)
  expected = tensorflow_unet(variables["params"], clip.reshape(4, 12, 20, 3))
  found = jax.jit(module.apply)(variables, clip)["clip"]
  assert np.std(expected) > 0.02
  np.testing.assert_allclose(found, expected.reshape(clip.shape), atol=1e-5)


def test_ties_are_broken_as_in_tensorflow():
  """A flat picture is nothing but ties: the maximum is the first of every window."""
  module, variables = made()
  clip = np.full((1, 1, 12, 12, 3), 0.5, np.float32)
  expected = tensorflow_unet(variables["params"], clip[0])
  found = jax.jit(module.apply)(variables, clip)["clip"]
  np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_sides_that_do_not_divide_are_reflected_and_cropped():
  module, variables = made()
  clip = np.random.default_rng(2).random((1, 1, 9, 14, 3), dtype=np.float32)
  padded = np.pad(clip, ((0, 0), (0, 0), (0, 3), (0, 2), (0, 0)), mode="reflect")
  apply = jax.jit(module.apply)
  expected = apply(variables, padded)["clip"][:, :, :9, :14]
  np.testing.assert_allclose(apply(variables, clip)["clip"], expected, atol=1e-6)


def test_no_scatter_in_use():
  module, variables = made()
  text = jax.jit(module.apply).lower(variables, jnp.zeros((1, 1, 8, 8, 3))).as_text()
  assert "convolution" in text
  assert "scatter" not in text


@pytest.mark.parametrize(("widths", "stride"), [((4, 8), 4), ((4, 4, 8), 8)])
def test_stride_follows_the_levels(widths, stride):
  assert UnpoolUNet(widths=widths).traits.stride == stride


def test_places_jump_where_rounding_decides():
  module, variables = made()
  clip = np.full((1, 1, 16, 16, 3), 0.5, np.float32)
  moved = clip.copy()
  moved[..., 9, 9, :] += np.float32(1e-6)
  before, after = (jax.jit(module.apply)(variables, each)["clip"] for each in (clip, moved))
  assert np.abs(after - before).max() > 1e-3
  assert module.traits.discontinuous
