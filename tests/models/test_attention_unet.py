import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.attention_unet import AttentionUNet, ConvLeakyNorm

TINY = {"widths": (4, 6), "bottleneck": 8}
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def test_parameter_count():
  shapes = jax.eval_shape(AttentionUNet().init, jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 8_636_675


def made(**fields):
  """A narrow network whose statistics, scales and shifts are far from their first values."""
  module = AttentionUNet(**{**TINY, **fields})
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  random = np.random.default_rng(1)

  def draw(path, leaf):
    if path[-1].key in ("scale", "var"):
      return random.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
    spread = 0.3 if path[-1].key == "kernel" else 0.1
    return (spread * random.normal(size=leaf.shape)).astype(np.float32)

  return module, jax.tree_util.tree_map_with_path(draw, shapes)


def clip_of(*shape: int) -> np.ndarray:
  return np.random.default_rng(2).random((*shape, 3), dtype=np.float32)


class TensorFlowUNet:
  """EnlightenGAN's layer list over again, in TensorFlow and on [-1, 1], for sides that divide."""

  def __init__(self, variables, align_corners: bool):
    self.params, self.stats = variables["params"], variables["batch_stats"]
    self.align_corners = align_corners

  def conv(self, x, weights):
    return tf.nn.conv2d(x, weights["kernel"], 1, "SAME") + weights["bias"]

  def block(self, x, stage, name):
    params = self.params[stage][name]
    if "conv" not in params:
      return tf.nn.leaky_relu(self.conv(x, params), 0.2)
    moved, norm = self.stats[stage][name]["norm"], params["norm"]
    x = tf.nn.leaky_relu(self.conv(x, params["conv"]), 0.2)
    return tf.nn.batch_normalization(
      x, moved["mean"], moved["var"], norm["bias"], norm["scale"], 1e-5
    )

  def stage(self, x, name):
    return self.block(self.block(x, name, "block_0"), name, "block_1")

  def double(self, x, name=None):
    size = (2 * x.shape[1], 2 * x.shape[2])
    if self.align_corners:
      x = tf.compat.v1.image.resize_bilinear(x, size, align_corners=True)
    else:
      x = tf.image.resize(x, size, "bilinear")
    return self.conv(x, self.params[name]) if name else x

  def latent(self, x):
    """x in [-1, 1]; what is added to it."""
    gray = 1 - (0.299 * (x[..., :1] + 1) + 0.587 * (x[..., 1:2] + 1) + 0.114 * (x[..., 2:] + 1)) / 2
    gray_2 = tf.nn.max_pool2d(gray, 2, 2, "VALID")
    gray_3 = tf.nn.max_pool2d(gray_2, 2, 2, "VALID")
    first = self.stage(tf.concat([x, gray], -1), "encoder_0")
    second = self.stage(tf.nn.max_pool2d(first, 2, 2, "VALID"), "encoder_1")
    y = self.block(tf.nn.max_pool2d(second, 2, 2, "VALID"), "coarsest", "block_0")
    y = self.block(y * gray_3, "coarsest", "block_1")
    y = self.stage(tf.concat([self.double(y, "double_1"), second * gray_2], -1), "decoder_1")
    y = self.stage(tf.concat([self.double(y, "double_0"), first * gray], -1), "decoder_0")
    return self.conv(y, self.params["head"]) * gray


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("half_resolution", [None, "residual", "released"])
def test_equals_the_layer_list_in_tensorflow(align_corners, half_resolution):
  module, variables = made(align_corners=align_corners, half_resolution=half_resolution)
  clip = clip_of(2, 2, 16, 24)
  x = 2 * tf.constant(clip.reshape(4, 16, 24, 3)) - 1
  network = TensorFlowUNet(variables, align_corners)
  if half_resolution is None:
    y = x + network.latent(x)
  else:
    small = tf.nn.avg_pool2d(x, 2, 2, "VALID")
    if half_resolution == "released":
      y = network.double(small + network.latent(small))
    else:
      y = x + network.double(network.latent(small))
  expected = (y.numpy().reshape(clip.shape) + 1) / 2
  assert np.abs(expected - clip).max() > 0.1
  found = jax.jit(module.apply)(variables, clip)
  np.testing.assert_allclose(found["clip"], expected, atol=1e-5 * np.abs(expected).max())
  np.testing.assert_allclose(found["attention"], 1 - (clip @ LUMA)[..., None], atol=1e-6)


def test_the_norm_follows_the_activation_with_pytorchs_constants():
  """One block in training mode, in numpy: convolution, leaky ReLU, then statistics of the batch."""
  x = clip_of(2, 5, 6) - np.float32(0.5)
  block = ConvLeakyNorm(4, 0.5)
  variables = block.init(jax.random.key(0), x, True)
  params = variables["params"]
  scale = np.asarray(params["norm"]["scale"])
  assert 0 < np.std(scale) < 0.1  # N(1, 0.02)
  found, updated = block.apply(variables, x, True, mutable=["batch_stats"])

  padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64)
  y = np.zeros((2, 5, 6, 4)) + np.asarray(params["conv"]["bias"])
  for p, q in np.ndindex(3, 3):
    y += padded[:, p : p + 5, q : q + 6] @ np.asarray(params["conv"]["kernel"])[p, q]
  y = np.where(y > 0, y, 0.2 * y)
  mean, variance = y.mean((0, 1, 2)), y.var((0, 1, 2))
  expected = (y - mean) / np.sqrt(variance + 1e-5) * scale
  np.testing.assert_allclose(found, expected, atol=1e-4)
  stats = updated["batch_stats"]["norm"]
  np.testing.assert_allclose(stats["mean"], 0.1 * mean, atol=1e-6)
  np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * variance, atol=1e-5)


