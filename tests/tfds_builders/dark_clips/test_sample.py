"""A dark video file to try the tool on."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io import embedded_clips
from llve_jax.io.video import read_frames
from tests import commands


def test_it_is_the_clip_darker(tmp_path) -> None:
  path = tmp_path / "dark.mp4"
  embedded_clips.write_dark(path, "carphone", frames=5, seed=0)
  dark = np.stack([frame.image for frame in read_frames(path)]).astype(float)
  bright, _ = embedded_clips.read_clip("carphone", 288, 5)
  assert dark.shape == bright.shape
  assert dark.mean() < 0.5 * bright.mean()
  # The same scene: what is bright there is brighter here.
  assert np.corrcoef(dark.mean((0, 3)).ravel(), bright.mean((0, 3)).ravel())[0, 1] > 0.8


def test_another_seed_is_another_night(tmp_path) -> None:
  first, again, other = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "c.mp4"
  for path, seed in ((first, 0), (again, 0), (other, 1)):
    embedded_clips.write_dark(path, "carphone", frames=2, seed=seed)
  one, same, different = (next(read_frames(path)).image for path in (first, again, other))
  np.testing.assert_array_equal(one, same)
  assert np.abs(one.astype(int) - different).mean() > 1


def test_bad_arguments(tmp_path) -> None:
  with pytest.raises(UserError, match="does not exist; create it first"):
    embedded_clips.write_dark(tmp_path / "no" / "dark.mp4", "carphone", frames=1, seed=0)
  done = commands.run("tfds_builders.dark_clips.sample")
  assert done.returncode == 2
  assert "expected one path" in done.stderr
