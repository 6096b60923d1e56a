import math

import cv2
import jax
import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize
import scipy.special

from llve_jax.errors import UserError
from llve_jax.metrics import no_reference
from llve_jax.metrics.no_reference import (
  Pristine,
  asymmetric_gaussian,
  block_features,
  fit_pristine,
  load_pristine,
  local_contrast,
  niqe,
)


def photograph(seed: int, rows: int = 288, columns: int = 384) -> np.ndarray:
  """Blobs of all sizes, as natural pictures have them (a spectrum that falls with frequency)."""
  random = np.random.default_rng(seed)
  frequencies = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns))
  spectrum = np.fft.fft2(random.normal(size=(3, rows, columns))) / (frequencies + 2e-3)
  picture = np.real(np.fft.ifft2(spectrum)).transpose(1, 2, 0)
  return np.clip(128 + 45 * picture / picture.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pristine() -> Pristine:
  return fit_pristine(photograph(seed) for seed in range(5))


def draw(shape: float, left: float, right: float, count: int, seed: int) -> np.ndarray:
  """Samples of the asymmetric density: |x| / scale is a gamma variable to the power 1 / shape."""
  random = np.random.default_rng(seed)
  size = random.gamma(1 / shape, size=count) ** (1 / shape)
  below = random.uniform(size=count) < left / (left + right)
  return np.where(below, -left * size, right * size)


@pytest.mark.parametrize(
  ("shape", "left", "right"), [(0.7, 1.0, 1.0), (1.0, 0.5, 2.0), (2.0, 1.5, 0.8), (4.0, 1.0, 1.2)]
)
def test_the_fit_finds_the_parameters_that_samples_were_drawn_with(shape, left, right):
  samples = draw(shape, left, right, 200_000, 0)[None]
  found = [float(value[0]) for value in asymmetric_gaussian(samples)]
  np.testing.assert_allclose(found, (shape, left, right), rtol=0.04)


@pytest.mark.parametrize(("shape", "left", "right"), [(0.9, 0.7, 1.4), (2.2, 1.0, 1.0)])
def test_the_fit_agrees_with_the_likelihood_maximised_by_scipy(shape, left, right):
  samples = draw(shape, left, right, 20_000, 1)

  def cost(parameters: np.ndarray) -> float:
    a, b, c = np.exp(parameters)
    scaled = np.where(samples < 0, -samples / b, samples / c)
    return float(np.mean(scaled**a) + math.log((b + c) * scipy.special.gamma(1 / a) / a))

  best = np.exp(scipy.optimize.minimize(cost, np.zeros(3), method="Nelder-Mead").x)
  found = [float(value[0]) for value in asymmetric_gaussian(samples[None])]
  np.testing.assert_allclose(found, best, rtol=0.08)


def test_the_moments_of_the_fit_are_those_of_the_samples():
  """By brute force over the shapes: the moment equation is solved to the step of 0.001."""
  samples = draw(1.3, 1.0, 0.4, 5_000, 2)
  shape, left, right = (float(value[0]) for value in asymmetric_gaussian(samples[None]))
  widths = [np.sqrt(np.mean(samples[side] ** 2)) for side in (samples < 0, samples > 0)]
  gamma = scipy.special.gamma
  np.testing.assert_allclose(
    [left, right], np.multiply(widths, np.sqrt(gamma(1 / shape) / gamma(3 / shape))), rtol=1e-9
  )
  g = widths[0] / widths[1]
  observed = np.mean(np.abs(samples)) ** 2 / np.mean(samples**2)
  observed *= (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
  shapes = np.linspace(0.2, 10, 9801)
  errors = np.abs(gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes)) - observed)
  assert shape == pytest.approx(shapes[errors.argmin()], abs=1e-9)


def test_local_contrast_equals_scipy():
  grey = np.random.default_rng(0).uniform(0, 255, (20, 31))
  offsets = np.arange(-3, 4)
  window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (7 / 6) ** 2))
  window /= window.sum()
  mean = scipy.ndimage.correlate(grey, window, mode="nearest")
  deviation = np.sqrt(scipy.ndimage.correlate(grey**2, window, mode="nearest") - mean**2)
  normalised, found = local_contrast(grey)
  np.testing.assert_allclose(found, deviation, rtol=1e-8)
  np.testing.assert_allclose(normalised, (grey - mean) / (deviation + 1), rtol=0, atol=1e-8)


def test_half_the_size_equals_jax_away_from_the_border():
  grey = np.random.default_rng(1).uniform(0, 255, (24, 40))
  expected = jax.image.resize(grey.astype(np.float32), (12, 20), "cubic", antialias=True)
  found = no_reference._half(grey)
  np.testing.assert_allclose(found[2:-2, 2:-2], expected[2:-2, 2:-2], rtol=1e-5)
  np.testing.assert_allclose(no_reference._half(np.full((8, 6), 7.0)), 7.0, rtol=1e-12)


