"""Light falls where the lamps are, and only there."""

import dataclasses

import numpy as np
import pytest

from llve_jax.ops import night_light
from llve_jax.ops.night_light import Lamp, NightLight

LAMP = Lamp(
  x=0.25, y=0.5, radius=0.05, aspect=1.0, strength=20.0, glow=0.0, reach=0.0, streak=0.0,
  color=(1.0, 1.0, 1.0), speed=(0.0, 0.0),
)  # fmt: skip
SHAPE = (80, 160)


def _lamps(*changes):
  return NightLight(lamps=tuple(dataclasses.replace(LAMP, **change) for change in changes))


def test_nothing_set_is_even_light_and_no_lamp():
  np.testing.assert_allclose(night_light.illumination(NightLight(), SHAPE, 0), 1, rtol=1e-6)
  assert not night_light.sources(NightLight(), SHAPE, 0).any()


def test_ambient_light_has_its_colour_at_its_luminance():
  field = night_light.illumination(NightLight(ambient=0.1, color=(2.0, 1.0, 0.5)), SHAPE, 0)
  pixel = field[40, 80].astype(float)
  assert pixel @ (0.2126, 0.7152, 0.0722) == pytest.approx(0.1, rel=1e-5)
  np.testing.assert_allclose(pixel / pixel[1], (2, 1, 0.5), rtol=1e-5)


def test_a_lamp_is_a_disc_of_its_radius_and_strength():
  seen = night_light.sources(_lamps({}), SHAPE, 0)[..., 0]
  assert seen[40, 40] == 20
  assert seen.sum() / 20 == pytest.approx(np.pi * 4**2, rel=0.03)
  assert seen[:, 50:].max() == 0


def test_a_lamp_that_is_no_disc_is_a_rectangle_of_that_shape():
  seen = night_light.sources(_lamps({"aspect": 4.0}), SHAPE, 0)[..., 0] > 10
  rows, columns = np.nonzero(seen)
  assert np.ptp(columns) + 1 == 16
  assert np.ptp(rows) + 1 == 4


def test_a_lamp_moves_by_its_speed_and_may_leave():
  light = _lamps({"speed": (0.1, 0.0)})
  seen = night_light.sources(light, SHAPE, 5)
  assert seen[40, round((0.25 + 0.5) * 160), 0] == 20
  assert not night_light.sources(light, SHAPE, 20).any()


def test_glow_and_streak_spread_light_smoothly():
  glow = night_light.sources(_lamps({"glow": 0.1}), SHAPE, 0)[..., 0]
  # 2.5 radii away by one deviation: exp(-1/2), and the wide hill beside.
  assert glow[40, 40 + 10] == pytest.approx(2 * (np.exp(-0.5) + 0.04), rel=0.1)
  streak = night_light.sources(_lamps({"streak": 0.05}), SHAPE, 0)[..., 0]
  assert streak[70, 40] > 0.1 > streak[70, 60]


def test_a_pool_of_light_lies_below_its_lamp():
  field = night_light.illumination(
    dataclasses.replace(_lamps({"reach": 0.3}), ambient=0.01), SHAPE, 0
  )[..., 1]
  row, column = np.unravel_index(field.argmax(), field.shape)
  assert abs(column - 40) <= 4
  assert abs(row - (0.5 + 0.15) * 80) <= 4
  assert field.max() == pytest.approx(1.01, abs=0.02)
  assert field[5, 150] == pytest.approx(0.01, abs=1e-4)


def test_the_sky_is_black_above_the_skyline_only():
  light = NightLight(skyline=(0.25, 0.5), sky=0.0)
  field = night_light.illumination(light, SHAPE, 0)[..., 0]
  assert field[:16, :78].max() == 0
  assert field[:36, 84:].max() == 0
  np.testing.assert_allclose(field[26:, :76], 1, rtol=1e-5)


def test_one_side_is_lit():
  light = NightLight(ambient=0.1, side=0.6, angle=0.0, edge=0.05)
  field = night_light.illumination(light, SHAPE, 0)[..., 0]
  np.testing.assert_allclose(
    (field[:, 0], field[:, -1]), np.array([[0.1], [0.7]]) * np.ones(80), atol=1e-3
  )


def test_a_vignette_takes_its_share_in_the_corners():
  field = night_light.illumination(NightLight(vignette=0.5), (800, 800), 0)[..., 0]
  assert field[400, 400] == pytest.approx(1, abs=0.01)
  assert field[0, 0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("level", [0.0, 0.01, 0.2, 1.0, 1.2])
def test_lifting_follows_its_formula_and_keeps_colours(level):
  field = np.full((2, 2, 3), level, np.float32) * np.array([1.2, 1.0, 0.3], np.float32)
  luminance = level * (0.2126 * 1.2 + 0.7152 + 0.0722 * 0.3)
  gain = min(luminance, 1) ** -0.6 * luminance / (luminance + 0.002) if level else 0
  np.testing.assert_allclose(night_light.lifted(field, 0.4), field * gain, rtol=1e-4)


def test_draws_repeat_themselves_and_stay_finite():
  for seed in range(30):
    for draw in (night_light.draw_night, night_light.draw_shade):
      light, again = (draw(np.random.default_rng(seed)) for _ in range(2))
      assert light == again
      for made in (night_light.illumination, night_light.sources):
        field = made(light, (31, 45), 7)
        assert field.shape == (31, 45, 3)
        assert field.dtype == np.float32
        assert np.isfinite(field).all()
        assert field.min() >= 0
    assert night_light.draw_night(np.random.default_rng(seed)).lamps
    assert not night_light.draw_shade(np.random.default_rng(seed)).lamps


def test_glow_mirror_image_and_pool_go_with_their_lamp():
  change = {"glow": 0.05, "streak": 0.04, "reach": 0.2}
  moving = _lamps(change | {"speed": (0.02, -0.01)})
  there = _lamps(change | {"x": 0.25 + 5 * 0.02, "y": 0.5 - 5 * 0.01})
  for light in (night_light.sources, night_light.illumination):
    np.testing.assert_allclose(light(moving, SHAPE, 5), light(there, SHAPE, 0), rtol=1e-4)
