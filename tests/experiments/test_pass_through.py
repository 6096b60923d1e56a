import itertools

import numpy as np

from experiments.benchmarks import dark_film, pass_through
from llve_jax.io.video import write_video


def test_both_write_the_same_frames_and_the_tool_loses_nothing(tmp_path):
  t, y, x = np.mgrid[0:10, 0:48, 0:64]
  frames = np.stack([60 + 30 * np.sin((x + t) / 9), 50 + y / 4, 40 + x / 4], -1).astype(np.uint8)
  write_video(tmp_path / "in.mp4", frames, 25)
  found = pass_through.measure(tmp_path / "in.mp4", tmp_path, 1, length=4)
  assert found["psnr"] > 38
  assert found["ratio"] > 0
  assert found["tool_frames_per_s"] > 0
  assert found["parts_ratio"] > 0
  written = [path.name for path in tmp_path.iterdir()]
  assert sorted(written) == ["alone.mp4", "in.mp4", "parts.mp4", "tool.mp4"]


def test_the_clip_that_is_made_is_dark():
  (frame,) = itertools.islice(dark_film.dark(1), 1)
  assert frame.shape == (1080, 1920, 3)
  assert frame.mean() < 80
