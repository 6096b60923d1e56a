"""What every entry of LOSSES promises, whatever it measures."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import LOSSES, compose

SHAPE = (8, 1, 24, 28, 3)  # XLA convolves maps smaller than the kernel very slowly
IGNORES_TARGET = {"tv"}


def clip(seed):
  return jnp.asarray(np.random.default_rng(seed).uniform(size=SHAPE), jnp.float32)


@functools.cache
def compiled(name):
  """(pred, target) -> gradient of the sum, loss per clip; compiled once for all tests."""
  objective = compose({name: 1.0})

  def total(pred, target, frozen):
    values = objective(pred, target, frozen)[1][name]
    return jnp.sum(values), values

  call = jax.jit(jax.grad(total, has_aux=True))
  return lambda pred, target: call(pred, target, objective.frozen)


def values(name, pred, target):
  return np.asarray(compiled(name)(pred, target)[1])


@pytest.fixture(params=sorted(LOSSES))
def name(request):
  return request.param


def test_one_positive_float32_per_clip_that_does_not_see_the_others(name):
  pred, target = clip(0), clip(1)
  whole = values(name, pred, target)
  assert whole.shape == (8,)
  assert whole.dtype == np.float32
  assert np.all(whole > 0)
  others = values(name, clip(2).at[3].set(pred[3]), clip(3).at[3].set(target[3]))
  np.testing.assert_allclose(others[3], whole[3], rtol=1e-5)
  assert np.all(np.delete(others, 3) != np.delete(whole, 3))


def test_least_on_equal_input(name):
  flat = jnp.full(SHAPE, 0.4)
  targets = [flat] if name in IGNORES_TARGET else [flat, clip(0)]
  for target in targets:
    least = values(name, target, target)
    np.testing.assert_allclose(least, 1e-3 if name == "charbonnier" else 0.0, atol=1e-7)
    for other in (clip(2), jnp.zeros(SHAPE), target + 0.1 * clip(3)):
      assert np.all(least <= values(name, other, target))


@pytest.mark.parametrize("fill", [0.0, 0.5, 1.0])
def test_finite_gradient_on_flat_and_black_input(name, fill):
  flat = jnp.full(SHAPE, fill)
  for target in (flat, jnp.zeros(SHAPE), clip(4)):
    gradient, _ = compiled(name)(flat, target)
    assert np.all(np.isfinite(gradient))


def test_following_the_gradient_lowers_the_loss(name):
  target = jnp.full(SHAPE, 0.5) if name in IGNORES_TARGET else clip(6)
  pred = clip(5)
  gradient, before = compiled(name)(pred, target)
  step = 1e-2 / jnp.abs(gradient).max()
  assert np.all(values(name, pred - step * gradient, target) < np.asarray(before))


def test_jit_equals_eager(name):
  pred, target = clip(8), clip(9)
  np.testing.assert_allclose(LOSSES[name](pred, target), values(name, pred, target), rtol=1e-5)


def test_eight_devices_equal_one(name):
  assert jax.device_count() >= 8
  mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
  clips = (clip(10), clip(11))
  gradient, value = compiled(name)(*clips)
  sharded_gradient, sharded_value = compiled(name)(*jax.device_put(clips, sharding))
  assert sharded_value.sharding.is_equivalent_to(sharding, 1)
  np.testing.assert_allclose(sharded_value, value, rtol=1e-5)
  np.testing.assert_allclose(
    sharded_gradient, gradient, rtol=1e-3, atol=1e-5 * float(jnp.abs(gradient).max())
  )


def test_wrong_shape_names_both(name):
  with pytest.raises(ValueError, match=r"\(8, 1, 24, 28, 3\).*\(8, 1, 24, 27, 3\)"):
    LOSSES[name](clip(0), clip(1)[:, :, :, :27])
  with pytest.raises(ValueError, match=r"b, t, h, w, c"):
    LOSSES[name](clip(0)[:, 0], clip(1)[:, 0])
