"""Where shots begin."""

import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from llve_jax.io.video import read_frames
from llve_jax.methods.cuts import Cuts


def scene(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
  """A smooth picture, mean about 60."""
  noise = np.random.default_rng(seed).uniform(size=(height, width, 3)).astype(np.float32)
  smooth = cv2.GaussianBlur(noise, (0, 0), 12)
  low, high = smooth.min(), smooth.max()
  return 120 * (smooth - low) / (high - low)


def film(picture: np.ndarray, count: int, *, gain: float = 1.0, noise: float = 4.0) -> np.ndarray:
  random = np.random.default_rng(1)
  frames = gain * picture + random.normal(scale=noise, size=(count, *picture.shape))
  return np.clip(frames, 0, 255).astype(np.uint8)


def begins(frames) -> list[int]:
  cuts = Cuts()
  return [index for index, frame in enumerate(frames) if cuts(frame)]


@pytest.mark.parametrize("gain", [1.0, 0.2])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_another_scene_is_a_cut_in_the_dark_too(gain: float, kind: type) -> None:
  shots = [film(scene(seed), 3, gain=gain) for seed in range(3)]
  frames = np.concatenate(shots)
  frames = frames if kind == np.uint8 else frames.astype(np.float32) / 255
  assert begins(frames) == [3, 6]


def test_light_noise_and_motion_are_no_cut() -> None:
  picture = scene(0)
  assert begins(np.concatenate([film(picture, 2, gain=gain) for gain in (0.3, 1.0, 0.5)])) == []
  assert begins(film(0.0 * picture + 2, 8, noise=3.0)) == []  # nothing but noise
  assert begins([film(np.roll(picture, 8 * k, axis=1), 1)[0] for k in range(6)]) == []
  passing = film(picture, 6)
  for index, frame in enumerate(passing):
    frame[30:60, 15 * index : 15 * index + 30] = 250
  assert begins(passing) == []


@pytest.mark.skipif("LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA is not set")
def test_real_clips_are_one_shot_each_and_joined_ones_are_cut() -> None:
  data = Path(os.environ["LLVE_TEST_DATA"])
  names = ("night_clips/highway_a.mp4", "night_clips/highway_b.mp4", "night_clips/room_352x288.avi")
  clips = [
    [frame.image for frame in itertools.islice(read_frames(data / name), 40)] for name in names
  ]
  for clip in clips:
    assert begins(clip) == []
  assert begins(itertools.chain(*clips)) == [40, 80]
