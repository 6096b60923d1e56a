"""Less of a method."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.methods import Mixed, Steadied
from llve_jax.methods.classic import Classic
from llve_jax.models.contract import Traits
from llve_jax.ops.frames import to_16_bit, to_unit
from tests.methods.networks import noise, of_function

FRAMES = noise(3, 4, 5)


def test_none_is_the_input_all_is_the_result_and_half_lies_between() -> None:
  gamma = Classic("gamma")
  bright = gamma(FRAMES)
  np.testing.assert_array_equal(Mixed(gamma, 0.0)(FRAMES), FRAMES)
  np.testing.assert_array_equal(Mixed(gamma, 1.0)(FRAMES), bright)
  half = Mixed(gamma, 0.5)(FRAMES)
  assert half.dtype == np.uint8
  assert np.abs(half - (FRAMES.astype(float) + bright) / 2).max() <= 0.5


def test_sixteen_bits_stay() -> None:
  deep = to_16_bit(to_unit(FRAMES)) + np.uint16(5)
  assert Mixed(Classic("gamma"), 0.0)(deep).dtype == np.uint8
  for strength in (0.0, 0.25):
    mixed = Mixed(Classic("gamma"), strength)(deep, rounded=False)
    assert mixed.dtype == np.float32
    expected = strength * to_unit(deep) ** (1 / 2.2) + (1 - strength) * to_unit(deep)
    np.testing.assert_allclose(mixed, expected, atol=1e-4)


def test_frames_that_come_late_meet_their_own_input() -> None:
  frames = np.stack([np.full((4, 5, 3), 10 * index, np.uint8) for index in range(20)])
  steadied = Mixed(Steadied(Classic("input")), 0.5)
  assert np.abs(steadied(frames).astype(int) - frames).max() <= 8  # the curve smooths the ramp
  assert "steadied, strength 0.5" in steadied.about(4, 5)


def test_what_cannot_be_mixed_is_refused() -> None:
  for strength in (-0.1, 1.5, float("nan")):
    with pytest.raises(UserError, match="expected a number from 0 to 1"):
      Mixed(Classic("gamma"), strength)
  raw = of_function(lambda clip: clip, Traits(1, 1, input_kind="raw_rgb"))[0]
  with pytest.raises(UserError, match="takes raw_rgb light, which is no picture"):
    Mixed(raw, 0.5)
  larger = of_function(lambda clip: clip.repeat(2, 2).repeat(2, 3), Traits(1, 1, scale=2))[0]
  with pytest.raises(UserError, match="makes 10x8 pixels of 5x4, so they cannot be mixed"):
    Mixed(larger, 0.5)(FRAMES)
