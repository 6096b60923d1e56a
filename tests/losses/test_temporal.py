"""Temporal losses on clips whose changes are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses.temporal import ACROSS_FRAMES, brightness_flicker, frame_difference


def test_equals_numpy():
  rng = np.random.default_rng(0)
  pred, target = rng.uniform(size=(2, 3, 5, 6, 7, 3))
  means = (pred - target).mean((2, 3))
  expected = np.abs(means[:, 1:] - means[:, :-1]).mean((1, 2))
  found = brightness_flicker(jnp.asarray(pred, jnp.float32), jnp.asarray(target, jnp.float32))
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_the_target_does_and_an_offset_cost_nothing():
  scene = jnp.asarray(np.random.default_rng(1).uniform(size=(1, 4, 6, 6, 3)), jnp.float32)
  np.testing.assert_allclose(brightness_flicker(scene + 0.2, scene), [0.0], atol=1e-6)
  assert brightness_flicker(scene[:, :1], 0 * scene[:, :1]) == 0.0


def test_units_are_srgb_per_frame():
  target = jnp.zeros((1, 3, 4, 4, 3))
  pred = target.at[:, 1].set(0.1)  # up by 0.1 and down again
  np.testing.assert_allclose(brightness_flicker(pred, target), [0.1], rtol=1e-6)


def test_means_are_over_trusted_pixels():
  target = jnp.zeros((1, 2, 2, 2, 1))
  pred = target.at[0, 1, 0, 0].set(0.9).at[0, 1, 1, 1].set(0.3)
  mask = jnp.ones((1, 2, 2, 2, 1)).at[0, 1, 0, 0].set(0.0)
  np.testing.assert_allclose(brightness_flicker(pred, target, mask=mask), [0.1], rtol=1e-6)
  np.testing.assert_allclose(brightness_flicker(pred, target), [0.3], rtol=1e-6)


def test_frame_difference_equals_numpy():
  rng = np.random.default_rng(2)
  pred, target = rng.uniform(size=(2, 3, 5, 6, 7, 3))
  expected = np.abs(np.diff(pred, axis=1) - np.diff(target, axis=1)).mean((1, 2, 3, 4))
  found = frame_difference(jnp.asarray(pred, jnp.float32), jnp.asarray(target, jnp.float32))
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_frame_difference_sees_what_the_mean_brightness_hides():
  target = jnp.zeros((1, 3, 2, 2, 1))
  pred = target.at[0, 1, 0, 0].set(0.4).at[0, 1, 1, 1].set(-0.4)  # there and gone again
  np.testing.assert_allclose(brightness_flicker(pred, target), [0.0], atol=1e-7)
  np.testing.assert_allclose(frame_difference(pred, target), [0.2], rtol=1e-6)


def test_frame_difference_needs_trust_in_both_frames():
  target = jnp.zeros((2, 3, 1, 3, 1))
  pred = target.at[:, 1, 0].set(jnp.array([[0.1], [0.5], [0.9]]))
  mask = jnp.ones((2, 3, 1, 3, 1)).at[0, 0, 0, 2].set(0.0).at[0, 1, 0, 1].set(0.0)
  # First clip: the pixels 0.1 -> 0 twice and 0.9 -> 0 once may be trusted.
  found = frame_difference(pred, target, mask=mask)
  np.testing.assert_allclose(found, [(0.1 + 0.1 + 0.9) / 3, 0.5], rtol=1e-6)


@pytest.mark.parametrize("loss", ACROSS_FRAMES)
def test_one_frame_does_not_change(loss):
  assert loss(jnp.ones((1, 1, 4, 4, 3)), jnp.zeros((1, 1, 4, 4, 3))) == 0.0


def test_a_frame_that_nobody_trusts_is_at_no_offset():
  target = jnp.zeros((1, 3, 4, 4, 3))
  pred = target.at[:, 0].set(0.2).at[:, 1].set(9.0).at[:, 2].set(0.4)
  mask = jnp.ones((1, 3, 4, 4, 1)).at[:, 1].set(0.0)
  flicker = brightness_flicker(pred, target, mask=mask)  # offsets 0.2, 0, 0.4
  np.testing.assert_allclose(flicker, [(0.2 + 0.4) / 2], rtol=1e-5)
