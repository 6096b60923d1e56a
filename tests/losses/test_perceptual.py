"""Every system's perceptual loss against its formula on TensorFlow's feature maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.io.weights import packaged_vgg16
from llve_jax.losses import compose, perceptual
from llve_jax.losses.perceptual import LAYERS, perceptual_distance, vgg16
from llve_jax.losses.vgg import Vgg


def test_layers_are_the_four_of_the_report():
  assert vgg16.layers == LAYERS == ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


def test_distance_equals_numpy():
  rng = np.random.default_rng(0)
  pred, target = (
    {name: rng.normal(size=(3, 5, 4, 6)).astype(np.float32) for name in LAYERS} for _ in range(2)
  )
  expected = np.zeros(3)
  for name in LAYERS:
    norm = np.linalg.norm(pred[name].astype(np.float64) - target[name], axis=-1)
    expected += norm.reshape(3, -1).mean(1)
  found = perceptual_distance(*({k: jnp.asarray(v) for k, v in m.items()} for m in (pred, target)))
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_on_clips_it_is_the_distance_of_their_features():
  rng = np.random.default_rng(1)
  pred, target = (jnp.asarray(rng.uniform(size=(2, 1, 24, 32, 3)), jnp.float32) for _ in range(2))
  maps = [Vgg().features(clip[:, 0], packaged_vgg16(), LAYERS) for clip in (pred, target)]
  expected = sum(
    np.linalg.norm(np.asarray(maps[0][n]) - np.asarray(maps[1][n]), axis=-1).mean((1, 2))
    for n in LAYERS
  )
  np.testing.assert_allclose(vgg16(pred, target), expected, rtol=1e-4)


def test_gradient_follows_finite_differences():
  rng = np.random.default_rng(2)
  pred, target = (jnp.asarray(rng.uniform(size=(1, 1, 24, 24, 3)), jnp.float32) for _ in range(2))
  objective = compose({"vgg16": 1.0})
  call = jax.jit(jax.value_and_grad(lambda x, t, f: objective(x, t, f)[0][0]))
  gradient = call(pred, target, objective.frozen)[1]
  slope = jnp.linalg.norm(gradient)
  step = 1e-2 * gradient / slope  # along the gradient, so that the change stands above rounding
  high, low = (call(pred + move, target, objective.frozen)[0] for move in (step, -step))
  np.testing.assert_allclose(slope, (high - low) / 2e-2, rtol=1e-2)


def test_smooth_where_the_clips_agree():
  clip = jnp.full((1, 1, 24, 24, 3), 0.3)
  objective = compose({"vgg16": 1.0})
  call = jax.jit(jax.value_and_grad(lambda x, t, f: objective(x, t, f)[0][0]))
  value, gradient = call(clip, clip, objective.frozen)
  assert value == 0.0
  assert not np.any(np.asarray(gradient))


def vgg19_in_tensorflow(frames, layers, weights, pool):
  """Feature maps of RGB frames as 8-bit values less the mean; {"conv1_1": (linear, relu)}."""
  x = tf.constant(255.0 * frames - [123.68, 116.779, 103.939], tf.float32)
  maps = {"input": x.numpy()}
  before = "1"
  for name in layers:
    if name[4] != before:
      x = pool(x, 2, 2, "VALID")
    before = name[4]
    x = tf.nn.conv2d(x, weights[name]["kernel"], 1, "SAME") + weights[name]["bias"]
    maps[name + "_linear"] = x.numpy()
    x = tf.nn.relu(x)
    maps[name] = x.numpy()
  return maps


ANCHORED = {"input": 1, "conv1_2": 1, "conv2_2": 1, "conv3_2": 1, "conv4_2": 1}
ZOOM = {"conv1_2": 1, "conv2_2": 1, "conv3_2": 1 / 3.7, "conv4_2": 1 / 5.6, "conv5_2": 10 / 1.5}


def weighted(factors, unit):
  return lambda p, t: sum(f * np.abs(p[n] - t[n]).mean() for n, f in factors.items()) * unit / 255


FORMULAS = {
  "vgg19_smoid": (tf.nn.max_pool2d, weighted(ANCHORED, 255)),
  "vgg19_smid": (tf.nn.avg_pool2d, weighted(ANCHORED, 255)),
  "vgg19_zoom": (tf.nn.avg_pool2d, weighted(ZOOM, 1)),
  "vgg19_mbllen": (tf.nn.max_pool2d, weighted({"conv3_4": 1}, 2)),
  "vgg19_mbllven": (
    tf.nn.max_pool2d,
    lambda p, t: np.sqrt(np.square(p["conv3_4"] - t["conv3_4"]).sum()),
  ),
  "vgg19_deblurgan": (
    tf.nn.max_pool2d,
    lambda p, t: np.square((p["conv3_3_linear"] - t["conv3_3_linear"]) * 2 / 255).mean(),
  ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_vgg19_variants_equal_their_formulas(name, narrow):
  pool, formula = FORMULAS[name]
  rng = np.random.default_rng(3)
  pred, target = rng.uniform(size=(2, 2, 1, 32, 32, 3)).astype(np.float32)
  loss = getattr(perceptual, name)
  layers = [layer for layer in narrow["vgg19"] if layer != "input"]
  expected = [
    formula(*(vgg19_in_tensorflow(x, layers, narrow["vgg19"], pool) for x in (a, b)))
    for a, b in zip(pred, target, strict=True)
  ]
  found = jax.jit(loss)(jnp.asarray(pred), jnp.asarray(target), frozen=narrow)
  np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["vgg19_mbllen_released", "vgg19_deblurgan_released"])
def test_released_forms_see_frames_from_minus_one_to_one(name, narrow):
  rng = np.random.default_rng(4)
  pred, target = rng.uniform(size=(2, 1, 1, 24, 24, 3)).astype(np.float32)
  layers = [layer for layer in narrow["vgg19"] if layer != "input"]
  swapped = slice(None, None, -1) if "mbllen" in name else slice(None)
  # What takes 8-bit values less the mean is given 2 x - 1 when told so.
  mean = np.array([123.68, 116.779, 103.939])
  maps = [
    vgg19_in_tensorflow(
      (((2 * x[0] - 1)[..., swapped] + mean) / 255), layers, narrow["vgg19"], tf.nn.max_pool2d
    )
    for x in (pred, target)
  ]
  if "mbllen" in name:
    expected = np.abs(maps[0]["conv3_4"] - maps[1]["conv3_4"]).mean()
  else:
    expected = np.square(maps[0]["conv3_3_linear"] - maps[1]["conv3_3_linear"]).mean()
  found = jax.jit(getattr(perceptual, name))(jnp.asarray(pred), jnp.asarray(target), frozen=narrow)
  np.testing.assert_allclose(found, [expected], rtol=1e-4)
