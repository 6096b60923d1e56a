"""Shifts against a loop from the definition, and phase correlation against scikit-image."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import skimage.registration
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.ops.warp import phase_correlate, translate, valid_area


def _smooth(seed=0, shape=(90, 120)):
  noise = np.random.default_rng(seed).standard_normal(shape)
  picture = scipy.ndimage.gaussian_filter(noise, 2.0, mode="wrap")
  return (picture / picture.std()).astype(np.float32)


def _fourier_shift(picture, shift):
  spectrum = scipy.ndimage.fourier_shift(np.fft.fft2(picture), shift[::-1])
  return np.fft.ifft2(spectrum).real


def test_translate_is_the_lanczos_sum():
  picture = np.random.default_rng(0).standard_normal((20, 24)).astype(np.float32)
  dx, dy = 1.3, -2.6
  moved = translate(picture, (dx, dy))

  def weights(center):
    taps = np.arange(int(np.floor(center)) - 2, int(np.floor(center)) + 4)
    kernel = np.sinc(taps - center) * np.sinc((taps - center) / 3)
    return taps, kernel / kernel.sum()

  for y, x in [(10, 10), (8, 15), (12, 7)]:
    xs, wx = weights(x - dx)
    ys, wy = weights(y - dy)
    expected = sum(
      a * b * picture[row, column]
      for row, a in zip(ys, wy, strict=True)
      for column, b in zip(xs, wx, strict=True)
    )
    assert moved[y, x] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shift", [(0.25, 0.5), (-3.7, 1.2), (6.0, -0.4)])
def test_translate_of_a_smooth_picture_is_the_ideal_shift(shift):
  picture = _smooth()
  ideal = _fourier_shift(picture, shift)
  linear = scipy.ndimage.shift(picture, shift[::-1], order=1)
  errors = [
    np.abs((moved - ideal)[12:-12, 12:-12]).max() for moved in (translate(picture, shift), linear)
  ]
  assert errors[0] < 0.03  # of a standard deviation of the picture
  assert errors[0] < 0.25 * errors[1]


def test_whole_pixels_are_copied_and_the_border_is_mirrored():
  picture = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
  moved = translate(picture, (2, -3))
  np.testing.assert_array_equal(moved[:-3, 2:], picture[3:, :-2])
  np.testing.assert_array_equal(moved[:-3, :2], picture[3:, 2:0:-1])


@settings(deadline=None, max_examples=30)
@given(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_flat_stays_flat_and_full_scale_does_not_wrap(dx, dy, dtype):
  flat = np.full((16, 18), 200, dtype)
  np.testing.assert_allclose(translate(flat, (dx, dy)), flat, rtol=1e-6)
  edge = np.zeros((16, 18), np.uint8)
  edge[:, 9:] = 255
  step = np.diff(translate(edge, (dx, 0.0))[:, 6:12].astype(int), axis=1)
  assert step.min() > -40  # overshoot is clipped, not wrapped round to 0


@settings(deadline=None, max_examples=30)
@given(st.floats(-6, 6), st.floats(-6, 6))
def test_valid_area_is_where_the_outside_does_not_matter(dx, dy):
  picture = np.random.default_rng(1).standard_normal((24, 28)).astype(np.float32)
  valid = valid_area(24, 28, (dx, dy))
  padded = np.pad(picture, 16, constant_values=1e3)
  inside = translate(padded, (dx, dy))[16:-16, 16:-16]
  np.testing.assert_allclose(translate(picture, (dx, dy))[valid], inside[valid], atol=1e-3)
  assert valid.sum() >= (24 - 6 - abs(dx)) * (28 - 6 - abs(dy)) - 1


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.37, -0.81), (-2.25, 3.6), (4.5, 1.13)])
def test_phase_correlation_finds_the_shift_as_scikit_image_does(shift):
  big = _smooth(shape=(140, 180))
  reference = big[20:110, 20:140]
  moving = _fourier_shift(big, (-shift[0], -shift[1]))[20:110, 20:140].astype(np.float32)
  found = np.zeros(2)
  for _ in range(3):
    step, _ = phase_correlate(reference, translate(moving, tuple(found)))
    found += step
  window = cv2.createHanningWindow((120, 90), cv2.CV_32F)
  theirs, *_ = skimage.registration.phase_cross_correlation(
    reference * window, moving * window, upsample_factor=50, normalization=None
  )
  np.testing.assert_allclose(found, shift, atol=0.03)
  np.testing.assert_allclose(found, theirs[::-1], atol=0.2)  # they keep the window's bias


@pytest.mark.parametrize("shift", [(0.45, 0.45), (-0.45, -0.45), (0.45, -0.45), (-0.45, 0.45)])
def test_one_look_finds_a_part_of_a_pixel_in_every_direction(shift):
  big = skimage.data.camera()[150:290, 150:330].astype(np.float32)
  moving = _fourier_shift(big, (-shift[0], -shift[1]))[20:110, 20:140].astype(np.float32)
  found, _ = phase_correlate(big[20:110, 20:140], moving)
  np.testing.assert_allclose(found, shift, atol=0.02)


def test_noise_is_borne_better_than_by_opencv():
  """A signal-to-noise ratio of 1/2 at every pixel, in one of the pictures."""
  rng = np.random.default_rng(2)
  window = cv2.createHanningWindow((120, 90), cv2.CV_32F)
  ours, theirs = [], []
  for seed in range(12):
    big = _smooth(seed, (140, 180))
    shift = rng.uniform(-1, 1, 2)
    clean = _fourier_shift(big, -shift)[20:110, 20:140].astype(np.float32)
    noisy = big[20:110, 20:140] + 2 * rng.standard_normal((90, 120), np.float32)
    found, height = phase_correlate(noisy, clean)
    assert 0 < height < 0.9
    ours.append(np.hypot(*(np.array(found) - shift)))
    theirs.append(np.hypot(*(cv2.phaseCorrelate(clean, noisy, window)[0] - shift)))
  assert np.median(ours) < 0.15
  assert np.median(ours) < 0.7 * np.median(theirs)


def test_height_of_the_peak_and_the_limit():
  picture, other = _smooth(0), _smooth(1)
  shift, height = phase_correlate(picture, picture)
  np.testing.assert_allclose(shift, 0, atol=1e-4)
  assert height == pytest.approx(1, abs=1e-3)
  assert phase_correlate(picture, other)[1] < 0.5
  moved = translate(_smooth(shape=(90, 120)), (20, 0))
  assert phase_correlate(moved, picture)[0][0] > 15
  assert abs(phase_correlate(moved, picture, limit=5)[0][0]) < 6.1


@pytest.mark.parametrize("height", range(88, 92))
@pytest.mark.parametrize("width", range(117, 121))
def test_a_shift_as_large_as_the_limit_at_even_and_odd_sizes(height, width):
  big = _smooth(shape=(height + 10, width + 10))
  for right, down in ((2, -3), (-3, 2), (3, 3)):
    moving = big[5 - down :, 5 - right :][:height, :width]
    found, top = phase_correlate(big[5:-5, 5:-5], moving, limit=3)
    np.testing.assert_allclose(found, (-right, -down), atol=0.25)  # less for the window
    assert top > 0.7
  further = translate(big, (3.4, -3.4))  # the limit is of the pixel from which it is refined
  found, _ = phase_correlate(further[5:-5, 5:-5], big[5:-5, 5:-5], limit=3)
  np.testing.assert_allclose(found, (3.4, -3.4), atol=0.2)


@pytest.mark.parametrize("shape", [(7, 8), (8, 7), (10, 12), (9, 11)])
def test_phase_correlation_is_the_top_of_the_whole_fourier_series(shape):
  """Summed over all frequencies on a fine grid, in float64."""
  rng = np.random.default_rng(5)
  big = rng.standard_normal((shape[0] + 2, shape[1] + 2)).astype(np.float32)
  pictures = big[1:-1, 1:-1], big[1:-1, :-2] + 0.3 * big[1:-1, 1:-1]
  window = np.outer(*(np.hanning(n + 2)[1:-1] for n in shape))
  first, second = (np.fft.fft2((p - (p * window).sum() / window.sum()) * window) for p in pictures)
  cross = first * np.conj(second)
  y, x = np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")
  cross *= np.exp(-(x * x + y * y) / (2 * 0.3**2)) / np.sqrt(np.abs(cross) + 1e-30)
  (right, down), top = phase_correlate(*pictures, bandwidth=0.3)

  def height(dx, dy):
    return (cross * np.exp(2j * np.pi * (x * dx + y * dy))).sum().real / np.abs(cross).sum()

  steps = np.linspace(-0.3, 0.3, 13)
  around = {(dx, dy): height(right + dx, down + dy) for dx in steps for dy in steps}
  assert max(around, key=around.__getitem__) == pytest.approx((0, 0), abs=1e-9)
  assert top == pytest.approx(height(right, down), abs=1e-4)


def test_flat_pictures_have_no_shift_and_sizes_must_agree():
  flat = np.ones((20, 30), np.float32)
  shift, height = phase_correlate(flat, flat)
  assert np.all(np.isfinite(shift))
  assert height == 0
  with pytest.raises(ValueError, match=r"\(20, 30\) and \(30, 20\)"):
    phase_correlate(flat, flat.T)
