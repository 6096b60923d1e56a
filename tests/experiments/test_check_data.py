"""The command that looks at a download before it is built."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data

from experiments import check_data
from llve_jax.errors import UserError
from tests import commands

PICTURES = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut()]


@pytest.fixture
def folder(tmp_path):
  for split, numbers in {"train": (0, 1), "test": (2,)}.items():
    for number in numbers:
      picture = cv2.resize(PICTURES[number], (160, 120), interpolation=cv2.INTER_AREA)
      for side, factor in (("low", 0.2), ("high", 1.0)):
        path = tmp_path / "manual" / split / side / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.round(picture * factor).astype(np.uint8))
  return tmp_path / "manual"


def run(*arguments):
  return commands.run("experiments.check_data", *arguments)


def test_a_sound_folder_passes(folder, tmp_path):
  done = run(
    "--builder=paired_images", f"--manual_dir={folder}", f"--json={tmp_path / 'found.json'}"
  )
  assert done.returncode == 0, done.stderr
  assert "MANUAL_DIR/" in done.stdout
  assert "train             2 clips, 2 looked at" in done.stdout
  assert "0 problems" in done.stdout
  found = json.loads((tmp_path / "found.json").read_text())
  assert found["registration"]["pairs"] == 3
  assert found["registration"]["largest_shift"] < 0.2


@pytest.mark.parametrize(("sample", "seen"), [(0, 2), (1, 1), (2, 2), (500, 2)])
def test_so_many_clips_of_a_split_are_looked_at_or_all(folder, sample, seen, monkeypatch, capsys):
  given = {"builder": "paired_images", "manual_dir": str(folder), "sample": sample}
  flags = SimpleNamespace(**given, config=None, against=[], json=None)
  monkeypatch.setattr(check_data.flags, "FLAGS", flags)
  check_data.main([""])
  assert f"train             2 clips, {seen} looked at" in capsys.readouterr().out


def test_problems_are_listed_by_kind_and_exit_with_1(folder):
  (folder / "train" / "high" / "1.png").unlink()
  (folder / "test" / "low" / "x.txt").write_text("")
  done = run("--builder=paired_images", f"--manual_dir={folder}")
  assert done.returncode == 1
  assert "unpaired: 1\n" in done.stdout
  assert "surplus: 1\n" in done.stdout
  assert "2 problems, 1 of which keep it from being built" in done.stdout


def test_a_leak_into_another_data_set_is_found(folder, tmp_path):
  other = tmp_path / "other" / "deep"
  other.mkdir(parents=True)
  cv2.imwrite(str(other / "copy.jpg"), cv2.imread(str(folder / "train" / "high" / "0.png")))
  (other / "._copy.jpg").write_bytes(b"what a Mac leaves beside every file that it copies")
  found = check_data.check("paired_images", folder, against=[tmp_path / "other"])
  (problem,) = found["problems"]
  assert problem["kind"] == "leak"
  assert "copy.jpg" in problem["message"]
  assert "leak: 1" in check_data.report(found)


def test_a_pair_of_unequal_size_keeps_it_from_being_built(folder):
  path = folder / "train" / "high" / "1.png"
  cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (150, 120)))
  found = check_data.check("paired_images", folder)
  (problem,) = found["problems"]
  assert (problem["kind"], problem["fatal"]) == ("unequal", True)
  assert problem["path"].endswith("low/1.png")
  assert "is 160x120" in problem["message"]
  assert "high/1.png is 150x120; resize or crop" in problem["message"]
  assert "1 problems, 1 of which keep it from being built" in check_data.report(found)


def test_dark_and_bright_exchanged_is_noticed(folder):
  train, swap = folder / "train", folder / "swap"
  (train / "low" / "1.png").rename(swap)
  (train / "high" / "1.png").rename(train / "low" / "1.png")
  swap.rename(train / "high" / "1.png")
  (problem,) = check_data.check("paired_images", folder)["problems"]
  assert (problem["kind"], problem["fatal"]) == ("exchanged", False)
  assert re.search(r"is brighter \(.*high/1\.png \(.*; exchange them", problem["message"])
  (train / "low").rename(swap)
  (train / "high").rename(train / "low")
  swap.rename(train / "high")
  (train / "low" / "1.png").rename(swap)
  (train / "high" / "1.png").rename(train / "low" / "1.png")
  swap.rename(train / "high" / "1.png")
  (problem,) = check_data.check("paired_images", folder)["problems"]
  assert problem["path"].endswith("train/low")
  assert "in 2 of 2 pairs of the split train the dark picture is the brighter" in problem["message"]


def test_bad_arguments_are_named(folder, tmp_path):
  with pytest.raises(UserError, match=r"--builder=lol.*known:.*paired_images.*sid"):
    check_data.check("lol", folder)
  with pytest.raises(UserError, match="no configuration 'x'"):
    check_data.check("paired_images", folder, config="x")
  with pytest.raises(UserError, match=r"(?s)nowhere: expected a folder with this tree.*MANUAL_DIR"):
    check_data.check("paired_images", tmp_path / "nowhere")
  with pytest.raises(UserError, match="--against"):
    check_data.check("paired_images", folder, against=[tmp_path / "nowhere"])


@pytest.mark.parametrize("builder", check_data.known_builders())
def test_every_data_set_names_what_is_missing(builder, tmp_path):
  found = check_data.check(builder, tmp_path)
  assert found["problems"]
  assert all(problem["fatal"] for problem in found["problems"])
  assert "MANUAL_DIR" in found["tree"]


@pytest.mark.skipif(
  "LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA names no folder of real pairs"
)
@pytest.mark.parametrize(("name", "pairs"), [("noisy_indoor", 188), ("multi_exposure", 333)])
def test_real_pairs_do_not_leak_and_the_misaligned_are_flagged(name, pairs):
  found = check_data.check("paired_images", Path(os.environ["LLVE_TEST_DATA"]) / name)
  kinds = [problem["kind"] for problem in found["problems"]]
  assert found["registration"]["pairs"] == pairs
  assert not {"leak", "unequal", "exchanged"} & set(kinds)
  assert 1 <= kinds.count("misregistered") < 0.05 * pairs
  assert found["registration"]["median_shift"] < 0.5


@pytest.mark.skipif(
  "LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA names no folder of real pairs"
)
@pytest.mark.parametrize(
  ("name", "kind", "fatal"),
  [("unequal_pairs", "unequal", True), ("lowhigh_swapped", "exchanged", False)],
)
def test_real_folders_that_went_unnoticed(name, kind, fatal):
  folder = Path(os.environ["LLVE_TEST_DATA"]) / "cases" / name
  (problem,) = check_data.check("paired_images", folder)["problems"]
  assert (problem["kind"], problem["fatal"]) == (kind, fatal)
