"""A camera adds the noise it says, where it says, and renders as it says."""

import numpy as np
import pytest
import skimage.color

from llve_jax.ops import camera
from llve_jax.ops.camera import Camera

FILTERS = np.array([[0.7, 0.25, 0.05], [0.12, 0.73, 0.15], [0.03, 0.22, 0.75]])


def _rng(seed=0):
  return np.random.default_rng(seed)


def _flat(level, shape=(128, 128)):
  return np.full((*shape, 3), level, np.float32)


def _sensed(level, shape=(128, 128), seed=0, fixed=None, **kwargs):
  return camera._sense(_flat(level, shape), Camera(**kwargs), _rng(seed), fixed).astype(float)


def test_tone_is_srgb_to_a_twentieth_of_a_code():
  light = np.linspace(0, 1, 100_001, dtype=np.float32).reshape(-1, 1)
  knee = 0.0031308
  expected = np.where(
    light <= knee, 12.92 * light, 1.055 * light.astype(float) ** (1 / 2.4) - 0.055
  )
  np.testing.assert_allclose(camera.tone(light) * 255, expected * 255, atol=0.05)
  np.testing.assert_allclose(camera.tone(np.array([[-1.0, 2.0]], np.float32)), [[0, 1]], atol=1e-6)


def test_gaussian_numbers_are_normal_and_seeded():
  numbers = camera.gaussian(_rng(), (400, 500)).astype(float)
  assert abs(numbers.mean()) < 4 / np.sqrt(numbers.size)
  assert numbers.std() == pytest.approx(1, abs=0.01)
  assert ((numbers**4).mean(), (numbers**3).mean()) == pytest.approx((3, 0), abs=0.1)
  np.testing.assert_array_equal(numbers, camera.gaussian(_rng(), (400, 500)))
  other = camera.gaussian(_rng(1), (400, 500))
  assert abs(np.corrcoef(numbers.ravel(), other.ravel())[0, 1]) < 0.01


def test_the_plain_camera_only_rounds():
  codes = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
  light = skimage.color.rgb2xyz(codes.reshape(-1, 3) / 255)[:, 1].reshape(16, 16, 1)
  light = np.repeat(light, 3, axis=2).astype(np.float32)
  np.testing.assert_array_equal(camera.take(light, Camera(), _rng()), codes)


@pytest.mark.parametrize("level", [0.01, 0.3])
def test_noise_has_the_variance_that_physics_wants(level):
  gains, shot, read = np.array([2.0, 1.0, 1.6]), 4e-4, 1e-3
  found = _sensed(level, white_balance=tuple(gains), shot_noise=shot, read_noise=read)
  of_sensor = (shot * level / gains + read**2) * gains**2
  inverse = np.linalg.inv(FILTERS)
  expected = inverse @ np.diag(of_sensor) @ inverse.T
  covariance = np.cov(found.reshape(-1, 3).T)
  np.testing.assert_allclose(covariance, expected, rtol=0.08, atol=0.03 * expected.max())
  np.testing.assert_allclose(found.mean(axis=(0, 1)), level, atol=5 * np.sqrt(expected.max()) / 128)


def test_rows_share_their_offset_and_change_with_the_frame():
  first, second = (_sensed(0.2, row_noise=0.01, seed=seed) for seed in (0, 1))
  assert np.ptp(first, axis=1).max() < 1e-5
  assert first[:, 0, 1].std() == pytest.approx(0.01, rel=0.25)
  assert np.abs(first - second).max() > 0.01


def test_the_fixed_pattern_stays():
  fixed = camera.gaussian(_rng(5), (128, 128))
  first, second = (_sensed(0.2, fixed_noise=0.01, fixed=fixed, seed=seed) for seed in (0, 1))
  np.testing.assert_array_equal(first, second)
  np.testing.assert_allclose(first.mean(axis=-1), 0.2 + 0.01 * fixed, atol=1e-5)


def test_a_mosaic_keeps_even_areas_and_correlates_noise():
  gains = (2.0, 1.0, 1.6)
  calm = _sensed(0.3, mosaic=True, white_balance=gains)
  np.testing.assert_allclose(calm, 0.3, atol=1e-4)
  noisy = _sensed(0.3, mosaic=True, white_balance=gains, read_noise=0.01) - 0.3
  white = _sensed(0.3, white_balance=gains, read_noise=0.01) - 0.3

  def neighbours(field):
    return np.corrcoef(field[:, 1:, 0].ravel(), field[:, :-1, 0].ravel())[0, 1]

  assert neighbours(noisy) > 0.3
  assert abs(neighbours(white)) < 0.05


