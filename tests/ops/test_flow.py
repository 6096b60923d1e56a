"""Warping against SciPy, and against loops with PyTorch's border of zeros."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from llve_jax.ops import flow as flows
from llve_jax.ops.flow import inside_frame

warp = jax.jit(flows.warp, static_argnames="border")
random_flow = jax.jit(flows.random_flow, static_argnums=(1, 2), static_argnames="scale")


@pytest.fixture
def case():
  rng = np.random.default_rng(0)
  frames = rng.uniform(size=(2, 3, 7, 9, 3)).astype(np.float32)
  flow = rng.normal(scale=4, size=(2, 3, 7, 9, 2)).astype(np.float32)
  return frames, flow


def test_edges_equal_scipy(case):
  frames, flow = case
  found = warp(*map(jnp.asarray, case))
  y, x = np.mgrid[:7, :9]
  for b, t, c in np.ndindex(2, 3, 3):
    places = (y + flow[b, t, ..., 1], x + flow[b, t, ..., 0])
    expected = map_coordinates(frames[b, t, ..., c], places, order=1, mode="nearest")
    np.testing.assert_allclose(found[b, t, ..., c], expected, atol=1e-5)


def test_zeros_outside_equal_loops(case):
  # PyTorch's grid_sample, padding_mode="zeros": each of four neighbours outside counts as 0.
  frames, flow = case
  expected = np.zeros_like(frames)
  for b, t, y, x in np.ndindex(2, 3, 7, 9):
    at_x, at_y = x + flow[b, t, y, x, 0], y + flow[b, t, y, x, 1]
    left, top = int(np.floor(at_x)), int(np.floor(at_y))
    for row in (top, top + 1):
      for column in (left, left + 1):
        if 0 <= row < 7 and 0 <= column < 9:
          weight = (1 - abs(at_y - row)) * (1 - abs(at_x - column))
          expected[b, t, y, x] += weight * frames[b, t, row, column]
  found = warp(*map(jnp.asarray, case), border="zero")
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_flow_changes_nothing_and_a_huge_one_is_border(case):
  frames = jnp.asarray(case[0])
  np.testing.assert_array_equal(warp(frames, jnp.zeros((2, 3, 7, 9, 2))), frames)
  far = jnp.full((2, 3, 7, 9, 2), 1e12)
  np.testing.assert_array_equal(warp(frames, far, border="zero"), jnp.zeros_like(frames))
  np.testing.assert_array_equal(
    warp(frames, far), jnp.broadcast_to(frames[:, :, -1:, -1:], frames.shape)
  )


def test_inside_is_where_the_border_does_not_matter(case):
  frames, flow = map(jnp.asarray, case)
  inside = inside_frame(flow)
  same = warp(frames + 1.0, flow) - warp(frames + 1.0, flow, border="zero")
  assert 0 < inside.sum() < inside.size
  np.testing.assert_allclose(jnp.where(inside, same, 0.0), jnp.zeros_like(frames), atol=1e-5)
  assert np.all(np.any(np.abs(same) > 0, -1)[~np.asarray(inside)[..., 0]])


def test_both_gradients_equal_finite_differences():
  rng = np.random.default_rng(1)
  frames = rng.uniform(size=(4, 5, 2)).astype(np.float32)
  flow = (rng.integers(-2, 2, (4, 5, 2)) + rng.uniform(0.2, 0.8, (4, 5, 2))).astype(np.float32)
  weights = jnp.asarray(rng.normal(size=(4, 5, 2)), jnp.float32)
  total = jax.jit(lambda f, v: jnp.sum(weights * warp(f, v)))
  gradients = jax.grad(total, argnums=(0, 1))(jnp.asarray(frames), jnp.asarray(flow))
  for which in (0, 1):
    for index in [(0, 0, 0), (1, 2, 1), (3, 4, 0)]:
      ends = []
      for sign in (1, -1):
        moved = [frames.copy(), flow.copy()]
        moved[which][index] += sign * 0.05
        ends.append(float(total(*map(jnp.asarray, moved))))
      np.testing.assert_allclose(
        gradients[which][index], (ends[0] - ends[1]) / 0.1, rtol=1e-2, atol=1e-3
      )


def test_flow_of_another_size_is_refused(case):
  with pytest.raises(ValueError, match=r"\(2, 3, 7, 8, 2\).*\(2, 3, 7, 9, 2\)"):
    warp(jnp.asarray(case[0]), jnp.asarray(case[1])[:, :, :, :8])


def test_flow_is_bounded_smooth_and_varied() -> None:
  size, motion = (24, 40), 5.0
  flow = np.asarray(random_flow(jax.random.key(0), 64, size, motion))
  assert flow.shape == (64, *size, 2)
  length = np.linalg.norm(flow, axis=-1)
  assert length.max() <= motion
  assert length.max() > 0.6 * motion  # it uses its range
  assert length.mean(axis=(1, 2)).min() < 0.2 * motion
  for axis in (1, 2):
    change = np.linalg.norm(np.diff(flow, axis=axis), axis=-1)
    assert 0 < change.max() <= 2 * np.pi * motion / 40
  assert np.abs(flow.mean(axis=(0, 1, 2))).max() < 0.5  # to no side in particular
  assert np.all(np.ptp(flow, axis=(1, 2)).max(axis=-1) > 0)  # no mere shift


def test_flow_of_larger_frames_is_the_same_motion() -> None:
  key = jax.random.key(5)
  small, large = (random_flow(key, 3, (12, 16), 2.0, scale=s) for s in (1, 3))
  assert large.shape == (3, 36, 48, 2)
  # The middle one of three pixels lies where the small frame has its pixel.
  np.testing.assert_allclose(large[:, 1::3, 1::3], 3 * small, rtol=1e-4, atol=1e-5)
