"""Scores of whole clips are those of `metrics.temporal`, two frames at a time."""

import numpy as np
import pytest

from llve_jax.metrics import temporal, whole_clip
from tests.metrics.test_temporal import moving


def flickering(target: np.ndarray) -> np.ndarray:
  offset = np.array([0, 9, -5, 2]).reshape(4, 1, 1, 1)
  return np.clip(target.astype(int) + offset, 0, 255).astype(np.uint8)


def test_scores_are_those_of_the_whole_clip():
  target = moving(frames=4)
  pred = flickering(target)
  found = whole_clip.clip_scores(pred, target)
  assert list(found) == list(whole_clip.TEMPORAL_METRICS)
  clips = [frames[None].astype(np.float32) / 255 for frames in (pred, target)]
  assert found["mabd"] == pytest.approx(float(temporal.mabd(clips[0]).mean()), rel=1e-5)
  assert found["mse_mabd"] == pytest.approx(float(temporal.mse_mabd(*clips)[0]), rel=1e-3)
  flicker = float(temporal.brightness_flicker(*clips)[0])
  assert found["flicker"] == pytest.approx(flicker, rel=1e-3)
  assert found["warp_err"] == temporal.warping_error(pred, target)


def test_system_c_s_number_is_that_of_its_program_in_thousandths():
  random = np.random.default_rng(0)
  pred, target = random.integers(0, 256, (2, 3, 16, 20, 3)).astype(np.uint8)
  clips = [frames[None].astype(np.float32) / 255 for frames in (pred, target)]
  expected = 1e3 * float(temporal.mse_mabd_usc(*clips)[0])
  assert whole_clip.clip_scores(pred, target)["mse_mabd_usc"] == pytest.approx(expected, rel=1e-4)


def test_static_scores_ask_for_no_target():
  frames = flickering(np.repeat(moving(frames=1), 4, axis=0))
  clip = frames[None].astype(np.float32) / 255
  found = whole_clip.static_scores(frames)
  assert list(found) == list(whole_clip.STATIC_METRICS)
  for name, value in found.items():
    assert value == pytest.approx(float(getattr(temporal, name)(clip)[0]), rel=1e-4), name
  with pytest.raises(ValueError, match="two frames or more of a still scene, got 1"):
    whole_clip.static_scores(frames[:1])
