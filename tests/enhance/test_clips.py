"""Films of single files: pictures, raw stills, mosaics in a NumPy file."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from llve_jax.enhance import chosen, clips, command, many
from llve_jax.enhance.clips import is_clip
from llve_jax.enhance.many import Job
from llve_jax.errors import UserError
from llve_jax.io.images import write_image
from llve_jax.io.raw import read_raw
from llve_jax.io.video import read_frames, read_info
from llve_jax.models.contract import Traits
from tests.dng import write_dng
from tests.methods.networks import of_function

QUIET = {"model": "run", "quiet": True}


@pytest.fixture
def network(monkeypatch):
  """Stands for a network for Bayer light: a grey of the light's mean, twice the size."""
  traits = Traits(stride=1, receptive_field=1, input_kind="bayer", scale=2)

  def enlarged(clip):
    return clip[..., :3].repeat(2, axis=2).repeat(2, axis=3)

  monkeypatch.setattr(
    chosen.methods, "load", lambda model, **options: of_function(enlarged, traits, batch=2)[0]
  )


def mosaic(level: int) -> np.ndarray:
  return np.full((24, 32), level, np.uint16)


def greys(path: Path) -> list[float]:
  return [float(frame.image.mean()) for frame in read_frames(path)]


@pytest.mark.parametrize(
  ("source", "target", "expected"),
  [
    ("folder", "out.mp4", True),
    ("a.npy", "out.mp4", True),
    ("a.npy", "out.png", True),
    ("folder", "out", False),
    ("folder", "there.mp4", False),
    ("a.mp4", "out.mp4", False),
  ],
)
def test_what_is_a_film_of_single_files(tmp_path, source, target, expected):
  (tmp_path / "folder").mkdir()
  (tmp_path / "there.mp4").mkdir()
  assert is_clip(tmp_path / source, tmp_path / target) == expected
  if source == "folder":
    planned = many.plan([str(tmp_path / source), str(tmp_path / "out.mp4")])
    assert planned == Job(tmp_path / source, tmp_path / "out.mp4")


def test_pictures_become_a_film(tmp_path):
  folder = tmp_path / "pictures"
  folder.mkdir()
  for index in range(5):
    write_image(folder / f"{index}.png", np.full((24, 32, 3), 20 + 10 * index, np.uint8))
  for name in ("notes.txt", "._0.png"):  # the latter as a Mac leaves it beside what it copies
    (folder / name).write_text("no picture")
  exact = command.run(folder, tmp_path / "tv.mp4", model="input", rate=30000 / 1001, quiet=True)
  assert read_info(exact.path).average_rate == Fraction(30000, 1001)
  done = command.run(folder, tmp_path / "out.mp4", model="input", rate=10, quiet=True)
  assert (done.frames, done.width, done.height) == (5, 32, 24)
  assert read_info(tmp_path / "out.mp4").average_rate == 10
  np.testing.assert_allclose(greys(tmp_path / "out.mp4"), [20, 30, 40, 50, 60], atol=1.5)
  write_image(folder / "9.png", np.zeros((24, 40, 3), np.uint8))
  with pytest.raises(UserError, match="file 5 in the order of names is 40x24, those before it 32"):
    command.run(folder, tmp_path / "no.mp4", model="input", quiet=True)
  assert not (tmp_path / "no.mp4").exists()


def test_raw_stills_go_through_a_network_for_raw_light(network, tmp_path, capsys):
  folder = tmp_path / "burst"
  folder.mkdir()
  for index in range(3):
    level = mosaic(512 + 20 * (index + 1))
    write_dng(folder / f"{index}.dng", level, cfa="RGGB", black=(512,) * 4, white=1512)
  done = command.run(folder, tmp_path / "out.mkv", model="run", ratio=10.0)
  assert (done.frames, done.width, done.height) == (3, 32, 24)
  np.testing.assert_allclose(greys(tmp_path / "out.mkv"), [51, 102, 153], atol=2)
  assert "raw light (bayer), amplified 10 times" in capsys.readouterr().err


def test_raw_stills_of_a_camera_that_was_turned_are_upright(network, tmp_path, monkeypatch):
  def turned(path):
    return dataclasses.replace(read_raw(path), orientation=6)  # by a quarter, clockwise

  monkeypatch.setattr(clips, "read_raw", turned)
  level = mosaic(512)
  level[:, :16] = 1012
  for index in range(2):
    write_dng(tmp_path / f"{index}.dng", level, cfa="RGGB", black=(512,) * 4, white=1512)
  done = command.run(tmp_path, tmp_path / "out.mkv", ratio=1.0, **QUIET)
  assert (done.frames, done.width, done.height) == (2, 24, 32)
  for frame in read_frames(tmp_path / "out.mkv"):
    assert frame.image[:14].mean() > 120  # what lay at the left
    assert frame.image[18:].mean() < 8


@pytest.mark.parametrize("ratio", [4.0, None])
def test_mosaics_of_numpy(network, tmp_path, ratio):
  path = tmp_path / "a.npy"
  np.save(path, np.stack([mosaic(1000 + 100 * index) for index in range(4)]))
  given = QUIET | {"cfa": "BGGR", "black": 900.0, "white": 2900.0, "ratio": ratio, "depth": 10}
  command.run(path, tmp_path / "out.mkv", **given)
  expected = [51.0, 102, 153, 204] if ratio else [229.5, 255, 255, 255]  # to 0.9 by itself
  np.testing.assert_allclose(greys(tmp_path / "out.mkv"), expected, atol=3)
  assert read_info(tmp_path / "out.mkv").bits == 10


@pytest.mark.parametrize(
  ("given", "message"),
  [
    ({"rate": 0.0}, "--rate=0: expected frames per second"),
    ({"cfa": "RGB"}, "--cfa=RGB: expected 4 or 36 letters"),
    ({"preview": 3}, "--preview: .* holds single files"),
    ({"white": 0.0}, "expected 4 black levels"),
  ],
)
def test_what_is_refused(network, tmp_path, given, message):
  np.save(tmp_path / "a.npy", mosaic(9)[None])
  with pytest.raises(UserError, match=message):
    command.run(tmp_path / "a.npy", tmp_path / "out.mp4", **QUIET | given)
  assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_what_is_not_there(network, tmp_path, monkeypatch):
  (tmp_path / "folder").mkdir()
  np.save(tmp_path / "a.npy", mosaic(9)[None][:0])
  for source, message in (
    ("folder", "expected raw stills"),
    ("none.npy", "expected an array file"),
    ("a.npy", "found no frame"),
  ):
    with pytest.raises(UserError, match=message):
      command.run(tmp_path / source, tmp_path / "out.mp4", **QUIET)
  monkeypatch.undo()
  with pytest.raises(UserError, match="holds mosaics, and this method takes pictures"):
    command.run(tmp_path / "a.npy", tmp_path / "out.mp4", model="gamma")
