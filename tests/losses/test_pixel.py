"""Pixel losses against numpy and tf.image."""

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.losses import pixel


@pytest.fixture
def clips():
  rng = np.random.default_rng(0)
  return [rng.uniform(-0.2, 1.2, (3, 2, 6, 6, 3)).astype(np.float32) for _ in range(2)]


@pytest.mark.parametrize(
  ("loss", "expected"),
  [
    (pixel.l1, lambda d: np.abs(d).mean((1, 2, 3, 4))),
    (pixel.l2, lambda d: (d**2).mean((1, 2, 3, 4))),
    (pixel.charbonnier, lambda d: np.sqrt(d**2 + 1e-6).mean((1, 2, 3, 4))),
  ],
)
def test_equals_numpy_in_float64(loss, expected, clips):
  difference = clips[0].astype(np.float64) - clips[1]
  np.testing.assert_allclose(loss(*map(jnp.asarray, clips)), expected(difference), rtol=1e-5)


def test_tv_equals_tf_image(clips):
  # tf.image sums |dx| + |dy|; on square frames both have h (w - 1) c differences.
  pred, target = clips
  batch, time, side, _, channels = pred.shape
  sums = tf.image.total_variation(tf.constant(pred.reshape(-1, side, side, channels))).numpy()
  per_clip = sums.reshape(batch, time).mean(1) / (side * (side - 1) * channels)
  np.testing.assert_allclose(pixel.tv(jnp.asarray(pred), jnp.asarray(target)), per_clip, rtol=1e-5)


def test_tv_weighs_both_directions_by_their_own_count():
  ramp = jnp.broadcast_to(jnp.arange(4.0)[:, None], (4, 9))[None, None, :, :, None] * 0.1
  np.testing.assert_allclose(pixel.tv(ramp, ramp), [0.1], rtol=1e-6)
  across = jnp.swapaxes(ramp, 2, 3)
  np.testing.assert_allclose(pixel.tv(across, across), [0.1], rtol=1e-6)


def test_tv_of_one_pixel_rows_is_finite():
  line = jnp.array([0.0, 1.0, 0.0]).reshape(1, 1, 1, 3, 1)
  np.testing.assert_allclose(pixel.tv(line, line), [1.0])


def test_weight_l2_sums_over_the_whole_tree():
  params = {"a": {"kernel": jnp.array([[1.0, 2.0]])}, "b": jnp.array([-3.0])}
  assert float(pixel.weight_l2(params)) == 14.0
  assert float(pixel.weight_l2({})) == 0.0
