import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.models.patch_classifier import PatchClassifier


def test_parameter_count_at_its_patch_size():
  module = models.build_critic("patch_classifier")
  images = jnp.zeros((2, 100, 100, 3))
  shapes = jax.eval_shape(module.init, jax.random.key(0), images)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 5_139_649
  assert jax.eval_shape(module.apply, shapes, images).shape == (2, 1, 1, 1)


def made(**fields):
  module = PatchClassifier(widths=(2, 4), hidden=64, **fields)
  images = np.random.default_rng(0).random((3, 9, 12, 3), dtype=np.float32)
  return module, jax.jit(module.init)(jax.random.key(0), images), images


def test_equals_the_layer_list_in_tensorflow():
  module, variables, images = made()
  params, x = variables["params"], tf.constant(images)
  for name in ("conv_0", "conv_1"):
    x = tf.nn.conv2d(x, params[name]["kernel"], 1, "SAME") + params[name]["bias"]
    x = tf.nn.max_pool2d(tf.nn.leaky_relu(x, 0.2), 2, 2, "VALID")
  x = tf.reshape(x, (3, -1)) @ params["hidden"]["kernel"] + params["hidden"]["bias"]
  x = tf.nn.leaky_relu(x, 0.2) @ params["logit"]["kernel"] + params["logit"]["bias"]
  np.testing.assert_allclose(
    jax.jit(module.apply)(variables, images)[:, 0, 0], x.numpy(), atol=1e-5
  )


def test_half_of_the_hidden_features_is_dropped_in_training_only():
  module, variables, images = made()

  def hidden(train: bool, seed: int = 0) -> np.ndarray:
    _, state = module.apply(
      variables,
      images,
      train=train,
      rngs={"dropout": jax.random.key(seed)},
      capture_intermediates=True,
    )
    return np.asarray(state["intermediates"]["Dropout_0"]["__call__"][0])

  kept, dropped = hidden(False), hidden(True)
  assert np.count_nonzero(kept) == kept.size
  assert 0.3 < np.mean(dropped == 0) < 0.7
  np.testing.assert_allclose(dropped[dropped != 0], 2 * kept[dropped != 0], rtol=1e-6)
  assert (hidden(True, 1) != dropped).any()


def test_training_needs_a_random_stream_unless_nothing_is_dropped():
  module, variables, images = made()
  with pytest.raises(flax.errors.InvalidRngError, match="dropout"):
    module.apply(variables, images, train=True)
  still = module.clone(dropout=0.0)
  np.testing.assert_array_equal(
    still.apply(variables, images, train=True), module.apply(variables, images)
  )


def test_other_sizes_are_refused():
  module, variables, images = made()
  with pytest.raises(UserError, match=r"made for images that leave 24 features.*leave 8; use"):
    module.apply(variables, images[:, :, :7])
  with pytest.raises(UserError, match="at least 4; found 9 x 3"):
    module.init(jax.random.key(0), images[:, :, :3])


def test_bfloat16_is_near_float32():
  module, variables, images = made()
  fine = jax.jit(module.apply)(variables, images)
  coarse = jax.jit(module.clone(dtype="bfloat16").apply)(variables, images)
  assert coarse.dtype == jnp.float32
  assert 1e-5 < np.abs(coarse - fine).max() / np.abs(fine).max() < 0.05
