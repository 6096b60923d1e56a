"""Clips become dark as described; targets keep what was never dark."""

import dataclasses

import numpy as np
import pytest
import skimage.color

from llve_jax.errors import UserError
from llve_jax.ops import darken
from llve_jax.ops.camera import Camera
from llve_jax.ops.darkening import Darkening
from llve_jax.ops.night_light import Lamp, NightLight
from llve_jax.ops.overlay import Overlay

LAMP = Lamp(
  x=0.5, y=0.25, radius=0.05, aspect=1.0, strength=30.0, glow=0.02, reach=0.2, streak=0.0,
  color=(1.0, 1.0, 1.0), speed=(0.0, 0.0),
)  # fmt: skip


def _rng(seed=0):
  return np.random.default_rng(seed)


def _clip(seed=0, shape=(3, 37, 51, 3)):
  return _rng(seed).integers(0, 256, shape, np.uint8)


def _grey(code, shape=(2, 40, 40, 3)):
  return np.full(shape, code, np.uint8)


def _light(code):
  """Linear light of an sRGB code, by scikit-image."""
  return float(skimage.color.rgb2xyz(np.full((1, 3), code / 255))[0, 1])


def test_a_bright_clip_is_developed_first_on_both_sides():
  clip = np.concatenate([_grey(30), _grey(90)], axis=2)
  low, high = _apply(clip, level=0.4, contrast=0.5)
  np.testing.assert_array_equal(low, high)
  assert high.mean() / 255 == pytest.approx(0.4, abs=0.004)
  flat, _ = _apply(clip, level=0.4)
  assert np.ptp(high.astype(int)) > np.ptp(flat.astype(int)) + 5


def test_both_sides_fade():
  low, high = _apply(_clip(), saturation=0.0)
  for side in (low, high):
    assert np.ptp(side.astype(int), axis=-1).max() <= 1


def test_colours_change_places_on_both_sides_before_light_is_cast_on_them():
  clip = _clip()
  low, high = _apply(clip, colors=(2, 0, 1))
  for side in (low, high):
    np.testing.assert_array_equal(side, clip[..., [2, 0, 1]])
  blue = np.zeros((1, 4, 4, 3), np.uint8)
  blue[..., 2] = 180
  low, _ = _apply(blue, colors=(2, 0, 1), cast=(0.25, 1.0, 1.0))
  np.testing.assert_allclose(low[0, 0, 0], [_code(_light(180) * 0.25), 0, 0], atol=0.6)


def test_the_target_of_a_scene_in_shade_is_as_bright_as_the_developed_clip():
  clip = np.concatenate([_grey(60), _grey(140)], axis=2)
  shade = NightLight(ambient=0.2, side=0.8, angle=0.0, edge=0.05)
  low, high = _apply(clip, level=0.45, night=shade, exposure=0.2, overlay=Overlay(top=0.1))
  picture = high[:, 5:-5]
  assert picture.mean() / 255 == pytest.approx(0.45, abs=0.01)
  assert high[:, 0].max() == 0
  assert low.mean() < 60
  night = dataclasses.replace(shade, lamps=(LAMP,))
  assert _apply(clip, level=0.45, night=night, exposure=0.1)[1].mean() / 255 < 0.4


def test_a_vivid_curve_keeps_the_ratios_of_light_and_the_other_does_not():
  clip = np.tile(np.array([200, 120, 60], np.uint8), (1, 8, 8, 1))
  light = np.array([_light(code) for code in (200, 120, 60)])
  curve = (1.0, 0.9, 2.0)
  red = _light(255 * 0.9 * (200 / 255) ** 2)
  vivid, _ = _apply(clip, tone=curve, vivid=1.0)
  np.testing.assert_allclose(vivid[0, 0, 0], [_code(red * x / light[0]) for x in light], atol=1)
  plain, _ = _apply(clip, tone=curve)
  np.testing.assert_allclose(plain[0, 0, 0], 255 * 0.9 * (clip[0, 0, 0] / 255) ** 2, atol=1)
  assert plain[0, 0, 0, 2] < vivid[0, 0, 0, 2]
  between, _ = _apply(clip, tone=curve, vivid=0.25)
  mixed = [
    0.75 * _light(x) + 0.25 * _light(y) for x, y in zip(plain[0, 0, 0], vivid[0, 0, 0], strict=True)
  ]
  np.testing.assert_allclose(between[0, 0, 0], [_code(each) for each in mixed], atol=1)


def _code(light):
  return 255 * float(1.055 * light ** (1 / 2.4) - 0.055 if light > 0.0031308 else 12.92 * light)


def _apply(clip, seed=0, **changes):
  return darken.apply(clip, Darkening(**changes), _rng(seed))


def test_defaults_change_nothing():
  clip = _clip()
  low, high = _apply(clip)
  np.testing.assert_array_equal(low, clip)
  np.testing.assert_array_equal(high, clip)


def test_exposure_and_cast_are_factors_on_light():
  low, high = _apply(_grey(180), exposure=0.25, cast=(1.5, 1.0, 0.5))
  expected = [_code(_light(180) * 0.25 * factor) for factor in (1.5, 1.0, 0.5)]
  np.testing.assert_allclose(low[0, 0, 0], expected, atol=0.6)
  np.testing.assert_array_equal(high, 180)


def test_the_tone_curve_acts_on_srgb_values():
  low, high = _apply(_grey(200), tone=(0.95, 0.8, 2.5))
  assert abs(int(low[0, 0, 0, 0]) - 255 * 0.8 * (0.95 * 200 / 255) ** 2.5) <= 0.6
  np.testing.assert_array_equal(high, 200)


