"""Consistency losses: SMID's sum, and the moved frames of StableLLVE."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import consistency
from llve_jax.losses.pixel import l1, l2
from llve_jax.ops.flow import warp


@pytest.fixture
def frames():
  rng = np.random.default_rng(0)
  return [jnp.asarray(rng.uniform(size=(2, 1, 8, 10, 3)), jnp.float32) for _ in range(3)]


def test_siamese_is_two_targets_and_a_twentieth_of_agreement(frames):
  first, second, target = frames
  expected = l2(first, target) + l2(second, target) + 0.05 * l2(first, second)
  np.testing.assert_allclose(consistency.siamese(l2, *frames), expected, rtol=1e-6)
  only = consistency.siamese(lambda a, b: jnp.abs(a - b).sum(), first, second, target, weight=0.0)
  np.testing.assert_allclose(only, jnp.abs(first - target).sum() + jnp.abs(second - target).sum())


def whole_shift(dx, dy):
  flow = np.zeros((2, 1, 8, 10, 2), np.float32)
  flow[..., 0], flow[..., 1] = dx, dy
  return jnp.asarray(flow)


def test_a_network_that_works_pixel_by_pixel_is_consistent(frames):
  flow = whole_shift(2, -1) + 0.3  # zeros come in from outside, and stay what the network makes

  def linear(x):
    return 3.0 * x + 0.5

  after = linear(warp(frames[0], flow, border="zero"))
  found = consistency.warp_consistency(after, linear(frames[0]), flow)
  np.testing.assert_allclose(found, [0.0, 0.0], atol=1e-4)
  assert np.all(consistency.warp_consistency(after, linear(frames[0]), flow, released=True) > 0.1)


def test_it_is_twenty_times_l1_of_what_stayed_inside(frames):
  enhanced, moved, _ = frames
  flow = whole_shift(3, 2)
  inner = (moved[:, :, :-2, :-3], enhanced[:, :, 2:, 3:])
  found = consistency.warp_consistency(moved, enhanced, flow)
  np.testing.assert_allclose(found, 20 * l1(*inner), rtol=1e-5)
  released = consistency.warp_consistency(moved, enhanced, flow, released=True)
  padded = jnp.pad(inner[1], ((0, 0), (0, 0), (0, 2), (0, 3), (0, 0)))
  np.testing.assert_allclose(released, 20 * l1(moved, padded), rtol=1e-5)
  mask = jnp.zeros((2, 1, 8, 10, 1)).at[:, :, 1, 1].set(1.0)
  one = consistency.warp_consistency(moved, enhanced, flow, mask=mask, weight=1.0)
  expected = jnp.abs(moved[:, 0, 1, 1] - enhanced[:, 0, 3, 4]).mean(-1)
  np.testing.assert_allclose(one, expected, rtol=1e-5)


def test_both_outputs_are_pulled_together(frames):
  flow = whole_shift(0.4, 0.6)
  gradients = jax.grad(lambda a, b: consistency.warp_consistency(a, b, flow).sum(), argnums=(0, 1))(
    frames[0], frames[1]
  )
  assert all(np.isfinite(g).all() and np.any(g != 0) for g in gradients)


def test_wrong_shapes_are_named(frames):
  with pytest.raises(ValueError, match=r"\(2, 1, 8, 10, 3\).*\(2, 1, 8, 9, 3\)"):
    consistency.warp_consistency(frames[0], frames[1][:, :, :, :9], whole_shift(0, 0))
  with pytest.raises(ValueError, match=r"flow \(2, 1, 8, 9, 2\)"):
    consistency.warp_consistency(frames[0], frames[1], whole_shift(0, 0)[:, :, :, :9])
