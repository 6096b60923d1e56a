"""The SID network against its layer list written over again in TensorFlow operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.sid_unet import SidUNet

WIDTHS = (4, 6, 8)


@pytest.mark.parametrize(
  ("kind", "channels", "count"), [("bayer", 4, 7_760_268), ("xtrans", 9, 7_762_203)]
)
def test_parameter_count_and_size(kind, channels, count):
  """Reference figures of the Sony and the Fuji network."""
  module, clip = SidUNet(input_kind=kind), jnp.zeros((1, 2, 30, 17, channels))
  shapes = jax.eval_shape(module.init, jax.random.key(0), clip)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count
  scale = {"bayer": 2, "xtrans": 3}[kind]
  found = jax.eval_shape(module.apply, shapes, clip)["clip"]
  assert found.shape == (1, 2, 30 * scale, 17 * scale, 3)


def reference(params, x, scale):
  """For three levels; TensorFlow pads and cuts."""

  def pair(x, name):
    for conv in ("conv_0", "conv_1"):
      layer = params[name][conv]
      x = tf.nn.leaky_relu(tf.nn.conv2d(x, layer["kernel"], 1, "SAME") + layer["bias"], 0.2)
    return x

  def up(x, skip, name):
    kernel = params[name]["kernel"].transpose(0, 1, 3, 2)
    shape = (*skip.shape[:3], kernel.shape[2])
    return tf.concat([tf.nn.conv2d_transpose(x, kernel, shape, 2), skip], axis=3)

  first = pair(x, "encoder_0")
  second = pair(tf.nn.max_pool2d(first, 2, 2, "SAME"), "encoder_1")
  x = pair(tf.nn.max_pool2d(second, 2, 2, "SAME"), "encoder_2")
  x = pair(up(x, second, "double_1"), "decoder_1")
  x = pair(up(x, first, "double_0"), "decoder_0")
  x = tf.nn.conv2d(x, params["head"]["kernel"], 1, "SAME") + params["head"]["bias"]
  return tf.nn.depth_to_space(x, scale).numpy()


@pytest.mark.parametrize(("kind", "channels", "scale"), [("bayer", 4, 2), ("xtrans", 9, 3)])
@pytest.mark.parametrize("size", [(8, 12), (9, 14), (5, 3)])
def test_equals_the_layer_list_in_tensorflow(drawn, kind, channels, scale, size):
  module = SidUNet(input_kind=kind, widths=WIDTHS)
  clip = np.random.default_rng(1).random((2, 2, *size, channels), dtype=np.float32)
  variables = drawn(module, clip)
  expected = reference(variables["params"], clip.reshape(4, *size, channels), scale)
  found = jax.jit(module.apply)(variables, clip)["clip"]
  np.testing.assert_allclose(
    found, expected.reshape(found.shape), atol=1e-5 * np.abs(expected).max()
  )


def test_initial_weights_are_those_of_the_paper():
  init = jax.jit(SidUNet(widths=(32, 64)).init)
  variables = init(jax.random.key(0), jnp.zeros((1, 1, 4, 4, 4)))
  params = variables["params"]
  kernel = params["encoder_1"]["conv_1"]["kernel"]
  limit = np.sqrt(6 / (9 * 64 + 9 * 64))  # Xavier: uniform up to sqrt(6 / (fan in + fan out))
  assert 0.99 * limit < np.abs(kernel).max() <= limit
  assert not np.asarray(params["encoder_1"]["conv_1"]["bias"]).any()
  doubled = params["double_0"]["kernel"]
  assert doubled.std() == pytest.approx(0.02, rel=0.15)
  assert np.abs(doubled).max() < 0.05  # truncated


def test_an_unknown_input_is_refused():
  with pytest.raises(UserError, match="input_kind is 'srgb'; sid_unet takes"):
    SidUNet(input_kind="srgb").traits  # noqa: B018