@pytest.mark.parametrize("centred", [False, True])
def test_sides_that_do_not_divide_are_reflected_and_cropped(centred):
  module, variables = made(centred_padding=centred)
  clip = clip_of(1, 1, 9, 14)
  rows, columns = ((1, 2), (1, 1)) if centred else ((0, 3), (0, 2))
  padded = np.pad(clip, ((0, 0), (0, 0), rows, columns, (0, 0)), mode="reflect")
  apply = jax.jit(module.apply)
  expected = apply(variables, padded)["clip"]
  expected = expected[:, :, rows[0] : rows[0] + 9, columns[0] : columns[0] + 14]
  np.testing.assert_allclose(apply(variables, clip)["clip"], expected, atol=1e-6)


def test_only_the_released_form_of_half_resolution_loses_detail():
  """A checkerboard is what averaging by two removes."""
  rows, columns = np.mgrid[:16, :16]
  board = ((rows + columns) % 2).astype(np.float32)[None, None, :, :, None].repeat(3, -1)

  def detail(form: str) -> float:
    module, variables = made(half_resolution=form, align_corners=False)
    out = np.asarray(jax.jit(module.apply)(variables, board)["clip"])
    return np.mean(out * (2 * board - 1))

  assert detail("residual") == pytest.approx(0.5, abs=0.01)
  assert detail("released") == pytest.approx(0, abs=0.01)


def test_white_stays_white():
  """The attention is 0 there, whatever the network says."""
  module, variables = made()
  clip = np.ones((1, 1, 8, 8, 3), np.float32)
  out = jax.jit(module.apply)(variables, clip)
  np.testing.assert_allclose(out["clip"], 1, atol=1e-6)
  np.testing.assert_allclose(out["attention"], 0, atol=1e-6)


def test_traits_say_what_depends_on_the_size_of_the_frame():
  assert AttentionUNet().traits.whole_frame_only
  free = AttentionUNet(align_corners=False)
  assert not free.traits.whole_frame_only
  assert free.clone(centred_padding=True).traits.whole_frame_only
  assert free.traits.stride == 16
  assert free.clone(half_resolution="residual").traits.stride == 32


def test_an_unknown_half_resolution_lists_the_known():
  with pytest.raises(UserError, match=r"half_resolution is 'output'; expected None, \"residual\""):
    AttentionUNet(half_resolution="output").init(jax.random.key(0), clip_of(1, 1, 8, 8))


def test_only_frames_wider_than_the_limit_are_halved_and_a_tanh_bounds_the_change():
  clip = clip_of(1, 1, 8, 8)

  def run(**fields):
    module, variables = made(align_corners=False, **fields)
    return jax.jit(module.apply)(jax.tree.map(lambda x: 2 * x, variables), clip)["clip"]

  whole = run()
  np.testing.assert_array_equal(run(half_resolution="released", half_above=8), whole)
  assert np.abs(run(half_resolution="released", half_above=7) - whole).max() > 0.1
  assert np.abs(whole - clip).max() > 0.5
  assert np.abs(run(tanh=True) - clip).max() <= 0.5  # half of the range [-1, 1]
