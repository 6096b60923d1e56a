"""What happens to clips is drawn as described: every stage by itself; same seed, same bits."""

import dataclasses

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.metrics import harm
from llve_jax.ops import darken, darkening

OFF = {
  name: 0.0
  for name in (
    "untouched", "night", "shade", "tone", "cast", "night_cast", "noise", "mosaic", "black",
    "denoise", "sharpen", "drift", "blurred", "bars", "graphics", "jpeg", "h264",
    "retouched", "faded", "exchanged",
  )
} | {"vivid": (0.0, 0.0)}  # fmt: skip

RARE = {  # stages that are off unless asked for
  "vivid": (0.2, 0.9), "retouched": 0.6, "faded": 0.5, "exchanged": 0.6,
}  # fmt: skip


def _rng(seed=0):
  return np.random.default_rng(seed)


def _clip(seed=0, shape=(3, 37, 51, 3)):
  return _rng(seed).integers(0, 256, shape, np.uint8)


def test_targets_of_night_scenes_do_no_harm():
  y, x = np.mgrid[:96, :128]
  clip = np.stack([x * 2, y * 2 + 30, 255 - x], axis=-1).astype(np.uint8)[None]
  growth, shadows, lights = [], [], []
  for seed in range(40):
    drawn = darkening.draw(_rng(seed), night=1.0, untouched=0.0, bars=0.0, graphics=0.0)
    found = harm.harm(*darken.apply(clip, drawn, _rng(seed)))
    growth.append(found.burnt_growth)
    shadows.append(found.dark_ratio)
    lights.append(found.bright_ratio)
  assert np.quantile(growth, 0.9) < 0.01
  assert np.median(shadows) > 1.8
  assert np.quantile(lights, 0.1) > 0.95


def test_clips_that_are_not_dark_are_hardly_compressed():
  draws = [
    darkening.draw(_rng(seed), untouched=1.0, jpeg=1.0, h264=chance)
    for seed in range(20)
    for chance in (0.0, 1.0)
  ]
  assert min(drawn.jpeg for drawn in draws if drawn.jpeg) == 75
  assert max(drawn.h264_crf for drawn in draws) == 23


def test_every_draw_can_be_applied_and_repeats_itself():
  clip = _clip(shape=(2, 37, 51, 3))
  for seed in range(60):
    drawn, again = (darkening.draw(_rng(seed), **RARE) for _ in range(2))
    assert drawn == again
    first = darken.apply(clip, drawn, _rng(seed))
    second = darken.apply(clip, drawn, _rng(seed))
    for one, other in zip(first, second, strict=True):
      assert one.dtype == np.uint8
      assert one.shape == clip.shape
      np.testing.assert_array_equal(one, other)


def test_every_stage_can_be_switched_off():
  clip = _clip()
  for seed in range(20):
    drawn = darkening.draw(_rng(seed), **OFF, exposure=(1.0, 1.0))
    assert drawn.night is None
    plain = dataclasses.replace(drawn, cast=(1.0, 1.0, 1.0))  # off by a few percent even so
    for side in darken.apply(clip, plain, _rng()):
      np.testing.assert_array_equal(side, clip)


@pytest.mark.parametrize("stage", sorted(set(OFF) - {"untouched", "night", "shade"}))
def test_switching_a_stage_off_leaves_the_others(stage):
  changed = 0
  for seed in range(25):
    full = dataclasses.asdict(darkening.draw(_rng(seed), **RARE))
    without = dataclasses.asdict(darkening.draw(_rng(seed), **RARE | {stage: OFF[stage]}))
    fields = {"cast": ("cast",), "drift": ("drift", "flicker"), "blurred": ("blur_length",)}
    fields |= {"bars": ("overlay",), "graphics": ("overlay",), "h264": ("h264_crf", "jpeg")}
    fields |= {"jpeg": ("jpeg",), "tone": ("tone", "vivid", "exposure", "camera")}
    fields |= {"vivid": ("vivid",), "retouched": ("level", "contrast")}
    fields |= {"night_cast": ("cast",), "faded": ("saturation",), "exchanged": ("colors",)}
    differing = {key for key in full if full[key] != without[key]}
    assert differing <= set(fields.get(stage, ("camera",)))
    changed += bool(differing)
  assert changed


def test_drawn_exposures_fill_their_range_and_a_tenth_is_bright():
  drawn = [darkening.draw(_rng(seed), night=0.0, shade=0.0, tone=0.0) for seed in range(400)]
  bright = [item for item in drawn if item.exposure == 1]
  assert 20 <= len(bright) <= 60
  dark = np.log([item.exposure for item in drawn if item.exposure < 1])
  assert np.quantile(dark, 0.5) == pytest.approx(np.log(1 / 60) / 2, abs=0.4)
  assert dark.min() >= np.log(1 / 60)


def test_clips_that_are_not_dark_stay_nearly_as_they_are():
  y, x = np.mgrid[:64, :96]
  clip = np.stack([x * 2, y * 3, 255 - x], axis=-1).astype(np.uint8)[None]
  for seed in range(25):
    drawn = darkening.draw(_rng(seed), untouched=1.0, sharpen=0.0, blurred=0.0, graphics=0.0)
    low, high = darken.apply(clip, drawn, _rng(seed))
    error = (low.astype(float) - high) / 255
    assert (error**2).mean() < 10**-2.8  # 28 dB


def test_clips_that_are_not_dark_may_have_any_key():
  clip, means = _clip(shape=(1, 37, 51, 3)), []
  for seed in range(40):
    drawn = darkening.draw(_rng(seed), **RARE, untouched_level=(0.3, 0.6))
    as_it_is = darkening.draw(_rng(seed), **RARE)
    assert dataclasses.replace(drawn, level=as_it_is.level) == as_it_is
    if drawn.exposure < 1:
      assert drawn.level == as_it_is.level
    else:
      assert as_it_is.level == 0
      calm = dataclasses.replace(darkening.draw(_rng(), **OFF), level=drawn.level)
      means.append((darken.apply(clip, calm, _rng())[1].mean() / 255, drawn.level))
  assert len(means) >= 2
  for found, asked in means:
    assert 0.3 <= asked <= 0.6
    assert found == pytest.approx(asked, abs=0.01)


def test_casts_keep_the_luminance():
  for seed in range(20):
    cast = np.array(darkening.draw(_rng(seed), cast=1.0, untouched=0.0).cast)
    assert cast @ (0.2126, 0.7152, 0.0722) == pytest.approx(1)


@pytest.mark.parametrize(
  ("wrong", "message"),
  [
    ({"tone": 1.5}, "tone: expected a probability"),
    ({"night": -0.1}, "night: expected a probability"),
    (
      {"exposure": (0.0, 1.0), "untouched": 0.0, "tone": 0.0, "night": 0.0},
      "exposure: a range in logarithms",
    ),
    ({"shot_noise": (0.0, 1.0)}, "shot_noise: a range in logarithms"),
    ({"blur_length": (2.0, 1.0)}, "blur_length: expected"),
    ({"jpeg_quality": (90, 40)}, "jpeg_quality: expected"),
  ],
)
def test_ranges_that_make_no_sense_are_named(wrong, message):
  with pytest.raises(UserError, match=message):
    darkening.draw(_rng(), **wrong)
