"""System A's perceptual loss, Eq 2.3, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np

from llve_jax.io.weights import packaged_vgg16
from llve_jax.losses import compose
from llve_jax.losses.perceptual import LAYERS, perceptual_distance, vgg16
from llve_jax.losses.vgg import vgg16_features


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
  maps = [vgg16_features(clip[:, 0], packaged_vgg16(), LAYERS) for clip in (pred, target)]
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
