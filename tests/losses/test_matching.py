"""The blockwise nearest-neighbour search against the full tables of SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import distance

from llve_jax.losses import matching


def test_grid_is_row_major_like_reshape():
  expected = [(y, x) for y in range(3) for x in range(5)]
  np.testing.assert_array_equal(matching.grid(3, 5), expected)


@pytest.mark.parametrize("block", [1, 5, 13, 64])
def test_nearest_equals_scipy(block):
  rng = np.random.default_rng(0)
  p, q, places = (rng.normal(size=(40, width)).astype(np.float32) for width in (6, 6, 2))
  cost = 0.5 * distance.cdist(p, q, "sqeuclidean") + 0.7 * distance.cdist(places, places)
  found = matching.nearest(*map(jnp.asarray, (p, q, places)), 0.7, block)
  np.testing.assert_array_equal(found, cost.argmin(1))


def test_the_first_of_equal_minima_wins_across_blocks():
  p = jnp.ones((6, 2))
  found = matching.nearest(p, p, jnp.zeros((6, 2)), 1.0, 4)
  np.testing.assert_array_equal(found, np.zeros(6))


def test_cosine_distances_equal_scipy():
  rng = np.random.default_rng(1)
  p, q = (rng.normal(size=(1, n, 1, 5)).astype(np.float32) for n in (7, 7))
  unit = matching.directions(jnp.asarray(p), jnp.asarray(q), center=False)
  expected = distance.cdist(p.reshape(-1, 5), q.reshape(-1, 5), "cosine")
  np.testing.assert_allclose(matching.cosine_distances(*unit)[0], expected, atol=1e-6)


def test_directions_subtract_the_mean_of_the_target_of_each_sample():
  rng = np.random.default_rng(2)
  p, q = (rng.normal(3.0, 1.0, (2, 3, 4, 5)).astype(np.float32) for _ in range(2))
  found = matching.directions(jnp.asarray(p), jnp.asarray(q), center=True)
  for one, raw in zip(found, (p, q), strict=True):
    moved = raw.reshape(2, 12, 5) - q.reshape(2, 12, 5).mean(1, keepdims=True)
    expected = moved / np.linalg.norm(moved, axis=-1, keepdims=True)
    np.testing.assert_allclose(one, expected, atol=1e-6)


def test_rounding_noise_of_a_flat_map_is_no_direction():
  flat = jnp.full((1, 50, 50, 3), 37.7)
  unit, _ = matching.directions(flat, flat, center=True)
  assert np.linalg.norm(unit, axis=-1).max() < 0.2


@pytest.mark.parametrize(("height", "width", "most"), [(7, 9, 20), (64, 64, 3969), (5, 100, 60)])
def test_samples_fit_and_are_distinct(height, width, most):
  for key in (None, jax.random.key(0)):
    kept = np.asarray(matching.sample(height, width, most, key))
    assert 0 < kept.size <= most
    assert np.unique(kept).size == kept.size
    assert kept.min() >= 0
    assert kept.max() < height * width
  assert kept.size == most
