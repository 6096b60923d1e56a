"""The SMID network against its layer list written over again in TensorFlow operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.smid_resunet import SmidResUNet

TINY = {"widths": (4, 6, 8), "blocks": 2}


def test_parameter_count():
  """Reference figure of the network with three output channels."""
  module = SmidResUNet()
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 85_653_155


def reference(params, x, blocks, scale):
  """For three levels; TensorFlow pads and cuts, so the statistics are of true pixels."""

  def normalised(x, layer):
    x = tf.nn.conv2d(x, layer["conv"]["kernel"], 1, "SAME")
    mean, variance = tf.nn.moments(x, (1, 2, 3), keepdims=True)
    norm = layer["norm"]
    return tf.nn.batch_normalization(x, mean, variance, norm["bias"], norm["scale"], 1e-12)

  def active(x, layer):
    return tf.nn.leaky_relu(normalised(x, layer), 0.2)

  def pair(x, name):
    return active(active(x, params[name]["conv_0"]), params[name]["conv_1"])

  def up(x, skip, name):
    kernel = params[name]["kernel"].transpose(0, 1, 3, 2)
    shape = (*skip.shape[:3], kernel.shape[2])
    return tf.concat([tf.nn.conv2d_transpose(x, kernel, shape, 2), skip], axis=3)

  start = params["encoder_0"]["conv_0"]
  first = tf.nn.leaky_relu(tf.nn.conv2d(x, start["kernel"], 1, "SAME") + start["bias"], 0.2)
  first = active(first, params["encoder_0"]["conv_1"])
  second = pair(tf.nn.max_pool2d(first, 2, 2, "SAME"), "encoder_1")
  entry = x = pair(tf.nn.max_pool2d(second, 2, 2, "SAME"), "encoder_2")
  for block in range(blocks):
    layers = params[f"residual_{block}"]
    x = x + normalised(active(x, layers["conv_0"]), layers["conv_1"])
  x = normalised(x, params["residual_end"]) + entry
  x = pair(up(x, second, "double_1"), "decoder_1")
  x = pair(up(x, first, "double_0"), "decoder_0")
  x = tf.nn.conv2d(x, params["head"]["kernel"], 1, "SAME") + params["head"]["bias"]
  return (tf.nn.depth_to_space(x, scale) if scale > 1 else x).numpy()


@pytest.mark.parametrize(
  ("kind", "channels", "scale"), [("raw_rgb", 3, 1), ("srgb", 3, 1), ("bayer", 4, 2)]
)
@pytest.mark.parametrize("size", [(8, 12), (9, 15)])
def test_equals_the_layer_list_in_tensorflow(drawn, kind, channels, scale, size):
  module = SmidResUNet(input_kind=kind, **TINY)
  clip = np.random.default_rng(1).random((2, 2, *size, channels), dtype=np.float32)
  variables = drawn(module, clip)
  expected = reference(variables["params"], clip.reshape(4, *size, channels), 2, scale)
  found = jax.jit(module.apply)(variables, clip)["clip"]
  np.testing.assert_allclose(
    found, expected.reshape(found.shape), atol=2e-5 * np.abs(expected).max()
  )


def test_the_whole_frame_counts_and_the_network_says_so(drawn):
  module = SmidResUNet(**TINY)
  assert module.traits.whole_frame_only
  clip = np.random.default_rng(1).random((1, 1, 8, 96, 3), dtype=np.float32)
  variables = drawn(module, clip)
  other = clip.copy()
  other[..., 80:, :] *= 0.1
  apply = jax.jit(module.apply)
  change = np.abs(apply(variables, other)["clip"] - apply(variables, clip)["clip"])
  # The convolutions alone reach 59 pixels to either side.
  assert module.traits.receptive_field // 2 < 70
  assert change[..., :8, :].max() > 1e-3


def test_a_black_frame_is_finite(drawn):
  module, clip = SmidResUNet(**TINY), np.zeros((1, 1, 8, 8, 3), np.float32)
  assert np.isfinite(jax.jit(module.apply)(drawn(module, clip), clip)["clip"]).all()


def test_an_unknown_input_is_refused():
  with pytest.raises(UserError, match="input_kind is 'xtrans'; smid_resunet takes"):
    SmidResUNet(input_kind="xtrans").traits  # noqa: B018
