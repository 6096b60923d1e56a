"""Real clips, where LLVE_TEST_DATA names the folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest

from llve_jax.enhance import command
from llve_jax.io.video import read_frames, read_info

DATA = os.environ.get("LLVE_TEST_DATA")

pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(DATA is None, reason="LLVE_TEST_DATA is not set: no real clips"),
]


@pytest.mark.parametrize(
  ("name", "count", "rate", "size", "brighter"),
  [
    ("room_352x288.avi", 325, 25, (352, 288), 3.0),
    ("highway_a.mp4", 180, 30, (544, 480), 1.05),
  ],
)
def test_night_clips(audio_packets, tmp_path, name, count, rate, size, brighter):
  source = Path(str(DATA)) / "night_clips" / name
  target = tmp_path / "bright.mp4"
  enhanced = command.run(source, target, model="auto_gain")
  assert enhanced.frames == count
  info = read_info(target)
  assert info.average_rate == rate
  assert (info.width, info.height) == size
  before = after = 0.0
  frames = zip(read_frames(source), read_frames(target), strict=True)
  for was, now in frames:
    assert now.time == pytest.approx(was.time, abs=1e-9)
    before += np.mean(was.image) / count
    after += np.mean(now.image) / count
  assert after > brighter * before
  sound = [data for data, _ in audio_packets(source)]
  assert len(sound) > 100
  assert [data for data, _ in audio_packets(target)] == sound
