"""Files that went wrong for people, where LLVE_TEST_DATA names the folder that holds `cases`."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from llve_jax.enhance import command
from llve_jax.enhance.videos import enhance_video
from llve_jax.errors import UserError
from llve_jax.io.video import make_plan, read_frames, read_info
from llve_jax.methods.method import Method
from llve_jax.ops.frames import to_unit

DATA = os.environ.get("LLVE_TEST_DATA")

pytestmark = pytest.mark.skipif(DATA is None, reason="LLVE_TEST_DATA is not set: no real files")


@pytest.fixture
def run(tmp_path, capsys):
  """Passes a file through; returns the times of the result's frames and what was said."""

  def enhance(name, target, **options):
    command.run(Path(str(DATA)) / "cases" / name, tmp_path / target, model="input", **options)
    with av.open(str(tmp_path / target)) as container:
      found = [frame.time for frame in container.decode(video=0)]
    return found, capsys.readouterr().err

  return enhance


@pytest.mark.parametrize(
  ("name", "target", "count", "word"),
  [
    ("mirrored.mp4", "a.mp4", 50, ""),
    ("stereo_pcm.avi", "a.mp4", 25, "encoded as AAC"),
    ("joined.ts", "a.mp4", 100, ""),
    ("repeated_frame.ogv", "a.mp4", 24, ""),
    ("unknown_sound.mov", "a.mov", 50, "is left out: FFmpeg does not know it"),
    ("wma_sound.wmv", "a.mp4", 25, "encoded as AAC"),
    ("wma_sound.wmv", "a.mkv", 25, ""),
    ("amr_sound.3gp", "a.mp4", 74, "encoded as AAC"),
    ("amr_sound.3gp", "a.mkv", 74, ""),
    ("late_start.ts", "a.mp4", 50, ""),
    ("subtitles_chapters_languages.mkv", "a.mp4", 50, "DejaVuSans.ttf is left out"),
    ("trimmed.mp4", "a.mp4", 37, ""),
    ("b_frames.avi", "a.mp4", 25, ""),
    ("interlaced.mp4", "a.mp4", 50, "made progressive"),
    ("dark_10_bit.mp4", "a.mp4", 5, ""),
  ],
)
def test_every_frame_at_its_time(run, name, target, count, word):
  found, said = run(name, target)
  assert len(found) == count
  assert word in said
  assert 0 <= found[0] < 0.05
  step = 0.04 if "amr" not in name else 1 / 15
  even = np.diff(found) if "repeated" not in name else np.delete(np.diff(found), 12)
  assert even == pytest.approx(step, abs=2e-3)


def test_damage(run, tmp_path):
  with pytest.raises(UserError, match=r"at 0\.72 s: 18 of 50 frames"):
    run("damaged_middle.mp4", "a.mp4")
  assert not list(tmp_path.iterdir())
  found, _ = run("damaged_middle.mp4", "a.mp4", on_error="skip")
  assert len(found) == 50
  with pytest.raises(UserError, match=r"cut off at 1\.6"):
    run("cut_off.mkv", "b.mkv")
  assert len(run("cut_off.mkv", "b.mkv", on_error="skip")[0]) == 39


class Unit(Method):
  """Returns what it is given, unrounded."""

  name = "unit"

  def stream(self, frames, *, rounded=True):
    del rounded
    return map(to_unit, frames)


def test_levels_of_ten_bits(tmp_path):
  source = Path(str(DATA)) / "cases" / "dark_10_bit.mp4"
  enhance_video(make_plan(read_info(source), tmp_path / "a.mp4"), Unit())
  before, after = (
    len(np.unique(next(read_frames(path, deep=True)).image[..., 1]))
    for path in (source, tmp_path / "a.mp4")
  )
  assert read_info(tmp_path / "a.mp4").bits == 10
  assert after > 0.9 * before > 50
