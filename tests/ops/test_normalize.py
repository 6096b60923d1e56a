import jax
import jax.numpy as jnp
import numpy as np

from llve_jax.ops.normalize import instance_norm


def maps(*shape: int) -> np.ndarray:
  return np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)


def test_equals_pytorchs_definition():
  """InstanceNorm2d from its documentation, one map after another in float64."""
  x = maps(2, 5, 7, 3)
  expected = np.empty(x.shape)
  for image, channel in np.ndindex(2, 3):
    plane = x[image, :, :, channel].astype(np.float64)
    expected[image, :, :, channel] = (plane - plane.mean()) / np.sqrt(plane.var(ddof=0) + 1e-5)
  np.testing.assert_allclose(instance_norm(x), expected, atol=2e-6)


def test_epsilon_is_inside_the_root():
  x = maps(1, 4, 4, 1)
  expected = (x - x.mean()) / np.sqrt(x.var() + 7)
  np.testing.assert_allclose(instance_norm(x, epsilon=7.0), expected, atol=1e-6)


def test_constant_maps_become_zero_with_finite_gradients():
  for shape in ((1, 4, 4, 2), (2, 1, 1, 2)):
    flat = jnp.full(shape, 0.7)
    np.testing.assert_allclose(instance_norm(flat), 0, atol=1e-3)
    assert np.isfinite(jax.grad(lambda x: (instance_norm(x) ** 3).sum())(flat)).all()


def test_a_large_mean_costs_no_digits_and_bfloat16_stays():
  x = maps(1, 8, 8, 1)
  np.testing.assert_allclose(instance_norm(x + 1024), instance_norm(x), atol=1e-3)
  coarse = instance_norm(jnp.asarray(x, jnp.bfloat16))
  assert coarse.dtype == jnp.bfloat16
  np.testing.assert_allclose(coarse.astype(jnp.float32), instance_norm(x), atol=0.03)
