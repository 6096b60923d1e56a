"""What is wrong with folders of videos or prepared scenes is named, and nothing is left."""

import json
import shutil

import pytest

from llve_jax.errors import UserError
from tests.tfds_builders.paired_video.test_paired_video import folder, folders, noise, prepared
from tfds_builders.paired_video import layout


@pytest.fixture
def broken(tmp_path):
  root = tmp_path / "manual"
  folders(root)
  shutil.rmtree(root / "val")
  low, high = root / "train" / "low", root / "train" / "high"
  (low / "both.mp4").unlink()
  folder(low / "mixed.1", noise(0, 7))
  (low / "one" / "3.png").write_bytes(b"")
  folder(low / "short", noise(0, 4))
  folder(high / "short", noise(0, 3))
  (low / "none").mkdir()
  folder(high / "none", noise(0, 3))
  (low / "notes.txt").write_text("x")
  return root


def test_the_scan_names_every_problem(broken):
  scan = layout.scan(broken)
  assert {(problem.kind, problem.path.name, problem.fatal) for problem in scan.problems} == {
    ("unpaired", "both.mkv", True),
    ("duplicate", "mixed.1.mkv", True),
    ("unreadable", "3.png", True),
    ("unpaired", "short", True),
    ("missing", "none", True),
    ("surplus", "notes.txt", False),
  }
  assert "found 4 dark and 3 bright" in "".join(map(str, scan.problems))
  # No clip with a gap.
  assert [clip.name for clip in scan.clips["train"]] == ["train/mixed.1"]
  assert len(scan.clips["train"][0].low) == 7


def test_a_build_is_refused_and_leaves_nothing(broken, build, tmp_path):
  with pytest.raises(UserError, match=r"problems(.|\n)*LLVE_ON_ERROR=skip"):
    build("paired_video", broken)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_skipping_lists_what_was_left_out(build, tmp_path, monkeypatch):
  root = tmp_path / "manual"
  folders(root)
  cut = root / "test" / "low" / "both.mp4"
  cut.write_bytes(cut.read_bytes()[:-500])
  (root / "train" / "high" / "one" / "0.png").write_bytes(b"")
  folder(root / "val" / "low" / "alone", noise(0, 2))
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  builder = build("paired_video", root)
  names = {split: {e["clip"] for e in builder.as_data_source(split)} for split in ("train", "test")}
  assert names == {
    "train": {b"train/both", b"train/mixed.1"},
    "test": {b"test/mixed.1", b"test/one"},
  }
  head, *lines = map(json.loads, (builder.data_path / "manifest.jsonl").read_text().splitlines())
  assert head == {"builder": "paired_video/rgb8/2.0.0", "status": "built"}
  assert {line["status"] for line in lines} == {"skipped"}
  reasons = " ".join(line["reason"] for line in lines)
  assert len(lines) == 3
  assert all(name in reasons for name in ("both.mp4", "one/0.png", "low/alone"))


def test_a_truncated_video_stops_the_build_by_name(build, tmp_path):
  root = tmp_path / "manual"
  folders(root)
  cut = root / "train" / "low" / "both.mp4"
  cut.write_bytes(cut.read_bytes()[:-500])
  with pytest.raises(UserError, match=r"train/low/both\.mp4: cut off: the last 500 bytes"):
    build("paired_video", root)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_a_missing_folder_shows_the_tree(tmp_path):
  (tmp_path / "train" / "low").mkdir(parents=True)
  (problem,) = layout.scan(tmp_path).problems
  assert (problem.kind, problem.path) == ("missing", tmp_path / "train" / "high")
  assert "MANUAL_DIR" in problem.message


def test_a_video_has_no_16_bits(tmp_path):
  folders(tmp_path)
  kinds = {problem.path.name: problem for problem in layout.scan(tmp_path, "rgb16").problems}
  assert kinds["both.mp4"].kind == "unreadable"
  assert "`rgb8`" in kinds["both.mp4"].message


def test_prepared_folders_are_checked_against_their_manifest(tmp_path):
  prepared(tmp_path)
  shutil.rmtree(tmp_path / "scene_2" / "high")
  folder(tmp_path / "scene_9" / "low", noise(0, 1))
  scan = layout.scan(tmp_path, "prepared")
  assert {(problem.kind, problem.path, problem.fatal) for problem in scan.problems} == {
    ("missing", tmp_path / "scene_2" / "high", True),
    ("surplus", tmp_path / "scene_9", False),
  }


def test_prepared_needs_its_manifest(build, tmp_path):
  prepared(tmp_path)
  (tmp_path / "manifest.jsonl").unlink()
  with pytest.raises(
    UserError, match=r"manifest\.jsonl: expected what `python -m llve_jax\.prepare`"
  ):
    build("paired_video", tmp_path, "prepared")


def test_one_prepared_scene_is_refused(tmp_path):
  prepared(tmp_path, scenes=1)
  with pytest.raises(UserError, match=r"at least two scenes.*'scene_0' only; film more"):
    layout.scan(tmp_path, "prepared")


def test_bad_settings_are_refused(build, tmp_path):
  with pytest.raises(UserError, match="rgb16, prepared, prepared16"):
    layout.scan(tmp_path, "rgb")
  folders(tmp_path / "manual")
  with pytest.raises(UserError, match="segment=0: expected at least 1"):
    build("paired_video", tmp_path / "manual", {"name": "none", "segment": 0})
