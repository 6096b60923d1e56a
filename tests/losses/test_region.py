"""Region losses against loops in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import region


@pytest.fixture
def clips():
  rng = np.random.default_rng(0)
  return [rng.uniform(size=(2, 2, 7, 9, 3)).astype(np.float32) for _ in range(2)]


def naive(pred, target, dark, mask=None):
  """Sums element by element; dark and mask [b, t, h, w, c]."""
  losses = []
  for b in range(len(pred)):
    sums, counts = [0.0, 0.0], [0.0, 0.0]
    for index in np.ndindex(pred.shape[1:]):
      weight = 1.0 if mask is None else float(mask[b][index])
      part = 0 if dark[b][index] else 1
      sums[part] += weight * abs(float(pred[b][index]) - float(target[b][index]))
      counts[part] += weight
    losses.append(4 * sums[0] / (1 + counts[0]) + sums[1] / (1 + counts[1]))
  return losses


def darkest(target, keep=None):
  """The 40 % quantile by sorting, with linear interpolation; whole pixels are dark or not."""
  dark = np.zeros(target.shape, bool)
  for b, clip in enumerate(target):
    luma = clip @ np.array([0.299, 0.587, 0.114], np.float32)
    known = np.sort(luma[keep[b]] if keep is not None else luma, axis=None)
    place = 0.4 * (known.size - 1)
    low, high = known[int(place)], known[min(int(place) + 1, known.size - 1)]
    dark[b] = (luma <= low + (place - int(place)) * (high - low))[..., None]
  return dark


def test_region_equals_numpy(clips):
  pred, target = clips
  found = region.region_quantile(*map(jnp.asarray, clips))
  np.testing.assert_allclose(found, naive(pred, target, darkest(target)), rtol=1e-5)


def test_region_of_trusted_pixels_equals_numpy(clips):
  pred, target = clips
  mask = np.ones((2, 2, 7, 9, 1), np.float32)
  mask[0, :, 2:5], mask[1, 0] = 0, 0
  dark = darkest(target, mask[..., 0] > 0)
  expected = naive(pred, target, dark, np.broadcast_to(mask, pred.shape))
  found = region.region_quantile(*map(jnp.asarray, clips), mask=jnp.asarray(mask))
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_dark_are_four_tenths_and_cost_four_times_as_much():
  ramp = jnp.linspace(0.0, 1.0, 100).reshape(1, 1, 10, 10, 1)
  found = region.region_quantile(ramp + 0.1, ramp)
  np.testing.assert_allclose(found, [0.1 * (4 * 40 / 41 + 60 / 61)], rtol=1e-5)


@pytest.mark.parametrize("threshold", [0.03, 0.3, 0.7])
def test_fixed_threshold_is_of_the_prediction_and_per_colour(clips, threshold):
  pred, target = clips
  found = region.region_fixed(*map(jnp.asarray, clips), threshold)
  np.testing.assert_allclose(found, naive(pred, target, pred < np.float32(threshold)), rtol=1e-5)


def test_a_prediction_can_game_its_own_mask_but_not_the_targets():
  target = jnp.full((1, 1, 8, 8, 3), 0.01)
  dark, lifted = jnp.full_like(target, 0.02), jnp.full_like(target, 0.035)
  assert region.region_fixed(lifted, target) < region.region_fixed(dark, target)  # worse, cheaper
  assert region.region_quantile(lifted, target) > region.region_quantile(dark, target)


def test_adaptive_threshold_grows_to_its_cap_while_little_is_dark(clips):
  pred, target = map(jnp.asarray, clips)
  step = jax.jit(region.region_adaptive)
  threshold, expected = jnp.float32(region.ADAPTIVE_START), 0.03
  for _ in range(40):
    found, following = step(pred, target, threshold)
    np.testing.assert_allclose(found, region.region_fixed(pred, target, threshold), rtol=1e-6)
    if np.mean(np.asarray(pred) < expected) < 0.4:
      expected = min(expected * 1.1, 0.7)
    threshold = following
    np.testing.assert_allclose(threshold, expected, rtol=1e-5)
  assert 0.3 < expected < 0.5  # where four tenths of uniform values are below
  for _ in range(10):
    threshold = step(pred + 1.0, target, threshold)[1]
  np.testing.assert_allclose(threshold, 0.7, rtol=1e-6)
  assert step(jnp.zeros_like(pred), target, jnp.float32(0.1))[1] == np.float32(0.1)


def test_mbllens_program_equals_numpy(clips):
  pred, target = clips
  grey = pred[..., 0] * 0.39 + pred[..., 1] * 0.5 + pred[..., 2] * 0.11
  expected = []
  for b in range(2):
    total = 0.0
    for t in range(2):
      dark = (grey[b, t] <= np.quantile(grey[b, t], 0.4))[..., None]
      error = pred[b, t] - target[b, t]
      total += (4 * np.abs(dark * error) + np.abs((1 - dark) * error)).mean() / 2
    expected.append(total)
  found = region.region_mbllen_released(*map(jnp.asarray, clips))
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_demosaicing_keeps_what_was_measured_and_a_flat_colour() -> None:
  flat = jnp.broadcast_to(jnp.asarray([0.2, 0.5, 0.8]), (1, 1, 6, 8, 3))
  rows, columns = jnp.arange(6)[:, None] % 2, jnp.arange(8)[None] % 2
  plane = jnp.take_along_axis(flat, (rows + columns)[None, None, ..., None], axis=-1)[..., 0]
  np.testing.assert_allclose(region.demosaic_rggb(plane), flat, atol=1e-6)


def test_the_region_of_the_input_is_its_darkest_two_fifths() -> None:
  """Dark rows count 4 times; the norm over three equal colours is sqrt(3) times the error."""
  low = jnp.arange(10, dtype=jnp.float32).reshape(1, 1, 10, 1, 1) / 10
  low = jnp.broadcast_to(low, (1, 1, 10, 4, 3))
  target = jnp.zeros((1, 1, 10, 4, 3))
  pred = target.at[:, :, :4].add(0.1).at[:, :, 4:].add(0.2)
  expected = (4 * 0.1 + 0.2) * 3**0.5
  np.testing.assert_allclose(region.region_input(pred, target, low), expected, rtol=1e-5)
  # What the prediction has in the dark says nothing: the same error, other brightness.
  lifted = region.region_input(pred + 0.5, target + 0.5, low)
  np.testing.assert_allclose(lifted, expected, rtol=1e-5)
  with pytest.raises(ValueError, match="as large as the target"):
    region.region_input(pred, target, low[:, :, :4])
