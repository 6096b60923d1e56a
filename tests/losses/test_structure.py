"""Structure losses against tf.image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.losses import structure


def clips(side, frames=2):
  rng = np.random.default_rng(0)
  target = rng.uniform(size=(1, frames, side, side + 1, 3))
  pred = np.clip(target + 0.2 * rng.normal(size=target.shape), 0, 1)
  return pred.astype(np.float32), target.astype(np.float32)


def test_ssim_equals_tensorflow():
  pred, target = clips(24)
  expected = 1 - tf.reduce_mean(tf.image.ssim(pred[0], target[0], 1.0)).numpy()
  np.testing.assert_allclose(structure.ssim(*map(jnp.asarray, (pred, target))), [expected], 1e-4)


def test_multi_scale_and_the_sum_equal_tensorflow():
  pred, target = clips(176)
  single = 1 - tf.reduce_mean(tf.image.ssim(pred[0], target[0], 1.0)).numpy()
  multiple = 1 - tf.reduce_mean(tf.image.ssim_multiscale(pred[0], target[0], 1.0)).numpy()
  arrays = tuple(map(jnp.asarray, (pred, target)))
  np.testing.assert_allclose(jax.jit(structure.ms_ssim)(*arrays), [multiple], rtol=1e-4)
  np.testing.assert_allclose(
    jax.jit(structure.ssim_and_ms_ssim)(*arrays), [single + multiple], rtol=1e-4
  )


def test_three_times_ssim_is_mbllens():
  pred, target = clips(24, 1)
  per_channel = [
    tf.image.ssim(pred[0, ..., c : c + 1], target[0, ..., c : c + 1], 1.0).numpy()[0]
    for c in range(3)
  ]
  found = 3.0 * structure.ssim(*map(jnp.asarray, (pred, target)))
  np.testing.assert_allclose(found, [3 - sum(per_channel)], rtol=1e-4)


@pytest.mark.parametrize(
  ("loss", "side", "message"),
  [
    (structure.ssim, 10, r"11 x 11.*\(1, 2, 10, 11, 3\)"),
    (structure.ms_ssim, 175, r"176 x 176.*\(1, 2, 175, 176, 3\)"),
    (structure.ssim_and_ms_ssim, 175, r"176 x 176.*\(1, 2, 175, 176, 3\)"),
  ],
)
def test_small_frames_are_named_with_the_least_size(loss, side, message):
  with pytest.raises(ValueError, match=message):
    loss(*map(jnp.asarray, clips(side)))
