"""The command: which page is written, and what it refuses."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import report
from llve_jax import models
from llve_jax.errors import UserError
from tests import commands

command = functools.partial(commands.run, "experiments.report")


def test_models_prints_every_network():
  # It uses a device.
  done = subprocess.run(
    [sys.executable, "-m", "experiments.report", "--models"],
    cwd=commands.ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  for name in models.MODELS:
    assert f"| `{name}` |" in done.stdout


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ((), "--workdir=DIR, --compare=A,B, --votes=CSV, --models, --shipped; none given"),
    (("--models", "--votes=a.csv"), "--votes and --models given"),
    (("--workdir=/nowhere", "--out=/tmp"), "/nowhere: expected the --workdir of experiments.sweep"),
    (("--votes=/nowhere.csv",), "/nowhere.csv: no such file"),
    (("--compare=/nowhere,/neither", "--out=/tmp"), "/nowhere: expected a run folder"),
  ],
)
def test_bad_calls_are_refused_in_one_line(arguments: tuple[str, ...], message: str):
  done = command(*arguments)
  assert done.returncode == 2
  assert message in done.stderr
  assert done.stderr.count("\n") == 1


def test_a_run_gets_a_page_and_needs_a_place_for_it(tmp_path: Path):
  run = tmp_path / "run"
  run.mkdir()
  (run / "config.json").write_text('{"name": "tiny", "seed": 3, "train": {"steps": 5}}')
  done = command(f"--workdir={run}", f"--out={tmp_path / 'pages' / 'run'}")
  assert done.returncode == 0, done.stderr
  assert "missing" in (tmp_path / "pages" / "run" / "RESULTS.md").read_text()
  assert "at step 0 of 5" in (tmp_path / "pages" / "run" / "index.html").read_text()
  without = command(f"--workdir={run}")
  assert without.returncode == 2
  assert "--out=DIR is needed" in without.stderr


def test_folders_of_one_name_are_told_apart_by_the_folder_above():
  both = report.named_folders(["/sets/indoor/val", "/sets/outdoor/val/", "/sets/mine"])
  assert list(both) == ["indoor/val", "outdoor/val", "mine"]
  with pytest.raises(UserError, match="two folders have the same name"):
    report.named_folders(["/a/indoor/val", "/b/indoor/val"])
