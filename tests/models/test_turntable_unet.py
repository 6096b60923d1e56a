import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.models.turntable_unet import ResNeXtBlock, TurntableUNet

FORMS = {
  "plain": (False, False, 6_979_747),
  "resnext": (True, False, 3_526_179),
  "bilinear": (False, True, 7_850_627),
  "both": (True, True, 4_397_059),
}
TINY = {"widths": (4, 8), "bottleneck": 8, "cardinality": 2}


@pytest.mark.parametrize("form", FORMS)
def test_parameter_count(form):
  """Reference figures of System A's four forms, computed from its layer list."""
  resnext, bilinear, count = FORMS[form]
  module = TurntableUNet(resnext=resnext, bilinear=bilinear)
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


@pytest.mark.parametrize(("channels", "inner"), [(32, 32), (64, 32), (256, 128), (512, 256)])
def test_groups_of_the_resnext_block(channels, inner):
  shapes = jax.eval_shape(
    lambda: ResNeXtBlock().init(jax.random.key(0), jnp.zeros((1, 2, 2, channels)), train=False)
  )
  grouped = shapes["params"]["ConvNorm_1"]["Conv_0"]["kernel"].shape
  assert grouped == (3, 3, inner // 32, inner)


def made(seed: int = 0, **kwargs):
  """A network, and variables whose statistics, scales and shifts are far from their defaults."""
  module = TurntableUNet(**TINY, **kwargs)
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  random = np.random.default_rng(seed)

  def draw(path, leaf):
    name = path[-1].key
    if name in ("scale", "var"):
      return random.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
    spread = 0.3 if name == "kernel" else 0.1
    return (spread * random.normal(size=leaf.shape)).astype(np.float32)

  return module, jax.tree_util.tree_map_with_path(draw, shapes)


class TensorFlowUNet:
  """The layer list of System A over again, in TensorFlow operations, for sides that divide."""

  def __init__(self, variables, resnext: bool, bilinear: bool):
    self.params, self.stats = variables["params"], variables["batch_stats"]
    self.resnext, self.bilinear = resnext, bilinear

  def conv_norm(self, x, *path):
    params, stats = self.params, self.stats
    for name in path:
      params, stats = params[name], stats[name]
    x = tf.nn.conv2d(x, params["Conv_0"]["kernel"], 1, "SAME")
    norm, moved = params["BatchNorm_0"], stats["BatchNorm_0"]
    return tf.nn.batch_normalization(
      x, moved["mean"], moved["var"], norm["bias"], norm["scale"], 1e-5
    )

  def stage(self, x, name):
    x = tf.nn.leaky_relu(self.conv_norm(x, name, "ConvNorm_0"), 0.2)
    if not self.resnext:
      return tf.nn.leaky_relu(self.conv_norm(x, name, "ConvNorm_1"), 0.2)
    y = tf.nn.leaky_relu(self.conv_norm(x, name, "ResNeXtBlock_0", "ConvNorm_0"), 0.2)
    y = tf.nn.leaky_relu(self.conv_norm(y, name, "ResNeXtBlock_0", "ConvNorm_1"), 0.2)
    return tf.nn.leaky_relu(x + self.conv_norm(y, name, "ResNeXtBlock_0", "ConvNorm_2"), 0.2)

  def double(self, x, name):
    n, h, w, _ = x.shape
    if self.bilinear:
      x = tf.image.resize(x, (2 * h, 2 * w), "bilinear")
      return tf.nn.leaky_relu(self.conv_norm(x, name, "ConvNorm_0"), 0.2)
    kernel, bias = self.params[name]["kernel"], self.params[name]["bias"]
    shape = (n, 2 * h, 2 * w, kernel.shape[-1])
    return tf.nn.conv2d_transpose(x, kernel.transpose(0, 1, 3, 2), shape, 2, "VALID") + bias

  def __call__(self, x):
    first = self.stage(x, "encoder_0")
    second = self.stage(tf.nn.max_pool2d(first, 2, 2, "VALID"), "encoder_1")
    x = self.stage(tf.nn.max_pool2d(second, 2, 2, "VALID"), "coarsest")
    x = self.stage(self.double(x, "double_1") + second, "decoder_1")
    x = self.stage(self.double(x, "double_0") + first, "decoder_0")
    return (
      tf.nn.conv2d(x, self.params["Conv_0"]["kernel"], 1, "SAME") + self.params["Conv_0"]["bias"]
    )


@pytest.mark.parametrize("form", FORMS)
def test_equals_the_layer_list_in_tensorflow(form):
  resnext, bilinear, _ = FORMS[form]
  module, variables = made(resnext=resnext, bilinear=bilinear)
  clip = np.random.default_rng(1).random((2, 2, 12, 20, 3), dtype=np.float32)
  expected = TensorFlowUNet(variables, resnext, bilinear)(clip.reshape(4, 12, 20, 3)).numpy()
  found = jax.jit(module.apply)(variables, clip)["clip"]
  np.testing.assert_allclose(
    found, expected.reshape(clip.shape), atol=1e-5 * np.abs(expected).max()
  )


def test_sides_that_do_not_divide_are_reflected_and_cropped():
  module, variables = made()
  clip = np.random.default_rng(1).random((1, 1, 9, 14, 3), dtype=np.float32)
  padded = np.pad(clip, ((0, 0), (0, 0), (0, 3), (0, 2), (0, 0)), mode="reflect")
  apply = jax.jit(module.apply)
  expected = apply(variables, padded)["clip"][:, :, :9, :14]
  np.testing.assert_allclose(apply(variables, clip)["clip"], expected, atol=1e-6)


def test_the_global_residual_adds_the_input():
  module, variables = made()
  clip = np.random.default_rng(1).random((1, 1, 8, 8, 3), dtype=np.float32)
  alone = jax.jit(module.apply)(variables, clip)["clip"]
  added = jax.jit(module.clone(global_residual=True).apply)(variables, clip)["clip"]
  np.testing.assert_allclose(added, clip + alone, atol=1e-6)


def test_each_frame_is_enhanced_by_itself():
  module, variables = made()
  clip = np.random.default_rng(1).random((2, 3, 8, 8, 3), dtype=np.float32)
  whole = jax.jit(module.apply)(variables, clip)["clip"]
  frame = jax.jit(module.apply)(variables, clip[1:, 2:])["clip"]
  np.testing.assert_allclose(whole[1:, 2:], frame, atol=1e-6)


def test_stride_follows_the_levels():
  assert TurntableUNet().traits.stride == 16
  assert TurntableUNet(widths=(4,)).traits.stride == 2
