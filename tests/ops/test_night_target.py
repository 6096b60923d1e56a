"""Night targets: lamps as they were, what they light below white, shadows visible, black black."""

import numpy as np
import pytest

from llve_jax.ops.night_target import target


def _flat(level):
  return np.full((4, 6, 3), level, np.float32)


def _code(light):
  return 255 * (1.055 * light ** (1 / 2.4) - 0.055) if light > 0.0031308 else 255 * 12.92 * light


def _target(scene, light=0.0, lamp=0.0, exposure=1.0):
  lamps = _flat(0.0)
  lamps[0, 0] = lamp
  lamps[3, 5] = 1e-6  # some lamp is seen
  return target(_flat(scene), _flat(light), lamps, exposure)


def test_without_lamps_it_is_the_scene():
  found = target(_flat(0.97), _flat(0.1), _flat(0.0), 0.2)
  np.testing.assert_allclose(found, _code(0.97), atol=0.6)


def test_part_of_the_exposure_stays():
  np.testing.assert_allclose(_target(0.4, exposure=0.25)[1, 1], _code(0.4 * 0.25**0.3), atol=0.6)


@pytest.mark.parametrize("scene", [0.7, 1.0, 3.0])
def test_what_lamps_light_stays_below_white(scene):
  expected = 0.6 + 0.3 * (1 - np.exp(-(scene - 0.6) / 0.3))
  np.testing.assert_allclose(_target(scene)[1, 1], _code(expected), atol=0.6)
  assert _target(scene).max() < 250


def test_nothing_is_darker_than_it_was():
  np.testing.assert_allclose(_target(0.2, light=0.9, exposure=0.8)[1, 1], _code(0.72), atol=0.6)
  np.testing.assert_array_equal(_target(1.0, light=1.0)[1, 1], 255)


def test_lamps_lie_over_the_scene_as_they_were_seen():
  np.testing.assert_array_equal(_target(0.1, lamp=20.0, exposure=0.2)[0, 0], 255)
  found = _target(0.1, lamp=0.5, exposure=0.5)[0, 0]
  scene = 0.1 * 0.5**0.3
  np.testing.assert_allclose(found, _code(scene + 0.25 * (1 - scene)), atol=0.6)


def test_black_stays_black():
  assert _target(0.0, exposure=0.3)[1:3].max() == 0
