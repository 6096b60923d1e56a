"""Levels and exposure of mosaics, against loops over pixels."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.ops import mosaic, raw_light
from llve_jax.ops.mosaic import BAYER, XTRANS


@pytest.mark.parametrize("cfa", ["GBRG", XTRANS])
def test_normalize_uses_the_black_level_of_each_site(cfa):
  black = tuple(500.0 + index for index in range(len(cfa)))
  side = mosaic.cell_size(cfa)
  plane = np.random.default_rng(0).integers(400, 1200, (2, 7, 8), np.uint16)
  light = raw_light.normalize(plane, cfa, black, 1000.0)
  assert light.dtype == np.float32
  for index in np.ndindex(plane.shape):
    level = black[side * (index[1] % side) + index[2] % side]
    expected = min((float(plane[index]) - level) / (1000 - level), 1)
    assert light[index] == pytest.approx(expected, abs=1e-6)
  assert light.min() < 0
  clipped = raw_light.normalize(plane, cfa, black, 1000.0, keep_negatives=False)
  np.testing.assert_array_equal(clipped, np.maximum(light, 0))


def test_keeping_negatives_keeps_the_mean_of_darkness():
  noise = np.random.default_rng(0).normal(512, 20, (200, 200))
  plane = np.round(noise).astype(np.uint16)
  kept = raw_light.normalize(plane, "RGGB", (512.0,) * 4, 16383.0)
  cut = raw_light.normalize(plane, "RGGB", (512.0,) * 4, 16383.0, keep_negatives=False)
  sigma = 20 / (16383 - 512)
  assert abs(kept.mean()) < 5 * sigma / 200
  assert cut.mean() == pytest.approx(sigma / np.sqrt(2 * np.pi), rel=0.05)


def test_exposure_ratio_is_capped():
  assert raw_light.exposure_ratio(10, 0.1) == pytest.approx(100)
  assert raw_light.exposure_ratio(10, 0.033) == 300
  assert raw_light.exposure_ratio(10, 0.01, cap=2000) == pytest.approx(1000)


def test_expose_clips_the_top_only():
  light = np.array([-0.01, 0.001, 0.5], np.float32)
  exposed = raw_light.expose(light, 100.0)
  assert exposed.dtype == np.float32
  np.testing.assert_allclose(exposed, [-1, 0.1, 1], rtol=1e-6)


@pytest.mark.parametrize("cfa", BAYER)
def test_bin_rgb_averages_the_greens(cfa):
  plane = np.random.default_rng(0).integers(0, 16384, (2, 4, 6), np.uint16)
  binned = raw_light.bin_rgb(mosaic.pack(plane, cfa))
  assert binned.dtype == np.float32
  for a in range(2):
    for b in range(3):
      for channel, color in enumerate("RGB"):
        sites = [
          plane[:, 2 * a + y, 2 * b + x].astype(float)
          for y in (0, 1)
          for x in (0, 1)
          if cfa[2 * y + x] == color
        ]
        np.testing.assert_allclose(binned[:, a, b, channel], np.mean(sites, axis=0))


@pytest.mark.parametrize(
  ("act", "message"),
  [
    (lambda: raw_light.bin_rgb(np.zeros((4, 4, 3))), "(4, 4, 3)"),
    (lambda: raw_light.normalize(np.zeros((4, 4)), "RGGB", (1.0,), 9.0), "4 black levels"),
    (lambda: raw_light.normalize(np.zeros((4, 4)), "RGGB", (9.0,) * 4, 9.0), "below white"),
    (lambda: raw_light.exposure_ratio(10, 0), "10 and 0"),
  ],
)
def test_bad_input_is_named(act, message):
  with pytest.raises(UserError) as error:
    act()
  assert message in str(error.value)