def test_light_drifts_and_flickers_as_it_says():
  drift = Darkening(exposure=0.5, drift=0.3, drift_frames=8.0, drift_start=0.0)
  found = darken.exposures(9, drift, _rng())
  np.testing.assert_allclose(found[[0, 2, 4, 6, 8]], 0.5 * 2.0 ** np.array([0, 0.3, 0, -0.3, 0]))
  later = dataclasses.replace(drift, drift_start=np.pi / 2, drift_frames=4.0)
  expected = later.exposure * 2.0 ** (later.drift * np.array([1, 0, -1]))
  np.testing.assert_allclose(darken.exposures(3, later, _rng()), expected)
  flicker = darken.exposures(4000, Darkening(flicker=0.1), _rng())
  assert np.log2(flicker).std() == pytest.approx(0.1, rel=0.05)
  low, high = darken.apply(_grey(200, (9, 8, 8, 3)), drift, _rng())
  assert np.ptp(low.mean(axis=(1, 2, 3))) > 20
  np.testing.assert_array_equal(high, 200)


def test_noise_is_new_in_every_frame_and_not_in_the_target():
  low, high = _apply(_grey(128, (2, 96, 96, 3)), camera=Camera(shot_noise=1e-3, read_noise=2e-3))
  first, second = low.astype(float) - low.mean(axis=(0, 1, 2))
  assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03
  assert first.std() > 1
  np.testing.assert_array_equal(high, 128)


def test_shake_blurs_the_dark_clip_only():
  clip = np.zeros((1, 41, 41, 3), np.uint8)
  clip[:, 20, 20] = 255
  low, high = _apply(clip, blur_length=6.0)
  assert 0 < low.max() < 255
  np.testing.assert_array_equal(high, clip)


def test_bars_and_graphics_are_the_same_in_both():
  layer = Overlay(top=0.2)
  low, high = _apply(_grey(200), exposure=0.05, overlay=layer, camera=Camera(read_noise=0.01))
  for clip in (low, high):
    assert clip[:, :8].max() == clip[:, -8:].max() == 0
  assert low[:, 8:-8].max() < 200 == high[:, 8:-8].min()


def test_codecs_act_on_the_dark_clip_only():
  clip = _clip(shape=(3, 40, 48, 3))
  for codec in ({"jpeg": 40}, {"h264_crf": 30}):
    low, high = _apply(clip, **codec)
    assert low.shape == clip.shape
    assert np.abs(low.astype(int) - clip).mean() > 3
    np.testing.assert_array_equal(high, clip)


def test_lamps_stay_shadows_rise_and_black_stays_black():
  lamp = dataclasses.replace(LAMP, glow=0.0)
  night = NightLight(ambient=0.05, skyline=(0.5,), sky=0.0, lamps=(lamp,))
  low, high = _apply(_grey(200, (1, 160, 160, 3)), night=night, exposure=0.5)
  low, high = low[0].astype(int), high[0].astype(int)
  np.testing.assert_array_equal(low[38:43, 78:83], 255)  # the lamp
  np.testing.assert_array_equal(high[38:43, 78:83], 255)
  assert (high == 255).mean() <= (low == 255).mean() + 1e-3
  assert low[4, 4].max() <= 2  # the sky
  assert high[4, 4].max() <= 2
  corner = 0.05 * _light(200)
  lifted = 0.05**0.35 * 0.05 / 0.052 * _light(200) * 0.5**0.3
  np.testing.assert_allclose(low[-1, 0], _code(0.5 * corner), atol=1)
  np.testing.assert_allclose(high[-1, 0], _code(lifted), atol=1)


def test_what_lamps_light_stays_below_white_and_nothing_is_darker_than_before():
  clip = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
  lamp = dataclasses.replace(LAMP, x=5.0, reach=0.0)  # out of sight
  for exposure in (0.3, 1.0):
    seen = NightLight(lamps=(lamp, dataclasses.replace(LAMP, radius=0.0, glow=0.0, reach=0.0)))
    low, high = _apply(clip, night=seen, exposure=exposure)
    away = np.ones((16, 16), bool)
    away[2:7, 5:11] = False
    assert np.all(high[0][away].astype(int) >= low[0][away].astype(int) - 1)
    if exposure < 1:
      assert high[0][away].max() < 245
      code = _code(_light(120) * exposure**0.3)
      np.testing.assert_allclose(high[0, 7, 8], code, atol=1)


def test_targets_do_not_flicker():
  night = NightLight(ambient=0.05, lamps=(LAMP,))
  low, high = _apply(_grey(120, (4, 40, 40, 3)), night=night, exposure=0.4, flicker=0.3)
  assert np.ptp(low.mean(axis=(1, 2, 3))) > 1
  assert np.all(high == high[:1])


def test_lamps_that_move_are_drawn_anew():
  night = NightLight(ambient=0.05, lamps=(dataclasses.replace(LAMP, speed=(0.1, 0.0)),))
  low, high = _apply(_grey(90, (3, 80, 80, 3)), night=night)
  for clip in (low, high):
    places = [frame[20, :, 0].astype(int).argmax() for frame in clip]
    assert places[0] < places[1] < places[2]


def test_another_seed_gives_other_noise():
  clip, noisy = _clip(), Camera(read_noise=0.01)
  assert np.any(_apply(clip, 0, camera=noisy)[0] != _apply(clip, 1, camera=noisy)[0])


@pytest.mark.parametrize(
  "clip", [np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.float32)]
)
def test_other_arrays_are_refused(clip):
  with pytest.raises(UserError, match=r"expected uint8 frames \[t, h, w, 3\]"):
    darken.apply(clip, Darkening(), _rng())
