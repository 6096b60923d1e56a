"""The shape check and the norm all losses share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses.contract import check_same_shape, euclidean_norm, trusted, trusted_mean


@pytest.mark.parametrize(
  ("pred", "target"),
  [((2, 3, 8, 8, 3), (2, 3, 8, 9, 3)), ((2, 8, 8, 3), (2, 8, 8, 3)), ((2, 3, 8, 8, 3), (3,))],
)
def test_wrong_shapes_are_named(pred, target):
  with pytest.raises(ValueError, match="must have one shape") as caught:
    check_same_shape(jnp.zeros(pred), jnp.zeros(target))
  assert str(pred) in str(caught.value)
  assert str(target) in str(caught.value)


def test_eight_bit_frames_are_refused():
  frames = jnp.zeros((1, 1, 4, 4, 3), jnp.uint8)
  with pytest.raises(ValueError, match="uint8"):
    check_same_shape(frames, frames)


def test_norm_equals_numpy():
  x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
  np.testing.assert_allclose(euclidean_norm(jnp.asarray(x)), np.linalg.norm(x, axis=-1), rtol=1e-6)
  np.testing.assert_allclose(
    euclidean_norm(jnp.asarray(x), axis=(1, 2)), np.linalg.norm(x.reshape(3, -1), axis=1), rtol=1e-6
  )


def test_norm_has_gradient_zero_at_zero_and_the_direction_elsewhere():
  gradient = jax.grad(lambda v: jnp.sum(euclidean_norm(v)))(jnp.array([[0.0, 0.0], [3.0, 4.0]]))
  np.testing.assert_allclose(gradient, [[0.0, 0.0], [0.6, 0.8]], rtol=1e-6)


def test_trusted_mean_weighs_pixels_of_all_channels():
  values = np.random.default_rng(1).uniform(size=(2, 3, 4, 5, 3)).astype(np.float32)
  mask = np.random.default_rng(2).uniform(size=(2, 3, 4, 5, 1)).astype(np.float32)
  expected = [np.average(v, weights=np.repeat(m, 3, -1)) for v, m in zip(values, mask, strict=True)]
  np.testing.assert_allclose(trusted_mean(jnp.asarray(values), jnp.asarray(mask)), expected, 1e-5)
  np.testing.assert_allclose(trusted_mean(jnp.asarray(values)), values.mean((1, 2, 3, 4)), 1e-5)
  assert not np.any(trusted_mean(jnp.asarray(values), jnp.zeros((2, 3, 4, 5, 1))))


def test_trusted_takes_masks_of_truth_values():
  pred, target = jnp.ones((1, 1, 2, 2, 3)), jnp.zeros((1, 1, 2, 2, 3))
  seen, mask = trusted(
    pred, target, jnp.array([[True, False], [True, True]])[None, None, ..., None]
  )
  np.testing.assert_array_equal(seen[0, 0, ..., 1], [[1, 0], [1, 1]])
  assert mask.dtype == pred.dtype
