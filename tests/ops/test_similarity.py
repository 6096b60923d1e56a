"""The arithmetic of SSIM against tf.image; `tests/metrics/test_image.py` has more cases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.ops import similarity


def frames(shape, noise=0.1):
  rng = np.random.default_rng(0)
  target = rng.uniform(size=shape)
  pred = np.clip(target + noise * rng.normal(size=shape), 0, 1)
  return pred.astype(np.float32), target.astype(np.float32)


ms_ssim = jax.jit(similarity.ms_ssim)


@pytest.mark.parametrize("shape", [(2, 176, 176, 1), (1, 179, 193, 3)])
def test_ms_ssim_equals_tensorflow_also_on_odd_sides(shape):
  pair = frames(shape)
  expected = tf.image.ssim_multiscale(*map(tf.constant, pair), max_val=1.0).numpy()
  np.testing.assert_allclose(ms_ssim(*map(jnp.asarray, pair)), expected, rtol=0, atol=2e-5)


def test_a_negative_scale_counts_as_zero_like_tensorflows():
  pred, target = frames((1, 176, 176, 1))
  pred = 1 - target
  expected = tf.image.ssim_multiscale(tf.constant(pred), tf.constant(target), 1.0).numpy()
  assert expected == 0
  slope = jax.jit(jax.value_and_grad(lambda x: ms_ssim(x, jnp.asarray(target)).sum()))
  value, gradient = slope(jnp.asarray(pred))
  assert value == 0
  assert np.isfinite(gradient).all()


def test_equal_frames_are_at_one_and_flat_ones_have_finite_gradients():
  flat = jnp.full((1, 176, 176, 1), 0.5)
  value, gradient = jax.jit(jax.value_and_grad(lambda x: similarity.ms_ssim(x, flat).sum()))(flat)
  np.testing.assert_allclose(value, 1.0, rtol=1e-6)
  assert np.isfinite(gradient).all()


def test_the_maps_are_wangs_factors():
  pred, target = frames((14, 13, 1))
  both, structure = jax.jit(similarity.ssim_maps)(jnp.asarray(pred), jnp.asarray(target))
  assert both.shape == structure.shape == (4, 3, 1)
  weights = np.exp(-np.square(np.arange(11) - 5) / 4.5)
  window = np.outer(weights, weights) / weights.sum() ** 2
  for y, x in np.ndindex(4, 3):
    p, q = (a[y : y + 11, x : x + 11, 0].astype(np.float64) for a in (pred, target))
    mean_p, mean_q = (window * p).sum(), (window * q).sum()
    cov = (window * (p - mean_p) * (q - mean_q)).sum()
    var = (window * ((p - mean_p) ** 2 + (q - mean_q) ** 2)).sum()
    contrast = (2 * cov + 9e-4) / (var + 9e-4)
    luminance = (2 * mean_p * mean_q + 1e-4) / (mean_p**2 + mean_q**2 + 1e-4)
    np.testing.assert_allclose(structure[y, x, 0], contrast, rtol=1e-5)
    np.testing.assert_allclose(both[y, x, 0], contrast * luminance, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 74, 75, 3), (140, 11, 1), (1, 2, 203, 12, 2)], ids=str)
def test_blocks_of_windows_are_numpys_sliding_ones(shape):
  x = np.random.default_rng(1).normal(size=shape)
  views = np.lib.stride_tricks.sliding_window_view(x, (11, 11), axis=(-3, -2))
  expected = np.einsum("...ij,i,j", views, similarity.GAUSSIAN, similarity.GAUSSIAN)
  found = jax.jit(similarity.window_mean)(jnp.asarray(x, jnp.float32))
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_gradient_of_a_lopsided_window_equals_the_matrix_of_the_means():
  window = (0.5, 0.3, 0.2)
  x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5, 6, 2)), jnp.float32)
  weights = jnp.asarray(np.random.default_rng(2).normal(size=(2, 3, 4, 2)), jnp.float32)
  expected = np.zeros(x.shape)
  for row in range(3):
    for column in range(3):
      part = window[row] * window[column] * np.asarray(weights)
      expected[:, row : row + 3, column : column + 4] += part
  found = jax.jit(jax.grad(lambda a: jnp.sum(weights * similarity.window_mean(a, window))))(x)
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_wrong_sizes_are_named():
  with pytest.raises(ValueError, match=r"176 x 176.*\(1, 175, 200, 3\)"):
    similarity.ms_ssim(jnp.zeros((1, 175, 200, 3)), jnp.zeros((1, 175, 200, 3)))
  with pytest.raises(ValueError, match=r"11 x 11.*\(1, 20, 10, 3\)"):
    similarity.ssim_maps(jnp.zeros((1, 20, 10, 3)), jnp.zeros((1, 20, 10, 3)))
  with pytest.raises(ValueError, match=r"\(1, 20, 20, 3\).*\(1, 20, 21, 3\)"):
    similarity.ssim_maps(jnp.zeros((1, 20, 20, 3)), jnp.zeros((1, 20, 21, 3)))


def test_an_odd_last_row_or_column_counts_twice_when_halved():
  frames = jnp.arange(9.0).reshape(1, 3, 3, 1)
  found = similarity._half(frames)[0, ..., 0]
  np.testing.assert_array_equal(found, [[2.0, 3.5], [6.5, 8.0]])
