"""Zero-DCE's losses against loops in numpy, written from its equations and from its program.

The program is PyTorch's; what its layers do is taken from PyTorch's documentation: `avg_pool2d`
drops an incomplete last region, `conv2d` with padding 1 has zeros beyond the border.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import zero_reference

# One program each, not one an operation.
spatial_consistency, exposure, color_constancy, illumination_smoothness, zero_dce = (
  jax.jit(getattr(zero_reference, name), static_argnames="released")
  for name in (
    "spatial_consistency",
    "exposure",
    "color_constancy",
    "illumination_smoothness",
    "zero_dce",
  )
)


@pytest.fixture
def clips():
  rng = np.random.default_rng(0)
  return [rng.uniform(size=(2, 2, 34, 50, 3)).astype(np.float32) for _ in range(2)]


def regions(frame, side):
  rows, columns = frame.shape[0] // side, frame.shape[1] // side
  means = np.empty((rows, columns))
  for r, s in np.ndindex(rows, columns):
    means[r, s] = frame[r * side : (r + 1) * side, s * side : (s + 1) * side].mean()
  return means


def naive_spatial(enhanced, dark, released):
  after, before = regions(enhanced, 4), regions(dark, 4)
  rows, columns = after.shape
  total = 0.0
  for r, s in np.ndindex(rows, columns):
    for dr, ds in ((0, 1), (0, -1), (1, 0), (-1, 0)):
      inside = 0 <= r + dr < rows and 0 <= s + ds < columns
      if not inside and not released:
        continue
      pair = [m[r, s] - (m[r + dr, s + ds] if inside else 0.0) for m in (after, before)]
      total += (pair[0] - pair[1]) ** 2 if released else (abs(pair[0]) - abs(pair[1])) ** 2
  return total / (rows * columns)


def over_frames(function, *clips):
  return [
    np.mean([function(*frames) for frames in zip(*c, strict=True)])
    for c in zip(*clips, strict=True)
  ]


@pytest.mark.parametrize("released", [False, True])
def test_spatial_consistency(clips, released):
  expected = over_frames(lambda e, d: naive_spatial(e, d, released), *clips)
  found = spatial_consistency(*map(jnp.asarray, clips), released=released)
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_contrast_turned_round_costs_in_the_program_alone(clips):
  clip = jnp.asarray(clips[0])
  np.testing.assert_allclose(spatial_consistency(1 - clip, clip), [0, 0], atol=1e-9)
  assert np.all(spatial_consistency(1 - clip, clip, released=True) > 1e-3)


@pytest.mark.parametrize("released", [False, True])
def test_exposure(clips, released):
  def naive(frame):
    error = regions(frame, 16) - 0.6
    return np.square(error).mean() if released else np.abs(error).mean()

  found = exposure(jnp.asarray(clips[0]), released=released)
  np.testing.assert_allclose(found, over_frames(naive, clips[0]), rtol=1e-4)


@pytest.mark.parametrize("released", [False, True])
def test_color_constancy(clips, released):
  def naive(frame):
    r, g, b = frame.mean((0, 1))
    squares = np.array([(r - g) ** 2, (r - b) ** 2, (g - b) ** 2])
    return np.sqrt(np.square(squares).sum()) if released else squares.sum()

  found = color_constancy(jnp.asarray(clips[0]), released=released)
  np.testing.assert_allclose(found, over_frames(naive, clips[0]), rtol=1e-3)


@pytest.mark.parametrize("released", [False, True])
def test_illumination_smoothness(released):
  curves = np.random.default_rng(1).normal(size=(2, 1, 6, 7, 24)).astype(np.float32)

  def naive(maps):
    down, across = np.diff(maps, axis=0), np.diff(maps, axis=1)
    if released:
      return 2 * (np.square(down).sum() / (5 * 7) + np.square(across).sum() / (6 * 6))
    total = 0.0
    for channel in range(24):
      total += (np.abs(down[..., channel]).mean() + np.abs(across[..., channel]).mean()) ** 2
    return total / 8

  found = illumination_smoothness(jnp.asarray(curves), released=released)
  np.testing.assert_allclose(found, over_frames(naive, curves), rtol=1e-4)


@pytest.mark.parametrize("released", [False, True])
def test_the_whole_and_its_gradient(clips, released):
  enhanced, dark = map(jnp.asarray, clips)
  curves = jnp.asarray(np.random.default_rng(2).normal(size=(2, 2, 34, 50, 24)), jnp.float32)
  expected = (
    spatial_consistency(enhanced, dark, released=released)
    + 10 * exposure(enhanced, released=released)
    + 5 * color_constancy(enhanced, released=released)
    + 200 * illumination_smoothness(curves, released=released)
  )
  np.testing.assert_allclose(
    zero_dce(enhanced, dark, curves, released=released), expected, rtol=1e-6
  )
  flat = jnp.full_like(enhanced, 0.6)
  gradient = jax.jit(jax.grad(lambda x: zero_dce(x, x, curves, released=released).sum()))(flat)
  assert np.isfinite(gradient).all()


def test_too_small_frames_are_named():
  with pytest.raises(ValueError, match=r"16 x 16.*\(1, 1, 15, 20, 3\)"):
    exposure(jnp.zeros((1, 1, 15, 20, 3)))
