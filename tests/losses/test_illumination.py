"""SCI's loss against loops over pixels in numpy, written from the paper's equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.losses import OUTPUT_LOSSES, illumination

# Luma of BT.601 and its colour differences as for analogue television: published, three digits.
YUV = np.array([[0.299, 0.587, 0.114], [-0.147, -0.289, 0.436], [0.615, -0.515, -0.1]])


def naive_smoothness(found, seen, sigma):
  height, width, _ = seen.shape
  guide = seen.astype(np.float64) @ YUV.T
  sums, counts = np.zeros((5, 5)), np.zeros((5, 5))
  for i, j, a, b in np.ndindex(height, width, 5, 5):
    k, m = i + a - 2, j + b - 2
    if (a, b) != (2, 2) and 0 <= k < height and 0 <= m < width:
      weight = np.exp(-np.square(guide[i, j] - guide[k, m]).sum() / (2 * sigma**2))
      sums[a, b] += weight * np.abs(found[i, j] - found[k, m]).sum()
      counts[a, b] += 1
  return (sums / np.maximum(counts, 1)).sum()


@pytest.fixture
def stages():
  """Inputs and illuminations [b, t, stages, h, w, 3]; the inputs vary as little as sigma."""
  rng = np.random.default_rng(0)
  inputs = 0.4 + 0.2 * rng.random((2, 2, 3, 7, 6, 3), dtype=np.float32)
  return {"inputs": inputs, "illuminations": rng.random(inputs.shape, dtype=np.float32)}


@pytest.mark.parametrize(("name", "sigma"), [("sci", 0.1), ("sci_released", 10.0)])
def test_it_is_the_sum_over_stages_and_the_mean_over_frames(stages, name, sigma):
  expected = np.zeros(2)
  for b, t, s in np.ndindex(2, 2, 3):
    seen, found = (stages[key][b, t, s] for key in ("inputs", "illuminations"))
    fidelity = np.square(found.astype(np.float64) - seen).mean()
    expected[b] += (1.5 * fidelity + naive_smoothness(found, seen, sigma)) / 2
  result = jax.jit(lambda outputs: OUTPUT_LOSSES[name](outputs, {}, jnp.int32(0)))(stages)
  np.testing.assert_allclose(result, expected, rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 6), (2, 2), (7, 1)])
def test_small_frames_count_the_neighbours_they_have(shape):
  rng = np.random.default_rng(1)
  found, seen = (0.2 * rng.random((1, *shape, 3), dtype=np.float32) for _ in range(2))
  expected = naive_smoothness(found[0], seen[0], 0.1)
  result = illumination.smoothness(jnp.asarray(found), jnp.asarray(seen))
  np.testing.assert_allclose(result, [expected], rtol=1e-3)


def test_one_pixel_has_no_slope():
  assert illumination.smoothness(jnp.ones((1, 1, 1, 3)), jnp.zeros((1, 1, 1, 3))) == 0


def test_an_edge_costs_less_where_the_input_has_one_and_the_same_as_released():
  step = jnp.zeros((1, 8, 8, 3)).at[:, :, 4:].set(1.0)
  flat = jnp.full_like(step, 0.5)
  assert illumination.smoothness(step, step) < 1e-3 * illumination.smoothness(step, flat)
  np.testing.assert_allclose(
    illumination.smoothness(step, step, 10.0), illumination.smoothness(step, flat, 10.0), rtol=0.01
  )


def test_gradients_reach_both_and_are_finite(stages):
  slope = jax.jit(jax.grad(lambda outputs: OUTPUT_LOSSES["sci"](outputs, {}, jnp.int32(0)).sum()))
  for name, gradient in slope(stages).items():
    assert np.isfinite(gradient).all(), name
    assert (np.abs(gradient).max(axis=(3, 4, 5)) > 0).all(), name


def test_another_networks_outputs_are_refused():
  outputs = {"clip": jnp.zeros((1, 1, 4, 4, 3)), "curves": jnp.zeros((1, 1, 4, 4, 24))}
  with pytest.raises(UserError, match=r"inputs and illuminations.*found clip, curves"):
    OUTPUT_LOSSES["sci"](outputs, {}, jnp.int32(0))
