"""Bursts of noisy light: how far frames move, how much noise there is, what lies on what."""

import numpy as np
import pytest

from llve_jax.data import bursts, pipeline
from llve_jax.errors import UserError
from tests.data.test_dark import bright

SETTINGS = {"batch": 2, "frames": 5, "crop": 16, "seed": 0, "augment": "none", "bursts": True}


def test_frames_shake_and_a_few_jump() -> None:
  rng = np.random.default_rng(0)
  drawn = np.stack([bursts.shifts(8, rng) for _ in range(400)])
  assert (drawn[:, 0] == 0).all()
  assert (drawn * bursts.QUARTERS % 1 == 0).all()
  far = (np.abs(drawn) > bursts.SHAKE).any(axis=-1)
  assert 1.0 < far.sum(axis=1).mean() < 1.6  # of 1.5 jumps some land near
  assert far[:, 1:].mean(axis=0).min() > 0.1  # any frame may jump
  assert np.abs(drawn).max() == bursts.JUMP
  # To either side alike, down and to the right.
  assert drawn.min(axis=(0, 1)).tolist() == [-bursts.JUMP] * 2
  assert drawn.max(axis=(0, 1)).tolist() == [bursts.JUMP] * 2
  assert drawn[~far].min(axis=0).tolist() == [-bursts.SHAKE] * 2
  assert drawn[~far].max(axis=0).tolist() == [bursts.SHAKE] * 2


def test_a_whole_shift_is_a_crop_and_half_a_pixel_a_mean() -> None:
  picture = np.random.default_rng(0).random((12, 14, 3), np.float32)
  np.testing.assert_array_equal(bursts.shifted(picture, (3, 4), (6, 5)), picture[3:8, 4:10])
  half = bursts.shifted(picture, (3, 4.5), (6, 5))
  np.testing.assert_allclose(half, (picture[3:8, 4:10] + picture[3:8, 5:11]) / 2, atol=1e-6)
  assert bursts.shifted(picture, (-5, -5), (6, 5)).shape == (5, 6, 3)  # mirrored outside


def test_noise_is_that_of_the_range_and_light_that_of_the_picture(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  """White 0.1, read noise 0.01, shot noise 0.03: variance (1e-4 + 9e-4 x) at light x."""
  for name, power in (("WHITE", -1.0), ("READ", -2.0), ("SHOT", np.log10(0.03))):
    monkeypatch.setattr(bursts, name, (power, power))
  high = np.full((1, 200, 200, 3), 0.8, np.float32)
  low = bursts.noisy_light(high, np.random.default_rng(0))
  light = 0.8**2.2
  assert low.mean() == pytest.approx(light, rel=0.01)
  expected = np.sqrt(1e-4 + 9e-4 * 0.1 * light) / 0.1
  assert low.std() == pytest.approx(expected, rel=0.02)
  assert low.dtype == np.float32


def test_bursts_come_out_of_the_pipeline_as_raw_light_alone() -> None:
  examples = [bright(name, seed=k)[0] for k, name in enumerate("abc")]
  batch = pipeline.train_dataset(examples, kind="raw_rgb", **SETTINGS)[0]
  assert batch["low"].shape == batch["high"].shape == (2, 5, 16, 16, 3)
  assert batch["low"].min() < 0
  assert 0 <= batch["high"].min() < batch["high"].max() <= 1
  with pytest.raises(UserError, match=r"makes raw light .* found bright frames, srgb"):
    pipeline.train_dataset(examples, kind="srgb", **SETTINGS)
  with pytest.raises(UserError, match="larger than a frame"):
    pipeline.train_dataset(examples, kind="raw_rgb", **SETTINGS | {"crop": 64})
