import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.models import resnet_encoder
from llve_jax.models.resnet_encoder import (
  Decoder,
  FrameFeatures,
  MultiScaleFusion,
  ResNetEncoder,
  receptive_field,
)

TINY = {"width": 4, "blocks": (2, 1)}
IMAGES = np.random.default_rng(1).random((2, 16, 24, 3), dtype=np.float32)
LEVELS = [jnp.zeros((1, 16 // 2**level, 16 // 2**level, 64 * 2**level)) for level in range(4)]


@pytest.mark.parametrize(
  ("module", "argument", "count"),
  [
    (ResNetEncoder(), jnp.zeros((1, 32, 32, 3)), 11_176_512),  # torchvision's without `fc`
    (Decoder(), LEVELS, 2_504_864),
    (MultiScaleFusion(), LEVELS, 880_128),
    (MultiScaleFusion(), LEVELS[:2], 184_064),
    (FrameFeatures(), jnp.zeros((1, 32, 32, 3)), 11_176_512 + 2_504_864 + 880_128),
  ],
)
def test_parameter_count(module, argument, count):
  """Decoder and fusion: reference figures of ST-CLSTM on ResNet-18, from its layer list."""
  shapes = jax.eval_shape(module.init, jax.random.key(0), argument)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


def test_sizes_of_maps():
  def run(images):
    levels, _ = ResNetEncoder().init_with_output(jax.random.key(0), images)
    maps, _ = FrameFeatures().init_with_output(jax.random.key(0), images)
    return levels, maps

  levels, maps = jax.eval_shape(run, jax.ShapeDtypeStruct((1, 64, 96, 3), jnp.float32))
  assert [level.shape for level in levels] == [
    (1, 16, 24, 64),
    (1, 8, 12, 128),
    (1, 4, 6, 256),
    (1, 2, 3, 512),
  ]
  assert maps.shape == (1, 32, 48, 16 + 64)


class TensorFlowFeatures:
  """The layer list of ST-CLSTM's features over again, in TensorFlow operations."""

  def __init__(self, variables):
    self.params, self.stats = variables["params"], variables["batch_stats"]

  def conv(self, x, path, stride=1):
    params, stats = self.params, self.stats
    for name in path.split("/"):
      params, stats = params[name], stats[name]
    kernel = params["Conv_0"]["kernel"]
    pad = [kernel.shape[0] // 2] * 2
    x = tf.nn.conv2d(x, kernel, stride, [[0, 0], pad, pad, [0, 0]])
    norm, moved = params["BatchNorm_0"], stats["BatchNorm_0"]
    return tf.nn.batch_normalization(
      x, moved["mean"], moved["var"], norm["bias"], norm["scale"], 1e-5
    )

  def block(self, x, path, stride=1):
    y = tf.nn.relu(self.conv(x, f"{path}/first", stride))
    y = self.conv(y, f"{path}/second")
    if stride == 2:
      x = self.conv(x, f"{path}/shortcut", 2)
    return tf.nn.relu(x + y)

  def up(self, x, path, factor):
    size = factor * x.shape[1], factor * x.shape[2]
    x = tf.compat.v1.image.resize_bilinear(x, size, align_corners=True)
    y = self.conv(tf.nn.relu(self.conv(x, f"{path}/first")), f"{path}/second")
    return tf.nn.relu(y + self.conv(x, f"{path}/shortcut"))

  def __call__(self, x):
    x = (x - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    x = tf.nn.relu(self.conv(x, "encoder/stem", 2))
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf)
    x = tf.nn.max_pool2d(x, 3, 2, "VALID")
    first = self.block(self.block(x, "encoder/level_0_0"), "encoder/level_0_1")
    second = self.block(first, "encoder/level_1_0", 2)
    x = tf.nn.relu(self.conv(second, "decoder/start"))
    decoded = self.up(self.up(x, "decoder/up_1", 2), "decoder/up_0", 2)
    parts = [self.up(first, "fusion/up_0", 2), self.up(second, "fusion/up_1", 4)]
    fused = tf.nn.relu(self.conv(tf.concat(parts, -1), "fusion/mix"))
    return tf.concat([decoded, fused], -1)


def test_features_equal_the_layer_list_in_tensorflow(drawn):
  module = FrameFeatures(**TINY, fused=2)
  variables = drawn(module, IMAGES)
  expected = TensorFlowFeatures(variables)(IMAGES).numpy()
  found = jax.jit(module.apply)(variables, IMAGES)
  assert found.shape == (2, 8, 12, 1 + 2)
  np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_without_normalisation_the_encoder_sees_the_pixels(drawn):
  module = ResNetEncoder(**TINY)
  variables = drawn(module, IMAGES)
  scaled = (IMAGES - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
  for found, expected in zip(
    jax.jit(module.clone(normalise=False).apply)(variables, scaled),
    jax.jit(module.apply)(variables, IMAGES),
    strict=True,
  ):
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_frozen_encoder_neither_learns_nor_moves(drawn):
  module = FrameFeatures(**TINY, freeze_encoder=True)
  variables = drawn(module, IMAGES)

  def loss(params):
    out, moved = module.apply(
      {**variables, "params": params}, IMAGES, train=True, mutable=["batch_stats"]
    )
    return (out**2).mean(), moved["batch_stats"]

  gradients, moved = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
  for part in ("encoder", "decoder", "fusion"):
    still = part == "encoder"
    assert (max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradients[part])) == 0) == still
    before = variables["batch_stats"][part]
    same = jax.tree.map(np.array_equal, moved[part], before)
    assert all(jax.tree.leaves(same)) == still


@pytest.mark.parametrize(
  ("path", "stride", "side"),
  [
    ([("conv", 5)], 1, 5),
    ([("conv", 3), ("conv", 3)], 1, 5),
    # Cell k of a strided 3x3 sees pixels 2k - 1 .. 2k + 1; pixel 2k + 1 of its block is 2 away.
    ([("shrink", 3), ("spread", 2)], 2, 5),
    # Pixel 2k mixes cells k - 1 and k, so 2k - 3 .. 2k + 1; pixel 2k + 1 up to 2k + 3.
    ([("shrink", 3), ("enlarge", 2)], 2, 7),
  ],
)
def test_receptive_field_by_hand(path, stride, side):
  assert receptive_field([[("conv", 1)], path], stride, align_corners=False) == side


def test_aligned_corners_reach_one_cell_to_either_side():
  """Both pixels of cell k lie within (k - 1, k + 1), so they see 2k - 3 .. 2k + 3."""
  path: resnet_encoder.Path = [("shrink", 3), ("enlarge", 2)]
  assert receptive_field([path], 2, align_corners=True) == 9
