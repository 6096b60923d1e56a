import dataclasses
import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from experiments.run.pictures import Pictures, busiest, detail, shrunk
from llve_jax.data.clips import EvalClip
from llve_jax.io.video import read_info

GAP = 4


def make_clip(name, frames, size=(30, 48)):
  rng = np.random.default_rng(frames)
  high = np.full((frames, *size, 3), 100, np.uint8)
  high[:, 5:12, 20:31] = rng.integers(0, 256, (frames, 7, 11, 3))  # all the detail there is
  return EvalClip(name, 0, 0.0, high // 4, high)


def noisy(clip):
  """A network's frames, with more to see in a corner than the target has anywhere."""
  frames = clip.low * 3
  frames[:, 20:, :12] = np.random.default_rng(0).integers(0, 256, (len(frames), 10, 12, 3))
  return frames


def saw(pictures, clip):
  pictures("input", clip, clip.low)
  pictures("gain", clip, clip.low * 2)
  pictures("net", clip, noisy(clip))


def test_a_strip_shows_the_middle_frame_and_its_detail(tmp_path):
  clip = make_clip("train/a", 5)
  pictures = Pictures(tmp_path)
  saw(pictures, clip)
  pictures.write("gain", "net")
  strip = cv2.imread(str(tmp_path / "strips" / "train_a_0.png"))[..., ::-1]
  rows = [strip[-30:], strip[-60 - GAP : -30 - GAP]]
  below, above = ([row[:, k * (48 + GAP) : k * (48 + GAP) + 48] for k in range(4)] for row in rows)
  low, net, high = clip.low[2], noisy(clip)[2], clip.high[2]
  for found, frame in zip(above, [low, 2 * low, net, high], strict=True):
    np.testing.assert_array_equal(found, frame)
  # A third of the frame, magnified by three, with the detail inside.
  top, left = busiest(high, 10, 16)
  assert 2 <= top <= 5
  assert 15 <= left <= 20
  for found, frame in zip(below, [low, 2 * low, net, high], strict=True):
    part = frame[top : top + 10, left : left + 16]
    np.testing.assert_array_equal(found, part.repeat(3, 0).repeat(3, 1))


def test_the_busiest_window_is_that_of_brute_force():
  frame = np.random.default_rng(0).integers(0, 256, (13, 17, 3)).astype(np.uint8)
  edges = np.abs(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_64F))
  sums = {(y, x): edges[y : y + 4, x : x + 6].sum() for y in range(10) for x in range(12)}
  assert busiest(frame, 4, 6) == max(sums, key=sums.get)
  assert busiest(frame, 13, 17) == (0, 0)


def test_large_frames_are_shown_smaller_and_their_detail_is_not():
  frame = np.zeros((900, 1440, 3), np.uint8)
  frame[450:, 700:] = np.random.default_rng(0).integers(0, 256, (450, 740, 3))
  assert shrunk(frame).shape == detail(frame, frame).shape == (450, 720, 3)
  zoomed = detail(frame, frame)
  np.testing.assert_array_equal(zoomed[::3, ::3], zoomed[1::3, 1::3])
  top, left = busiest(frame, 150, 240)
  np.testing.assert_array_equal(zoomed[::3, ::3], frame[top : top + 150, left : left + 240])


def test_brightness_of_every_frame_by_method_and_clip(tmp_path):
  clips = [make_clip("a", 3), make_clip("b", 1)]
  pictures = Pictures(tmp_path)
  for clip in clips:
    saw(pictures, clip)
  pictures.write("gain", "net")
  told = json.loads((tmp_path / "brightness.json").read_text())
  assert set(told) == {"input", "gain", "net", "target"}
  assert {name: len(values) for name, values in told["net"].items()} == {"a_0": 3, "b_0": 1}
  weights = np.array([0.2126, 0.7152, 0.0722])
  expected = (clips[0].high @ weights).mean((1, 2)) / 255
  assert told["target"]["a_0"] == pytest.approx(expected)
  # A clip of one frame is no video.
  assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["a_0_dark.mp4"]


def test_the_large_strip_shows_the_first_clips_at_several_moments(tmp_path):
  clips = [make_clip(name, 5) for name in "abcdef"]
  pictures = Pictures(tmp_path)
  for index, clip in enumerate(clips):
    clip.high[:, 0, 0] = 10 * index + np.arange(5)[:, None]
    saw(pictures, clip)
  pictures.write("gain", "net")
  strip = cv2.imread(str(tmp_path / "strip.png"))
  corners = [strip[-30 - row * (30 + GAP), -48, 0] for row in reversed(range(4))]
  assert corners == [10 * row + row + 1 for row in range(4)]


@pytest.mark.parametrize(("noted", "rate"), [(30000 / 1001, Fraction(30000, 1001)), (0.0, 25)])
def test_the_dark_clip_is_as_fast_as_it_was(tmp_path, noted, rate):
  pictures = Pictures(tmp_path)
  clip = dataclasses.replace(make_clip("a", 3), fps=noted)
  pictures("input", clip, clip.low)
  assert read_info(tmp_path / "a_0_dark.mp4").average_rate == rate


def test_what_is_kept_of_a_clip_does_not_hold_all_of_it():
  frames = np.zeros((3, 30, 48, 3), np.uint8)
  kept = shrunk(frames[1])
  np.testing.assert_array_equal(kept, frames[1])
  assert not np.shares_memory(kept, frames)
