"""Darkness obeys its own physics; the same seed gives the same bits."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage
import skimage.color
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.errors import UserError
from llve_jax.ops import degrade
from llve_jax.ops.degrade import Degradation

NOISY = Degradation(
  exposure=0.1,
  red_gain=1.1,
  blue_gain=0.9,
  shot_noise=4e-4,
  read_noise=1e-3,
  row_noise=5e-4,
  blur_length=3.0,
  shutter=0.5,
)


def _frames(seed=0, shape=(3, 20, 31, 3)):
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _light(frames):
  """Linear light by scikit-image: Y of grey pixels, one channel at a time."""
  grey = np.repeat(frames.reshape(-1, 1) / 255, 3, axis=1)
  return skimage.color.rgb2xyz(grey)[:, 1].reshape(frames.shape)


def test_defaults_change_nothing():
  frames = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
  np.testing.assert_array_equal(
    degrade.apply(frames, Degradation(), np.random.default_rng(0)), frames
  )


def test_same_seed_same_bits_other_seed_other_bits():
  frames = _frames()
  first = degrade.apply(frames, NOISY, np.random.default_rng(1))
  again = degrade.apply(frames, NOISY, np.random.default_rng(1))
  other = degrade.apply(frames, NOISY, np.random.default_rng(2))
  np.testing.assert_array_equal(first, again)
  assert np.any(first != other)


def test_noise_is_fresh_in_every_frame():
  frames = np.full((2, 40, 40, 3), 128, np.uint8)
  dark = degrade.apply(frames, NOISY, np.random.default_rng(0)).astype(float)
  # Both frames share the white-balance pattern over channels; remove it before comparing.
  residual = dark - dark.mean(axis=(1, 2), keepdims=True)
  correlation = np.corrcoef(residual[0].ravel(), residual[1].ravel())[0, 1]
  assert abs(correlation) < 4 / np.sqrt(residual[0].size)


@settings(deadline=None, max_examples=20)
@given(exposure=st.floats(1 / 30, 1.0), code=st.integers(60, 255))
def test_mean_light_drops_by_the_exposure(exposure, code):
  frames = np.full((1, 64, 64, 3), code, np.uint8)
  degradation = Degradation(exposure=exposure, shot_noise=3e-4, read_noise=1e-3)
  light = degrade.LINEAR_OF_CODE[frames[0]] * np.float32(exposure)
  noisy = degrade.add_noise(light, degradation, np.random.default_rng(0))
  expected = _light(frames).mean() * exposure
  spread = np.sqrt((3e-4 * expected + 1e-6) / light.size)
  assert abs(noisy.mean() - expected) < 5 * spread + 1e-6


def test_mean_light_of_the_8_bit_result_drops_by_exposure_and_gains():
  frames = _frames(shape=(2, 64, 64, 3))
  degradation = Degradation(exposure=1 / 8, red_gain=1.15, blue_gain=0.85, shot_noise=1e-4)
  dark = degrade.apply(frames, degradation, np.random.default_rng(0))
  expected = _light(frames).mean(axis=(0, 1, 2)) * np.array([1.15, 1, 0.85]) / 8
  np.testing.assert_allclose(_light(dark).mean(axis=(0, 1, 2)), expected, rtol=0.01)


@pytest.mark.parametrize("shot_noise", [2e-4, 1e-3])
@pytest.mark.parametrize("read_noise", [1e-3, 4e-3])
def test_variance_is_affine_in_light(shot_noise, read_noise):
  degradation = Degradation(shot_noise=shot_noise, read_noise=read_noise)
  levels = np.array([0.02, 0.05, 0.1, 0.2, 0.5])
  rng = np.random.default_rng(0)
  variances = [
    degrade.add_noise(np.full((200, 200, 3), level, np.float32), degradation, rng).var()
    for level in levels
  ]
  expected = shot_noise * levels + read_noise**2
  # The relative spread of a variance over n values is sqrt(2 / n): 0.4 % here.
  np.testing.assert_allclose(variances, expected, rtol=0.025)


def test_shot_noise_counts_whole_electrons():
  light = np.full((50, 50, 3), 0.01, np.float32)
  noisy = degrade.add_noise(light, Degradation(shot_noise=2e-3), np.random.default_rng(0))
  electrons = noisy / 2e-3
  np.testing.assert_allclose(electrons, np.round(electrons), atol=1e-4)
  assert 4.8 < electrons.mean() < 5.2


def test_row_noise_is_one_offset_per_row():
  light = np.full((400, 30, 3), 0.5, np.float32)
  noisy = degrade.add_noise(light, Degradation(row_noise=2e-3), np.random.default_rng(0))
  np.testing.assert_array_equal(noisy, np.broadcast_to(noisy[:, :1, :1], noisy.shape))
  assert 1.75e-3 < noisy[:, 0, 0].std() < 2.25e-3


def test_noise_amplitude_survives_gamma_and_8_bits():
  # A flat grey patch through the whole chain; the slope of the sRGB curve turns the standard
  # deviation of light into one of codes.
  frames = np.full((1, 128, 128, 3), 188, np.uint8)
  degradation = Degradation(exposure=0.2, shot_noise=2e-3, read_noise=2e-3)
  dark = degrade.apply(frames, degradation, np.random.default_rng(0))
  light = _light(frames).mean() * 0.2
  slope = 255 * 1.055 / 2.4 * light ** (1 / 2.4 - 1)
  expected = slope * np.sqrt(2e-3 * light + 4e-6)
  assert dark.std() == pytest.approx(expected, rel=0.05)


@settings(deadline=None, max_examples=50)
@given(
  seed=st.integers(0, 2**31), length=st.floats(0.1, 60.0), shutter=st.sampled_from([0.01, 0.5, 1.0])
)
def test_point_spread_sums_to_one_and_is_centred(seed, length, shutter):
  path = degrade.shake_trajectory(np.random.default_rng(seed), length, shutter=shutter)
  kernel = degrade.point_spread(path)
  assert kernel.shape[0] == kernel.shape[1]
  assert kernel.shape[0] % 2 == 1
  assert kernel.min() >= 0
  assert kernel.sum() == pytest.approx(1, abs=1e-5)
  middle = kernel.shape[0] // 2
  np.testing.assert_allclose(
    scipy.ndimage.center_of_mass(kernel.astype(np.float64)), middle, atol=1e-4
  )


def test_trajectory_has_the_length_asked_for_and_turns():
  path = degrade.shake_trajectory(np.random.default_rng(3), 25.0)
  np.testing.assert_allclose(np.abs(np.diff(path)).sum(), 25.0)
  assert abs(path[-1] - path[0]) < 24.0
  half = degrade.shake_trajectory(np.random.default_rng(3), 25.0, shutter=0.5)
  np.testing.assert_array_equal(half, path[:256])


def test_point_spread_of_a_known_path():
  # Three points on a row: the middle one at the centre, the others half a pixel off it.
  kernel = degrade.point_spread(np.array([-0.5, 0.0, 0.5], np.complex128))
  expected = np.zeros((3, 3))
  expected[1] = [1 / 6, 4 / 6, 1 / 6]
  np.testing.assert_allclose(kernel, expected, atol=1e-7)
  np.testing.assert_array_equal(degrade.point_spread(np.zeros(4, np.complex128)).sum(), 1)


def test_blur_equals_scipy_convolution():
  light = np.random.default_rng(0).random((24, 30, 3)).astype(np.float32)
  path = degrade.shake_trajectory(np.random.default_rng(1), 9.0)
  kernel = degrade.point_spread(path)
  expected = scipy.ndimage.convolve(light, kernel[..., None], mode="mirror")
  np.testing.assert_allclose(degrade.blur(light, kernel), expected, atol=1e-5)


def test_blur_acts_on_light_not_on_codes():
  # Black and white stripes blur to half the light, which is code 188, not 128.
  frames = np.zeros((1, 33, 32, 3), np.uint8)
  frames[:, :, ::2] = 255
  kernel = np.array([[0, 0, 0], [0.25, 0.5, 0.25], [0, 0, 0]], np.float32)
  light = degrade.blur(degrade.LINEAR_OF_CODE[frames[0]], kernel)
  np.testing.assert_allclose(light[:, 2:-2], 0.5, atol=1e-6)


def test_draw_is_log_uniform_and_within_its_ranges():
  rng = np.random.default_rng(0)
  draws = [
    degrade.draw(rng, exposure=(0.01, 1.0), blur_length=(1.0, 2.0), shutter=(0.2, 0.4))
    for _ in range(2000)
  ]
  exposures = np.array([d.exposure for d in draws])
  assert exposures.min() >= 0.01
  assert exposures.max() <= 1.0
  # Log-uniform: the median is the geometric mean of the ends.
  assert np.mean(exposures < 0.1) == pytest.approx(0.5, abs=0.05)
  assert all(0.85 <= d.red_gain <= 1.15 and 0.85 <= d.blue_gain <= 1.15 for d in draws)
  assert all(1 <= d.blur_length <= 2 and 0.2 <= d.shutter <= 0.4 for d in draws)


def test_strata_cut_the_exposure_range_evenly():
  edges = np.geomspace(1 / 24, 1 / 6, 4)
  for k in range(3):
    rng = np.random.default_rng(k)
    exposures = [degrade.draw(rng, stratum=(k, 3)).exposure for _ in range(200)]
    assert min(exposures) >= edges[k] - 1e-12
    assert max(exposures) <= edges[k + 1] + 1e-12
    assert max(exposures) / min(exposures) > 0.9 * edges[1] / edges[0]


def test_the_stratum_changes_nothing_but_the_exposure():
  low, high = (degrade.draw(np.random.default_rng(5), stratum=(k, 2)) for k in range(2))
  assert low.exposure < high.exposure
  assert dataclasses.replace(low, exposure=high.exposure) == high


@pytest.mark.parametrize(
  ("ranges", "message"),
  [
    ({"exposure": (0.5, 0.1)}, "exposure"),
    ({"shot_noise": (0.0, 0.1)}, "shot_noise"),
    ({"blur_length": (-1.0, 0.0)}, "blur_length"),
    ({"stratum": (3, 3)}, "stratum"),
  ],
)
def test_impossible_ranges_are_named(ranges, message):
  with pytest.raises(UserError, match=message):
    degrade.draw(np.random.default_rng(0), **ranges)


@pytest.mark.parametrize(
  "frames", [np.zeros((2, 4, 4, 3), np.float32), np.zeros((4, 4, 3), np.uint8)]
)
def test_other_frames_are_refused(frames):
  with pytest.raises(UserError, match="uint8 frames"):
    degrade.apply(frames, Degradation(), np.random.default_rng(0))


def test_impossible_shutter_is_refused():
  with pytest.raises(UserError, match="shutter"):
    degrade.shake_trajectory(np.random.default_rng(0), 3.0, shutter=0.0)
