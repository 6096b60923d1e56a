"""What every entry of LOSSES promises, whatever it measures."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import LOSSES, compose
from llve_jax.losses.vgg import VggLoss

SHAPE = (8, 1, 24, 28, 3)  # XLA convolves maps smaller than the kernel very slowly
SHAPES = {
  "brightness_flicker": (8, 3, 24, 28, 3),
  "frame_difference": (8, 3, 24, 28, 3),
  "ms_ssim": (8, 1, 176, 178, 1),
  "structure": (8, 1, 176, 178, 1),
  "vgg19_zoom": (8, 1, 48, 48, 3),
}
IGNORES_TARGET = {"tv", "tv_squared"}
FROZEN = {}


@pytest.fixture(scope="module", autouse=True)
def _fill(narrow):
  FROZEN.update(narrow)


def clip(seed, name=""):
  shape = SHAPES.get(name, SHAPE)
  return jnp.asarray(np.random.default_rng(seed).uniform(size=shape), jnp.float32)


def full(fill, name):
  return jnp.full(SHAPES.get(name, SHAPE), fill, jnp.float32)


@functools.cache
def compiled(name):
  """(pred, target, mask) -> gradient of the sum, loss per clip; compiled once for all tests."""
  objective = compose({name: 1.0}, vgg19=FROZEN["vgg19"])

  def total(pred, target, frozen, mask):
    values = objective(pred, target, frozen, mask=mask)[1][name]
    return jnp.sum(values), values

  call = jax.jit(jax.grad(total, has_aux=True))

  def run(pred, target, mask=None):
    mask = jnp.ones((*pred.shape[:-1], 1)) if mask is None else mask
    return call(pred, target, FROZEN, mask)

  return run


def values(name, pred, target, mask=None):
  return np.asarray(compiled(name)(pred, target, mask)[1])


@pytest.fixture(params=sorted(LOSSES))
def name(request):
  return request.param


def test_one_positive_float32_per_clip_that_does_not_see_the_others(name):
  pred, target = clip(0, name), clip(1, name)
  whole = values(name, pred, target)
  assert whole.shape == (8,)
  assert whole.dtype == np.float32
  assert np.all(whole > 0)
  others = values(name, clip(2, name).at[3].set(pred[3]), clip(3, name).at[3].set(target[3]))
  np.testing.assert_allclose(others[3], whole[3], rtol=1e-5)
  assert np.all(np.delete(others, 3) != np.delete(whole, 3))


def test_least_on_equal_input(name):
  flat = full(0.4, name)
  targets = [flat] if name in IGNORES_TARGET else [flat, clip(0, name)]
  for target in targets:
    least = values(name, target, target)
    others = [
      values(name, other, target)
      for other in (clip(2, name), full(0.0, name), target + 0.1 * clip(3, name))
    ]
    rounding = 1e-7 * max(1.0, others[0].max())  # some count in 8-bit values
    np.testing.assert_allclose(least, 1e-3 if name == "charbonnier" else 0.0, atol=rounding)
    assert all(np.all(least <= other) for other in others)


@pytest.mark.parametrize("fill", [0.0, 0.5, 1.0])
def test_finite_gradient_on_flat_and_black_input(name, fill):
  flat = full(fill, name)
  for target in (flat, full(0.0, name), clip(4, name)):
    gradient, _ = compiled(name)(flat, target)
    assert np.all(np.isfinite(gradient))


def test_following_the_gradient_lowers_the_loss(name):
  target = full(0.5, name) if name in IGNORES_TARGET else clip(6, name)
  pred = 0.5 * (clip(5, name) + clip(6, name))  # MS-SSIM has no slope where nothing correlates
  if name == "region_fixed":  # which jumps where the prediction crosses its threshold of 0.03
    pred = jnp.where(pred < 0.1, 0.01, pred)
  gradient, before = compiled(name)(pred, target)
  step = 1e-2 / jnp.abs(gradient).max()
  assert np.all(values(name, pred - step * gradient, target) < np.asarray(before))


def test_alone_without_jit_and_mask_it_equals_compose_with_a_mask_of_ones(name):
  pred, target = clip(8, name), clip(9, name)
  options = {"frozen": FROZEN} if isinstance(LOSSES[name], VggLoss) else {}
  found = LOSSES[name](pred[:2], target[:2], **options)
  np.testing.assert_allclose(found, values(name, pred, target)[:2], rtol=1e-5)


def test_what_stands_where_the_mask_is_0_counts_for_nothing(name):
  target = clip(13, name)
  pred = 0.5 * (clip(12, name) + target)
  mask = jnp.ones((*pred.shape[:-1], 1)).at[:, :, 5:9, 11:].set(0.0).at[0].set(0.0)
  gradient, expected = compiled(name)(pred, target, mask)
  assert np.all(expected[1:] != values(name, pred, target)[1:])
  assert expected[0] < 1e-4 * expected[1]
  assert not np.any(gradient * (1 - mask))
  assert np.any(gradient[1:] != 0)
  wrong = jnp.where(mask > 0, pred, jnp.nan)
  wrong_gradient, found = compiled(name)(wrong, target, mask)
  np.testing.assert_array_equal(found, expected)
  np.testing.assert_array_equal(wrong_gradient, gradient)


def test_eight_devices_equal_one(name):
  assert jax.device_count() >= 8
  mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
  clips = (clip(10, name), clip(11, name))
  gradient, value = compiled(name)(*clips)
  sharded_gradient, sharded_value = compiled(name)(*jax.device_put(clips, sharding))
  assert sharded_value.sharding.is_equivalent_to(sharding, 1)
  np.testing.assert_allclose(sharded_value, value, rtol=1e-5)
  # Behind a rectifier a rounding may switch a pixel on or off.
  kinks = 1e-3 if isinstance(LOSSES[name], VggLoss) else 1e-5
  largest = float(jnp.abs(gradient).max())
  np.testing.assert_allclose(sharded_gradient, gradient, rtol=1e-3, atol=kinks * largest)


def test_wrong_shape_names_both(name):
  with pytest.raises(ValueError, match=r"\(8, 1, 24, 28, 3\).*\(8, 1, 24, 27, 3\)"):
    LOSSES[name](clip(0), clip(1)[:, :, :, :27])
  with pytest.raises(ValueError, match=r"b, t, h, w, c"):
    LOSSES[name](clip(0)[:, 0], clip(1)[:, 0])
  with pytest.raises(ValueError, match=r"mask \(8, 1, 24, 28\).*\(8, 1, 24, 28, 1\)"):
    LOSSES[name](clip(0), clip(1), mask=clip(2)[..., 0])
