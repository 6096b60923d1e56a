from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.models.unet3d import HistogramGain, UNet3D

COUNTS: dict[int, dict[str, Any]] = {
  1_317_260: {"depth": 2},
  5_430_412: {},
  21_881_484: {"depth": 4},
  1_358_924: {"base": 16},
  5_517_100: {"variant": "residual"},
  35_515_788: {"variant": "bottleneck_residual"},
}


@pytest.mark.parametrize("count", COUNTS)
def test_parameter_count(count):
  """Of the published layer lists; both forms of convolution have the same parameters."""
  trees = []
  for temporal in ("taps", "conv3d"):
    module = UNet3D(**COUNTS[count], temporal=temporal)
    shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 4)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count
    trees.append(jax.tree.map(lambda leaf: leaf.shape, shapes))
  assert trees[0] == trees[1]


@pytest.mark.parametrize(("depth", "frames"), [(2, 21), (3, 29), (4, 37)])
def test_frames_that_one_frame_depends_on(depth, frames):
  """Fourteen temporal 3-taps at depth 3; a level is four more."""
  assert UNet3D(depth=depth).traits.frames == frames
  assert UNet3D(depth=depth, variant="residual").traits.frames == frames


def made(**kwargs):
  """A network, and variables at which every layer matters."""
  module = UNet3D(**{"depth": 2, "base": 3, **kwargs})
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 4, 4, 4)))
  random = np.random.default_rng(0)

  def draw(leaf):
    scale = (2 / np.prod(leaf.shape[:-1])) ** 0.5 if leaf.ndim > 1 else 0.1
    return (scale * random.normal(size=leaf.shape)).astype(np.float32)

  return module, jax.tree.map(draw, shapes)


class TensorFlowUNet3D:
  """The layer list over again, in TensorFlow operations, for sides that divide."""

  def __init__(self, module: UNet3D, variables):
    self.module, self.params = module, variables["params"]

  def conv(self, x, *path):
    params = self.params
    for name in path:
      params = params[name]
    return tf.nn.conv3d(x, params["kernel"], (1, 1, 1, 1, 1), "SAME") + params["bias"]

  def stage(self, x, name):
    y = tf.nn.leaky_relu(self.conv(x, name, "conv_0"), 0.2)
    y = self.conv(y, name, "conv_1")
    if self.module.variant == "residual" and name != "encoder_0":
      y += self.conv(x, name, "shortcut") if "shortcut" in self.params[name] else x
    return tf.nn.leaky_relu(y, 0.2)

  def double(self, x, name):
    b, t, h, w, c = x.shape
    images = tf.reshape(x, (b * t, h, w, c))
    if self.module.upsample == "resize":
      images = tf.image.resize(images, (2 * h, 2 * w), "bilinear")
      images = tf.nn.conv2d(images, self.params[name]["Conv_0"]["kernel"], 1, "SAME")
    else:
      kernel = self.params[name]["kernel"].transpose(0, 1, 3, 2)
      shape = (b * t, 2 * h, 2 * w, kernel.shape[2])
      images = tf.nn.conv2d_transpose(images, kernel, shape, 2, "VALID")
    return tf.reshape(images, (b, t, 2 * h, 2 * w, -1))

  def __call__(self, x):
    skips = []
    for level in range(self.module.depth):
      skips.append(self.stage(x, f"encoder_{level}"))
      x = tf.nn.max_pool3d(skips[-1], (1, 2, 2), (1, 2, 2), "VALID")
    x = self.stage(x, "coarsest")
    if self.module.variant == "bottleneck_residual":
      y = x
      for block in range(2**self.module.depth):
        z = tf.nn.leaky_relu(self.conv(y, f"block_{block}", "conv_0"), 0.2)
        y += self.conv(z, f"block_{block}", "conv_1")
      x += self.conv(y, "chain_end")
    for level in reversed(range(self.module.depth)):
      x = tf.concat([self.double(x, f"double_{level}"), skips[level]], -1)
      x = self.stage(x, f"decoder_{level}")
    x = self.conv(x, "head")
    return tf.stack([tf.nn.depth_to_space(clip, 2) for clip in x])


FORMS = [
  {},
  {"upsample": "resize"},
  {"variant": "residual"},
  {"variant": "residual", "depth": 3, "temporal": "conv3d"},
  {"variant": "bottleneck_residual"},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_equals_the_layer_list_in_tensorflow(form):
  module, variables = made(**form)
  clip = np.random.default_rng(1).random((2, 3, 16, 8, 4), dtype=np.float32)
  expected = TensorFlowUNet3D(module, variables)(clip)
  found = jax.jit(module.apply)(variables, clip)["clip"]
  assert found.shape == (2, 3, 32, 16, 3)
  assert np.abs(expected).max() > 0.1
  np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_taps_and_3d_convolutions_agree_with_their_gradients():
  module, variables = made(variant="residual")
  clip = np.random.default_rng(1).random((1, 3, 8, 8, 4), dtype=np.float32)

  def loss(params, module):
    return (module.apply({"params": params}, clip)["clip"] ** 2).mean()

  step = jax.jit(jax.value_and_grad(loss), static_argnums=1)
  (one, slopes), (other, others) = (
    step(variables["params"], module.clone(temporal=temporal)) for temporal in ("taps", "conv3d")
  )
  np.testing.assert_allclose(one, other, rtol=1e-5)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), slopes, others)


def test_sides_that_do_not_divide_are_reflected_and_cut():
  module, variables = made()
  clip = np.random.default_rng(1).random((1, 2, 6, 9, 4), dtype=np.float32)
  padded = np.pad(clip, ((0, 0), (0, 0), (0, 2), (0, 3), (0, 0)), mode="reflect")
  apply = jax.jit(module.apply)
  whole = apply(variables, padded)["clip"]
  np.testing.assert_allclose(apply(variables, clip)["clip"], whole[:, :, :12, :18], atol=1e-6)


@pytest.mark.parametrize(
  ("field", "message"),
  [
    ({"variant": "dense"}, "variant is 'dense'; known: plain, residual, bottleneck_residual"),
    ({"upsample": "nearest"}, "upsample is 'nearest'; known: transposed, resize"),
    ({"temporal": "2d"}, "temporal is '2d'; known: taps, conv3d"),
    ({"depth": 0}, "depth is 0; expected 1 or more"),
  ],
)
def test_unknown_fields_list_the_known(field, message):
  module = models.build("unet3d", **field)
  with pytest.raises(UserError, match=message):
    jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 4)))


def test_the_histogram_says_how_much_a_clip_is_brightened() -> None:
  """One gain for all of a clip, by hand, and one of its own for each."""
  layer = HistogramGain(bins=4)
  clip = jnp.asarray([0.0, 0.0, 1 / 3, 1.0, 2.0, 1.0], jnp.float32)
  clips = jnp.stack([clip, jnp.zeros(6)]).reshape(2, 1, 1, 6, 1)
  variables = layer.init(jax.random.key(0), clips)
  kernel = variables["params"]["dense"]["kernel"][:, 0]
  assert kernel.shape == (4,)
  shares = jnp.asarray([[2 / 3, 1 / 3, 0, 1], [1, 0, 0, 0]])
  gains = jnp.exp(jnp.tanh(shares @ kernel))
  np.testing.assert_allclose(
    layer.apply(variables, clips), clips * gains.reshape(2, 1, 1, 1, 1), rtol=1e-6
  )
  module = UNet3D(depth=1, base=2, histogram=True)
  assert module.traits.whole_frame_only
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 4, 4, 4)))
  assert shapes["params"]["gain"]["dense"]["kernel"].shape == (65536, 1)
