"""A raw camera in the dark: undone by developing, noisy by its law."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.color

from llve_jax.errors import UserError
from llve_jax.ops import degrade_raw, mosaic, raw_light
from llve_jax.ops.color import linear_to_srgb
from llve_jax.ops.degrade import Degradation
from llve_jax.ops.mosaic import BAYER, XTRANS

BLACK, WHITE = 512, 16383
GAINS = (2.2, 1.0, 1.6)


def _smooth_frames(frames=2, size=36):
  """Slow waves of colour between 30 and 200, without highlights."""
  y, x = np.mgrid[:size, :size] / size
  waves = [
    np.sin(2 * np.pi * (x + t / 9)) * np.cos(np.pi * y + c)
    for t in range(frames)
    for c in (0, 1, 2)
  ]
  picture = np.moveaxis(np.reshape(waves, (frames, 3, size, size)), 1, -1)
  return np.round(115 + 85 * picture).astype(np.uint8)


def _demosaic(plane, cfa):
  """Bilinear for Bayer, its like for X-Trans: neighbours of a colour, the nearer the heavier."""
  radius = 1 if len(cfa) == 4 else 2
  tent = radius + 1.0 - np.abs(np.arange(-radius, radius + 1))
  kernel = np.outer(tent, tent)
  sites = mosaic.color_sites(cfa, plane.shape)
  planes = []
  for color in range(3):
    here = (sites == color).astype(float)
    spread = scipy.ndimage.convolve(plane * here, kernel, mode="mirror")
    spread /= scipy.ndimage.convolve(here, kernel, mode="mirror")
    planes.append(np.where(here, plane, spread))
  return np.stack(planes, axis=-1)


@pytest.mark.parametrize("cfa", [*BAYER, XTRANS])
def test_developing_gives_back_the_clip(cfa):
  frames = _smooth_frames()
  raw = degrade_raw.apply_raw(
    frames, Degradation(), np.random.default_rng(0), cfa=cfa, white_balance=GAINS
  )
  assert raw.shape == frames.shape[:3]
  assert raw.dtype == np.uint16
  light = raw_light.normalize(raw, cfa, (BLACK,) * len(cfa), WHITE)
  for plane, frame in zip(light, frames, strict=True):
    developed = linear_to_srgb(_demosaic(plane, cfa) * np.array(GAINS)) * 255
    error = np.abs(developed - frame)[2:-2, 2:-2]
    assert error.mean() < 1.5
    assert error.max() < 12


def test_color_matrix_is_undone_by_its_inverse():
  frame = _smooth_frames()[0]
  matrix = np.array([[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.02, 0.18, 0.8]])
  camera = degrade_raw.unprocess(frame, white_balance=GAINS, color_matrix=matrix)
  light = np.einsum("ij,hwj->hwi", np.linalg.inv(matrix), camera * np.array(GAINS))
  np.testing.assert_allclose(linear_to_srgb(light) * 255, frame, atol=0.01)


def test_white_stays_white_under_gains_above_1_and_others_are_undone():
  white = np.ones((1, 1, 3), np.float32)
  camera = degrade_raw.unprocess(white, white_balance=(0.5, 1.0, 2.0))
  np.testing.assert_allclose(camera, [[[2.0, 1.0, 1.0]]], rtol=1e-6)


def test_unprocess_of_grey_is_linear_light_over_gain():
  """Linear light by scikit-image: Y of a grey pixel."""
  codes = np.arange(0, 230, dtype=np.uint8)  # light below 0.8: no highlights
  frame = np.repeat(codes[None, :, None], 3, axis=2)
  expected = skimage.color.rgb2xyz(frame / 255)[..., 1:2] / np.array(GAINS)
  camera = degrade_raw.unprocess(frame, white_balance=GAINS)
  np.testing.assert_allclose(camera, expected, atol=1e-6)
  assert camera.dtype == np.float32
  floating = degrade_raw.unprocess(frame / 255, white_balance=GAINS)
  np.testing.assert_allclose(floating, camera, atol=1e-6)


def test_highlights_stay_white_and_brightness_never_turns_back():
  codes = np.arange(256, dtype=np.uint8)
  camera = degrade_raw.unprocess(np.repeat(codes[None, :, None], 3, axis=2), white_balance=GAINS)
  np.testing.assert_allclose(camera[0, 255], 1, atol=1e-6)
  assert np.all(np.diff(camera[0], axis=0) > 0)


@pytest.mark.parametrize("cfa", ["GBRG", XTRANS])
def test_to_mosaic_keeps_one_color_of_each_pixel(cfa):
  rgb = np.random.default_rng(0).random((2, 7, 8, 3), np.float32)
  plane = degrade_raw.to_mosaic(rgb, cfa)
  side = mosaic.cell_size(cfa)
  for y in range(7):
    for x in range(8):
      color = "RGB".index(cfa[side * (y % side) + x % side])
      np.testing.assert_array_equal(plane[:, y, x], rgb[:, y, x, color])


@pytest.mark.parametrize("cfa", ["RGGB", XTRANS])
@pytest.mark.parametrize("code", [0, 60, 128, 220])
def test_variance_law(cfa, code):
  frames = np.full((1, 240, 240, 3), code, np.uint8)
  degradation = Degradation(exposure=0.1, shot_noise=4e-4, read_noise=2e-3, red_gain=1.2)
  raw = degrade_raw.apply_raw(
    frames, degradation, np.random.default_rng(0), cfa=cfa, white_balance=GAINS
  )
  light = raw_light.normalize(raw, cfa, (BLACK,) * len(cfa), WHITE)[0]
  linear = skimage.color.rgb2xyz(np.full(3, code / 255))[1]
  sites = mosaic.color_sites(cfa, light.shape)
  for color, tint in enumerate((1.2, 1, 1)):
    expected = 0.1 * tint * linear / GAINS[color]
    seen = light[sites == color]
    variance = 4e-4 * expected + 2e-3**2 + (1 / (WHITE - BLACK)) ** 2 / 12
    assert seen.mean() == pytest.approx(expected, abs=5 * np.sqrt(variance / seen.size))
    assert seen.var() == pytest.approx(variance, rel=0.07)


def test_noise_below_black_is_kept_and_white_is_the_top():
  rng = np.random.default_rng(0)
  dark = degrade_raw.apply_raw(
    np.zeros((1, 80, 80, 3), np.uint8), Degradation(read_noise=5e-3), rng, black=100, white=4095
  )
  assert dark.mean() == pytest.approx(100, abs=5 * 20 / 80)
  assert dark.min() < 60
  bright = degrade_raw.apply_raw(
    np.full((1, 8, 8, 3), 255, np.uint8), Degradation(exposure=2.0), rng, black=100, white=4095
  )
  assert np.all(bright == 4095)
  wild = degrade_raw.apply_raw(
    np.zeros((1, 80, 80, 3), np.uint8), Degradation(read_noise=0.1), rng, black=100, white=4095
  )
  assert wild.min() == 0


def test_row_noise_is_shared_by_a_row_of_the_sensor():
  frames = np.zeros((2, 200, 40, 3), np.uint8)
  raw = degrade_raw.apply_raw(frames, Degradation(row_noise=1e-3), np.random.default_rng(0))
  assert np.all(raw == raw[:, :, :1])
  assert (raw[..., 0] / (WHITE - BLACK)).std() == pytest.approx(1e-3, rel=0.15)
  assert np.any(raw[0] != raw[1])


def test_shake_blurs_before_the_mosaic():
  frames = np.zeros((1, 32, 32, 3), np.uint8)
  frames[:, :, 16:] = 200
  degradation = Degradation(blur_length=6.0)
  raw = degrade_raw.apply_raw(
    frames, degradation, np.random.default_rng(0), white_balance=(1, 1, 1)
  )
  assert len(np.unique(raw)) >= 4
  sharp = degrade_raw.apply_raw(
    frames, Degradation(), np.random.default_rng(0), white_balance=(1, 1, 1)
  )
  assert len(np.unique(sharp)) == 2
  assert raw.mean() == pytest.approx(sharp.mean(), rel=0.05)


def test_same_seed_same_bits_other_seed_other_bits():
  frames = _smooth_frames()
  degradation = Degradation(exposure=0.1, shot_noise=4e-4, read_noise=1e-3, blur_length=2.0)
  first, again, other = (
    degrade_raw.apply_raw(frames, degradation, np.random.default_rng(seed)) for seed in (1, 1, 2)
  )
  np.testing.assert_array_equal(first, again)
  assert np.any(first != other)


@pytest.mark.parametrize(
  ("act", "message"),
  [
    (lambda apply: apply(np.zeros((8, 8, 3), np.uint8)), "(8, 8, 3)"),
    (lambda apply: apply(np.zeros((1, 8, 8, 3), np.float32)), "float32"),
    (lambda apply: apply(np.zeros((1, 8, 8, 3), np.uint8), cfa="RGBW"), "'RGBW'"),
    (lambda apply: apply(np.zeros((1, 8, 8, 3), np.uint8), black=20000), "black 20000"),
    (lambda apply: apply(np.zeros((1, 8, 8, 3), np.uint8), white_balance=(0, 1, 1)), "(0, 1, 1)"),
    (lambda apply: apply(np.zeros((1, 8, 8, 3), np.uint8), color_matrix=np.eye(4)), "(4, 4)"),
    (lambda apply: degrade_raw.unprocess(np.zeros((8, 8, 3), np.uint16)), "uint16"),
    (lambda apply: degrade_raw.unprocess(np.zeros((8, 8, 4), np.uint8)), "(8, 8, 4)"),
    (lambda apply: degrade_raw.to_mosaic(np.zeros((8, 8)), "RGGB"), "(8, 8)"),
  ],
)
def test_bad_input_is_named(act, message):
  def apply(frames, **arguments):
    return degrade_raw.apply_raw(frames, Degradation(), np.random.default_rng(0), **arguments)

  with pytest.raises(UserError) as error:
    act(apply)
  assert message in str(error.value)