def test_features_of_a_block_are_in_the_order_of_the_paper():
  image = photograph(9, 200, 300)
  features, sharpness = block_features(image)
  assert features.shape == (2 * 3, 36)
  assert sharpness.shape == (6,)
  grey = np.floor(image[:192, :288] @ np.array([299, 587, 114]) / 1000 + 0.5)
  normalised, deviation = local_contrast(grey)
  row, column = 1, 2
  inside = np.s_[row * 96 : row * 96 + 96, column * 96 : column * 96 + 96]
  block, gamma = normalised[inside], scipy.special.gamma
  shape, left, right = (float(v[0]) for v in asymmetric_gaussian(block.reshape(1, -1)))
  expected = [shape, (left + right) / 2]
  for rows, columns in ((0, 1), (1, 0), (1, 1), (1, -1)):
    neighbour = np.empty_like(block)
    for r in range(96):
      for c in range(96):
        neighbour[r, c] = block[(r - rows) % 96, (c - columns) % 96]
    shape, left, right = (
      float(v[0]) for v in asymmetric_gaussian((block * neighbour).reshape(1, -1))
    )
    expected += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
  np.testing.assert_allclose(features[row * 3 + column, :18], expected, rtol=1e-9)
  assert sharpness[row * 3 + column] == pytest.approx(deviation[inside].mean())
  assert not np.allclose(features[:, :18], features[:, 18:], rtol=0.05)


def test_the_distance_is_the_formula():
  image = photograph(11)
  blocks = block_features(image)[0]
  random = np.random.default_rng(0).normal(size=(80, 36))
  model = Pristine(blocks.mean(axis=0) + 1.0, np.cov(random, rowvar=False))
  pooled = (np.cov(blocks, rowvar=False) + model.covariance) / 2
  expected = math.sqrt(np.ones(36) @ np.linalg.solve(pooled, np.ones(36)))
  assert niqe(image, model) == pytest.approx(expected, rel=1e-6)


def test_noise_and_blur_are_further_from_the_model_than_a_clean_picture(pristine):
  clean = photograph(21)
  noise = np.random.default_rng(0).normal(0, 25, clean.shape)
  noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
  blurred = cv2.GaussianBlur(clean, (0, 0), 2.5)
  score = niqe(clean, pristine)
  assert niqe(noisy, pristine) > 1.2 * score
  assert niqe(blurred, pristine) > 1.2 * score


def test_only_sharp_blocks_make_the_model():
  pictures = [photograph(seed) for seed in range(5)]
  flat = [np.concatenate([each, np.full_like(each, 90)]) for each in pictures]
  whole, half = fit_pristine(pictures), fit_pristine(flat)
  assert np.isfinite(half.covariance).all()
  np.testing.assert_allclose(half.mean, whole.mean, atol=0.1)
  every = fit_pristine(pictures, sharpness=0.0)
  features = np.concatenate([block_features(each)[0] for each in pictures])
  np.testing.assert_allclose(every.mean, features.mean(axis=0))
  np.testing.assert_allclose(every.covariance, np.cov(features, rowvar=False))


def test_blocks_count_by_the_sharpest_of_their_picture():
  pictures = [photograph(seed, 192, 768) for seed in range(4)]
  for each in pictures:
    each[:, :192] = np.round(128 + 0.71 * (each[:, :192].astype(float) - 128))
  found = [block_features(each) for each in pictures]
  kept = np.concatenate([features[sharp > 0.75 * sharp.max()] for features, sharp in found])
  assert 36 < len(kept) < sum(len(features) for features, _ in found)
  np.testing.assert_allclose(fit_pristine(pictures).mean, kept.mean(axis=0))


def test_a_model_survives_its_file(pristine, tmp_path):
  pristine.save(tmp_path / "model.npz")
  again = load_pristine(tmp_path / "model.npz")
  np.testing.assert_array_equal(again.mean, pristine.mean)
  np.testing.assert_array_equal(again.covariance, pristine.covariance)
  arrays = {"mu_pris_param": pristine.mean[None], "cov_pris_param": pristine.covariance}
  np.savez(tmp_path / "basicsr.npz", **arrays, gaussian_window=np.zeros((7, 7)))
  theirs = load_pristine(tmp_path / "basicsr.npz")
  np.testing.assert_array_equal(theirs.mean, pristine.mean)
  assert niqe(photograph(3), theirs) == niqe(photograph(3), pristine)


def test_files_that_hold_no_model_are_named(tmp_path):
  with pytest.raises(UserError, match=r"none\.npz: expected a NIQE model.*cannot be read"):
    load_pristine(tmp_path / "none.npz")
  (tmp_path / "text.npz").write_text("no arrays")
  with pytest.raises(UserError, match=r"text\.npz: .*cannot be read"):
    load_pristine(tmp_path / "text.npz")
  np.savez(tmp_path / "small.npz", mean=np.zeros(18), covariance=np.zeros((18, 18)))
  with pytest.raises(UserError, match=r"small\.npz: .*found mean \(18,\), covariance \(18, 18\)"):
    load_pristine(tmp_path / "small.npz")
  np.savez(tmp_path / "objects.npz", mean=np.array([{}], object), covariance=np.zeros(1))
  with pytest.raises(UserError, match=r"objects\.npz"):
    load_pristine(tmp_path / "objects.npz")
  with pytest.raises(UserError, match="does not exist"):
    Pristine(np.zeros(36), np.eye(36)).save(tmp_path / "no" / "model.npz")


def test_images_that_cannot_be_judged_are_refused(pristine):
  with pytest.raises(ValueError, match="96 x 96 pixels at least"):
    niqe(photograph(0, 95, 200), pristine)
  with pytest.raises(ValueError, match="two blocks"):
    niqe(photograph(0, 96, 190), pristine)
  with pytest.raises(ValueError, match=r"with texture.*has 0"):
    niqe(np.full((192, 192, 3), 200, np.uint8), pristine)
  with pytest.raises(ValueError, match="uint8"):
    niqe(photograph(0).astype(np.float32), pristine)
  with pytest.raises(ValueError, match="more than 36 sharp blocks"):
    fit_pristine([photograph(0)])
  with pytest.raises(ValueError, match="got 0"):
    fit_pristine([])
