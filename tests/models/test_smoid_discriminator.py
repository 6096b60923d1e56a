import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.smoid_discriminator import SmoidDiscriminator

TINY = {"base": 3, "levels": 2, "hidden": 5, "flat": 6, "side": 12}


def made(size, **kwargs):
  """A discriminator, and variables at which every layer matters."""
  module = SmoidDiscriminator(**{**TINY, **kwargs})
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, *size, 3)))
  random = np.random.default_rng(0)

  def draw(path, leaf):
    if "scale" in path[-1].key:
      return random.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
    scale = (2 / np.prod(leaf.shape[:-1])) ** 0.5 if leaf.ndim > 1 else 0.1
    return (scale * random.normal(size=leaf.shape)).astype(np.float32)

  return module, jax.tree_util.tree_map_with_path(draw, shapes)


def random(*shape, seed=1):
  return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_parameter_count_of_the_released_form():
  """Scale and shift of its batch normalisation are counted, its running statistics are not."""
  module, images = SmoidDiscriminator(released=True), jnp.zeros((2, 256, 256, 3))
  shapes = jax.eval_shape(module.init, jax.random.key(0), images)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 68_285_217
  assert jax.eval_shape(module.apply, shapes, images).shape == (2, 1, 1, 1)


def reference(x, params, released):
  """The layer list over again, in TensorFlow operations."""

  def leaky(x):
    return tf.nn.leaky_relu(x, 0.2)

  def conv(x, name, stride=1):
    return tf.nn.conv2d(x, params[name]["kernel"], stride, "SAME") + params[name]["bias"]

  for level in range(2):
    for index in range(2):
      x = conv(x, f"conv_{level}_{index}")
      if released:  # normalisation with the statistics it starts with
        scale, shift = (params[f"norm_{level}_{index}_{part}"] for part in ("scale", "shift"))
        x = tf.nn.batch_normalization(x, 0.0, 1.0, shift, scale, 0.0)
      x = leaky(x)
    x = conv(x, f"halve_{level}", 2)
    x = tf.nn.relu(x) if released else leaky(x)
  if not released:
    return conv(leaky(conv(x, "hidden")), "logit")
  x = tf.reshape(x, (x.shape[0], -1))
  for name in ("dense", "hidden", "logit"):
    x = leaky(x @ params[name]["kernel"][0, 0] + params[name]["bias"])
  return x[:, None, None]


@pytest.mark.parametrize("released", [True, False])
def test_equals_the_layer_list_in_tensorflow(released):
  size = (12, 12) if released else (11, 14)
  module, variables = made(size, released=released)
  images = random(6, *size, 3)
  expected = reference(images, variables["params"], released)
  found = jax.jit(module.apply)(variables, images)
  assert np.abs(expected).max() > 0.05
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_any_size_gives_logits_of_both_signs():
  module, variables = made((8, 8))
  apply = jax.jit(module.apply)
  for size, expected in {(1, 1): (1, 1), (9, 14): (3, 4), (16, 7): (4, 2)}.items():
    assert apply(variables, random(2, *size, 3)).shape == (2, *expected, 1)
  logits = apply(variables, random(8, 16, 16, 3) - 0.5)
  assert logits.min() < 0 < logits.max()


@pytest.mark.parametrize("released", [True, False])
def test_samples_of_a_batch_are_kept_apart(released):
  """What a per-sample gradient penalty needs."""
  module, variables = made((12, 12), released=released)
  images = random(2, 12, 12, 3)
  both = module.apply(variables, images, train=True)
  other = module.apply(variables, np.stack([images[0], 1 - images[1]]), train=True)
  np.testing.assert_allclose(other[0], both[0], atol=1e-6)
  assert np.abs(other[1] - both[1]).max() > 1e-4


@pytest.mark.parametrize("released", [True, False])
def test_bfloat16_is_near_float32(released):
  module, variables = made((12, 12), released=released)
  images = random(4, 12, 12, 3)
  fine = jax.jit(module.apply)(variables, images)
  coarse = jax.jit(module.clone(dtype="bfloat16").apply)(variables, images)
  assert coarse.dtype == jnp.float32
  assert 0 < np.abs(coarse - fine).max() < 0.05 * np.abs(fine).max() + 0.01


def test_the_released_form_refuses_another_size():
  with pytest.raises(UserError, match="takes images of 12 x 12, found 12 x 13; crop"):
    made((12, 13), released=True)