def test_a_mosaic_keeps_colours_in_place():
  light = _flat(0.1, (32, 32))
  light[:, 16:] = (0.4, 0.1, 0.05)
  found = camera._sense(light, Camera(mosaic=True, white_balance=(2.0, 1.0, 1.6)), _rng(), None)
  np.testing.assert_allclose(found[:, :12], light[:, :12], atol=2e-4)
  np.testing.assert_allclose(found[:, 20:], light[:, 20:], atol=2e-4)


def test_odd_sizes_have_a_mosaic_too():
  frame = camera.take(_flat(0.2, (31, 45)), Camera(mosaic=True, read_noise=1e-3), _rng())
  assert frame.shape == (31, 45, 3)


def test_stray_light_lifts_black_and_leaves_white():
  lifted = Camera(black=(5.0, 2.0, 3.0))
  np.testing.assert_array_equal(camera.take(_flat(0.0), lifted, _rng())[0, 0], (5, 2, 3))
  grey = camera.take(_flat(0.2140), Camera(black=(25.0, 0.0, 5.0)), _rng())[0, 0]
  np.testing.assert_array_equal(grey, (140, 127, 130))  # of 127.5
  np.testing.assert_array_equal(camera.take(_flat(1.0), lifted, _rng())[0, 0], 255)


def test_denoising_smooths_and_sharpening_does_the_opposite():
  srgb = np.float32(0.5) + np.float32(0.05) * camera.gaussian(_rng(), (96, 96, 3))
  before = skimage.color.rgb2ycbcr(srgb)

  def spread(**kwargs):
    after = skimage.color.rgb2ycbcr(camera.finish(srgb, Camera(**kwargs)))
    return after.std(axis=(0, 1)) / before.std(axis=(0, 1))

  luma, *chroma = spread(luma_denoise=1.0)
  assert luma < 0.55
  np.testing.assert_allclose(chroma, 1, atol=0.02)
  luma, *chroma = spread(chroma_denoise=2.0)
  assert luma == pytest.approx(1, abs=0.02)
  assert max(chroma) < 0.25  # of white noise 1 / (2 sigma sqrt(pi)) is left: 0.14
  assert spread(sharpen=1.0)[0] > 1.4
  assert camera.finish(srgb, Camera()) is srgb


def test_drawn_cameras_follow_their_chances():
  everything = dict.fromkeys(("noise", "fixed_noise", "mosaic", "black", "denoise", "sharpen"), 1.0)
  nothing = dict.fromkeys(everything, 0.0)
  for seed in range(20):
    plain = camera.draw_camera(_rng(seed), shot_noise=1e-3, most_noise=1.0, **nothing)
    assert camera.take(_flat(0.2), plain, _rng()).std(axis=(0, 1)).max() == 0
    drawn = camera.draw_camera(_rng(seed), shot_noise=1e-3, most_noise=1.0, **everything)
    assert drawn.shot_noise == 1e-3
    # Three deviations around the line of Brooks et al.
    assert 2 * np.log(drawn.read_noise) == pytest.approx(2.18 * np.log(1e-3) + 1.2, abs=1)
    assert 0 < drawn.row_noise < drawn.read_noise > drawn.fixed_noise > 0
    assert drawn.mosaic
    assert min(drawn.luma_denoise, drawn.chroma_denoise) > 0
  limited = camera.draw_camera(_rng(), shot_noise=1e-2, most_noise=1e-4, **everything)
  assert limited.shot_noise == 1e-4


@pytest.mark.parametrize(
  ("noise", "pattern", "found"), [(1.0, 1.0, True), (1.0, 0.0, False), (0.0, 1.0, False)]
)
def test_rows_and_dots_are_of_noisy_sensors_with_a_pattern(noise, pattern, found):
  rest = dict.fromkeys(("mosaic", "black", "denoise", "sharpen"), 0.0)
  for seed in range(5):
    drawn = camera.draw_camera(
      _rng(seed), noise=noise, shot_noise=1e-3, most_noise=1.0, fixed_noise=pattern, **rest
    )
    assert (drawn.row_noise > 0, drawn.fixed_noise > 0) == (found, found)
    assert (drawn.shot_noise > 0, drawn.read_noise > 0) == (noise > 0, noise > 0)
