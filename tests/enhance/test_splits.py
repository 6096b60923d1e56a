"""Clips of data sets, each to a file."""

from fractions import Fraction

import numpy as np
import pytest

from llve_jax.data import clips
from llve_jax.enhance import chosen, splits
from llve_jax.enhance.options import Options
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png, read_image
from llve_jax.io.video import read_frames, read_info
from llve_jax.models.contract import Traits
from tests import commands
from tests.methods.networks import of_function

QUIET = Options(model="auto_gain", quiet=True)


def srgb(name, start, count, *, variant=0, level=20, fps=10.0):
  """A segment of dark frames that get brighter, with one bright frame."""
  frames = [np.full((16, 24, 3), level + start + at, np.uint8) for at in range(count)]
  low = [encode_png(frame) for frame in frames]
  named = {"clip": name.encode(), "variant": variant, "start": start, "fps": fps}
  return {"low": low, "high": [encode_png(frames[0])], **named}


def bayer(name, start, count):
  """Mosaics at a quarter of their range, which are to be amplified twice; no bright frame."""
  frames = [np.full((16, 24, 1), 100 + 15000, np.uint16) for _ in range(count)]
  levels = {"black": np.full(4, 100, np.float32), "white": 60100.0, "cfa": b"GBRG"}
  named = {"clip": name.encode(), "variant": 0, "start": start, "fps": 0.0}
  ratio = np.full(count, 2, np.float32)
  return {
    "low": [encode_png(each) for each in frames],
    "high": [],
    "ratio": ratio,
    **levels,
    **named,
  }


@pytest.fixture
def built(monkeypatch):
  """Stands for a data set with these examples."""

  def give(*examples):
    monkeypatch.setattr(splits, "open_split", lambda *given, **named: list(examples))

  return give


def run(folder, options=QUIET, **further):
  said = []
  done = splits.enhance_split("set/one", "test", None, folder, options, say=said.append, **further)
  return done, said


def test_each_clip_becomes_a_film_and_one_frame_a_picture(built, tmp_path):
  built(
    srgb("b/night", 2, 3),
    srgb("b/night", 0, 2),
    srgb("still", 0, 1),
    srgb("still", 0, 1, variant=1),
  )
  done, said = run(tmp_path / "out", Options(model="input", quiet=True))
  assert not done.failed
  names = [str(path.relative_to(tmp_path / "out")) for path in done.written]
  assert names == ["b/night.mp4", "still.png", "still_1.png"]
  assert len(said) == 3
  film = tmp_path / "out" / "b" / "night.mp4"
  levels = [frame.image.mean() for frame in read_frames(film)]
  assert levels == pytest.approx([20, 21, 22, 23, 24], abs=1.5)  # in order
  assert read_info(film).average_rate == 10
  assert read_image(tmp_path / "out" / "still.png").mean() == 20
  film.write_bytes(b"kept")
  done, _ = run(tmp_path / "out")
  assert (len(done.written), len(done.finished)) == (0, 3)
  assert film.read_bytes() == b"kept"
  run(tmp_path / "out", overwrite=True)
  assert film.read_bytes() != b"kept"


def test_networks_for_raw_light_get_it_and_others_what_a_person_sees(built, tmp_path, monkeypatch):
  built(bayer("moving", 0, 2), bayer("moving", 2, 1))
  shown = [frame.mean() for frame in next(clips.dark_clips([bayer("a", 0, 1)], "srgb")).frames()]
  run(tmp_path / "seen", Options(model="input", quiet=True, rate=5))
  film = tmp_path / "seen" / "moving.mp4"
  assert [frame.image.mean() for frame in read_frames(film)] == pytest.approx(shown * 3, abs=2)
  assert read_info(film).average_rate == 5  # nobody noted it
  traits = Traits(stride=1, receptive_field=1, input_kind="bayer", scale=2)

  def enlarged(clip):
    return clip[..., :3].repeat(2, axis=2).repeat(2, axis=3)

  network, noted = of_function(enlarged, traits, batch=2)
  monkeypatch.setattr(chosen.methods, "load", lambda model, **options: network)
  run(tmp_path / "raw")
  assert noted.shapes[0][-3:] == (7, 12, 4)  # whole cells at the phase of RGGB
  frames = list(read_frames(tmp_path / "raw" / "moving.mp4"))
  assert [frame.image.mean() for frame in frames] == pytest.approx([127.5] * 3, abs=1.5)


def test_the_rate_is_the_fraction_that_films_have(built, tmp_path):
  built(srgb("night", 0, 2) | {"fps": 30000 / 1001})
  run(tmp_path)
  assert read_info(tmp_path / "night.mp4").average_rate == Fraction(30000, 1001)


def test_one_that_fails_keeps_no_other_from_being_done(built, tmp_path):
  built(srgb("a", 0, 2), srgb("a", 4, 2), srgb("c", 0, 2))
  done, said = run(tmp_path)
  assert [path.name for path in done.written] == ["c.mp4"]
  assert "expected a segment that starts at frame 2, found one at 4" in str(done)
  assert said[0] == "[1/2] failed: a"
  assert {path.name for path in tmp_path.iterdir()} == {"c.mp4"}


@pytest.mark.parametrize(
  ("examples", "options", "message"),
  [
    ([srgb("../../a", 0, 2)], QUIET, "leads out of"),
    ([srgb("a", 0, 2)], Options(model="auto_gain", report="a.json"), "--report: is for a file"),
    ([srgb("a", 0, 2)], Options(model="nothing"), "no method and no file"),
  ],
)
def test_what_cannot_be_is_refused(built, tmp_path, examples, options, message):
  built(*examples)
  with pytest.raises(UserError, match=message):
    run(tmp_path, options)


def test_the_command_says_what_is_missing(tmp_path):
  def told(*words):
    done = commands.run("llve_jax.enhance", *words, "--model=gamma", f"--data_dir={tmp_path}")
    assert done.returncode == 2, done.stderr
    return done.stderr

  missing = told("--builder=smid/dynamic_raw", str(tmp_path / "out"))
  command = f"tfds build tfds_builders/smid --config=dynamic_raw --data_dir={tmp_path}"
  assert f"the data set smid is not prepared; run `{command}`" in missing
  assert "expected one folder for the results, found none" in told("--builder=smid")
