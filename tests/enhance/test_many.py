"""Several files into a folder: which, where to, once, and what becomes of those that fail."""

import os
from pathlib import Path

import numpy as np
import pytest

from llve_jax.enhance import many
from llve_jax.enhance.many import Job
from llve_jax.errors import UserError
from llve_jax.io.images import read_image, write_image
from tests import commands

PICTURE = np.full((6, 8, 3), 20, np.uint8)
BRIGHTEN = {"model": "gamma", "quiet": True}


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
  """dark/a.png, dark/b.png, dark/deeper/a.png and a text file, seen from their parent."""
  monkeypatch.chdir(tmp_path)
  for name in ("a.png", "b.png", "deeper/a.png"):
    file = tmp_path / "dark" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    write_image(file, PICTURE)
  (tmp_path / "dark" / "notes.txt").write_text("no picture")
  return tmp_path


def pairs(jobs: list[Job] | Job) -> dict[str, str]:
  assert isinstance(jobs, list)
  return {str(job.source): str(job.target) for job in jobs}


@pytest.mark.parametrize(
  ("source", "target"),
  [
    ("film.mp4", "film_bright.mp4"),
    ("x/film.WMV", "x/film_bright.mkv"),
    ("a.JPG", "a_bright.JPG"),
    ("a.heic", "a_bright.png"),
    ("a.dng", "a_bright.png"),
    ("a.gif", "a_bright.png"),
  ],
)
def test_alone_it_goes_beside_the_input(source: str, target: str) -> None:
  assert many.plan([source]) == Job(Path(source), Path(target))


def test_two_files_are_one_from_the_other(inputs: Path) -> None:
  assert many.plan(["dark/a.png", "b.png"]) == Job(Path("dark/a.png"), Path("b.png"))
  assert many.plan(["no.mp4", "b.mp4"]) == Job(Path("no.mp4"), Path("b.mp4"))  # said when read


def test_hidden_files_are_no_inputs(inputs: Path) -> None:
  """A Mac leaves one beside every file that it copies; a run that writes there, its part."""
  for name in ("._a.png", ".a_bright.17.part.png", ".thumbnails/a.png"):
    hidden = inputs / "dark" / name
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_bytes(b"no picture")
  expected = {"dark/a.png", "dark/b.png", "dark/deeper/a.png"}
  assert set(pairs(many.plan(["dark", "out"]))) == expected
  (inputs / "dark").rename(inputs / ".dark")  # of a folder that is hidden itself, all that it shows
  assert set(pairs(many.plan([".dark", "out"]))) == {f".{name}" for name in expected}


def test_what_goes_into_a_folder(inputs: Path) -> None:
  expected = {"dark/a.png": "out/a.png", "dark/b.png": "out/b.png"}
  assert pairs(many.plan(["dark/a.png", "out/"])) == {"dark/a.png": "out/a.png"}
  assert pairs(many.plan(["dark/a.png", "dark/b.png", "out"])) == expected
  assert pairs(many.plan(["dark/*.png", "out"])) == expected
  whole = expected | {"dark/deeper/a.png": "out/deeper/a.png"}
  assert pairs(many.plan(["dark", "out"])) == whole
  (inputs / "dark" / "out").mkdir()
  write_image(inputs / "dark" / "out" / "a.png", PICTURE)  # a result is no input
  assert set(pairs(many.plan(["dark", "dark/out"]))) == set(whole)


@pytest.mark.parametrize(
  ("paths", "message"),
  [
    ([], "expected IN, IN OUT or IN ... FOLDER"),
    (["dark"], "dark: is a folder of inputs; name the folder for the results too"),
    (["dark", "dark"], "dark: is the folder of the inputs; write to another one"),
    (["dark/a.png", "dark/b.png", "dark/notes.txt"], "notes.txt: several inputs want a folder"),
    (["dark/a.png", "no.png", "out"], "no.png: expected a picture, .* found no such file"),
    (["dark/a.png", "dark/notes.txt", "out"], "notes.txt: unknown suffix '.txt'"),
    (["dark/*.mp4", "out"], r"dark/\*.mp4: expected pictures or videos of that pattern"),
    (
      ["dark/a.png", "dark/deeper/a.png", "out"],
      "dark/a.png and dark/deeper/a.png would both be written to out/a.png",
    ),
  ],
)
def test_what_cannot_be_is_said_before_the_first(
  inputs: Path, paths: list[str], message: str
) -> None:
  with pytest.raises(UserError, match=message):
    many.plan(paths)
  assert not (inputs / "out").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
  with pytest.raises(UserError, match="expected pictures or videos, found none of them"):
    many.plan([str(tmp_path), str(tmp_path / "out")])


@pytest.mark.parametrize("at_once", [1, 2])
def test_one_that_fails_keeps_no_other_from_being_done(inputs: Path, at_once: int) -> None:
  (inputs / "dark" / "b.png").write_bytes(b"no picture")
  jobs = many.plan(["dark", "out"])
  said: list[str] = []
  outcome = many.run(jobs, BRIGHTEN, at_once=at_once, say=said.append)
  assert sorted(map(str, outcome.written)) == ["out/a.png", "out/deeper/a.png"]
  assert [str(source) for source in outcome.failed] == ["dark/b.png"]
  assert "cannot be decoded" in outcome.failed[Path("dark/b.png")]
  assert sorted(path.name for path in (inputs / "out").rglob("*")) == ["a.png", "a.png", "deeper"]
  assert read_image("out/deeper/a.png")[0, 0, 0] == 80  # 255 (20 / 255)^(1 / 2.2)
  assert len(said) == 3
  assert "2 written, 1 failed:\n  dark/b.png: " in str(outcome)


def test_what_is_finished_is_not_done_again(inputs: Path) -> None:
  jobs = many.plan(["dark", "out"])
  many.run(jobs, BRIGHTEN, say=print)
  times = {job.target: job.target.stat().st_mtime_ns for job in jobs}
  os.utime("dark/b.png", (2e9, 2e9))  # changed since
  outcome = many.run(jobs, BRIGHTEN, say=print)
  assert [str(path) for path in outcome.written] == ["out/b.png"]
  assert len(outcome.finished) == 2
  assert {path: path.stat().st_mtime_ns for path in outcome.finished} == {
    path: times[path] for path in outcome.finished
  }
  assert len(many.run(jobs, BRIGHTEN, overwrite=True, say=print).written) == 3


def test_numbers_that_make_no_sense(inputs: Path) -> None:
  with pytest.raises(UserError, match="--jobs=0: expected at least 1"):
    many.run(many.plan(["dark", "out"]), BRIGHTEN, at_once=0)
  (inputs / "file").write_text("")
  with pytest.raises(UserError, match="file/out: cannot be made"):
    many.run([Job(Path("dark/a.png"), Path("file/out/a.png"))], BRIGHTEN)


def test_the_command_ends_with_1_where_one_failed(inputs: Path) -> None:
  (inputs / "dark" / "b.png").write_bytes(b"")
  given = ("dark", "out", "--model=gamma")
  done = commands.run("llve_jax.enhance", *given, cwd=inputs)
  assert done.returncode == 1
  assert done.stdout.startswith("2 written, 1 failed:\n  dark/b.png: ")
  assert "[1/3] out/a.png" in done.stderr
  quiet = commands.run("llve_jax.enhance", *given, "--quiet", "--overwrite", cwd=inputs)
  assert (quiet.returncode, quiet.stdout) == (1, "")
  assert quiet.stderr.startswith("2 written, 1 failed:")
