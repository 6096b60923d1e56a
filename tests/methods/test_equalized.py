"""Equalisation over time: one curve for a clip, and a running one."""

import numpy as np
import pytest

from llve_jax.methods import equalized
from llve_jax.methods.classic import Classic, hist_eq
from llve_jax.ops.frames import to_16_bit
from tests.methods.test_classic import dark_clip


def test_on_a_scene_that_holds_still_all_forms_agree() -> None:
  """And a running histogram needs no future for it."""
  clip = np.repeat(dark_clip(1), 4, axis=0)
  expected = Classic("hist_eq")(clip)
  for name in ("hist_eq_causal", "hist_eq_clip"):
    difference = np.abs(Classic(name)(clip).astype(int) - expected)
    assert difference.max() <= 2, name  # OpenCV rounds its curve in another place


def test_one_curve_for_a_clip_keeps_the_order_of_its_light() -> None:
  """Frames that get brighter stay so, where a curve for each makes them alike."""
  clip = dark_clip(6)  # half the light to one and a half
  alone, together = (Classic(name)(clip) for name in ("hist_eq", "hist_eq_clip"))
  spread = [np.ptp(frames.mean(axis=(1, 2, 3))) for frames in (alone, together)]
  assert spread[0] < 10 < 60 < spread[1]
  assert (np.diff(together.mean(axis=(1, 2, 3))) > 0).all()


def test_a_running_histogram_forgets() -> None:
  dim, bright = dark_clip(1)[0], 4 * dark_clip(1)[0]
  equalizer = equalized.RunningEqualizer(memory=0.5)
  equalizer(dim)
  first = equalizer(bright).mean()
  later = [equalizer(bright).mean() for _ in range(12)]
  assert first > later[-1] + 10  # at first it seems bright beside the dim frame
  np.testing.assert_allclose(later[-1], hist_eq()(bright).mean(), atol=1)


def test_sixteen_bits_are_kept_and_grey_has_nothing_to_spread() -> None:
  clip = to_16_bit(dark_clip(2).astype(np.float32) / 255)
  equalizer = equalized.ClipEqualizer()
  with pytest.raises(ValueError, match="look at the whole clip first"):
    equalizer(clip[0])
  equalizer.look(clip)
  assert len(np.unique(equalizer(clip[0]))) > 256
  grey = np.full((4, 4, 3), 77, np.uint8)
  np.testing.assert_allclose(equalized.RunningEqualizer()(grey), grey, atol=1)
  with pytest.raises(ValueError, match="memory"):
    equalized.RunningEqualizer(memory=1.0)
