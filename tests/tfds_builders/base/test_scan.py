"""Looking through folders: order, pairs, and what is reported."""

import pickle
from pathlib import Path

import pytest

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip, Scan, files_in, natural_key, pair_by_name, refuse


def test_numbers_sort_by_value():
  names = ["frame10", "frame2", "1", "a", "frame2b"]
  assert sorted(names, key=natural_key) == ["1", "a", "frame2", "frame2b", "frame10"]


def test_files_are_found_by_suffix_whatever_its_case(tmp_path):
  for name in ("b10.PNG", "b9.png", ".hidden.png", "notes.md", "empty.png"):
    (tmp_path / name).write_bytes(b"" if name == "empty.png" else b"x")
  (tmp_path / "folder.png").mkdir()
  scan = Scan()
  assert [path.name for path in files_in(tmp_path, scan=scan)] == ["b9.png", "b10.PNG"]
  found = [(problem.kind, problem.path.name, problem.fatal) for problem in scan.problems]
  assert found == [("unreadable", "empty.png", True), ("surplus", "notes.md", False)]


def test_pairs_drop_prefixes(tmp_path):
  low = [tmp_path / f"low{k}.png" for k in (2, 10, 3)]
  high = [tmp_path / f"normal{k}.jpg" for k in (10, 2, 4)]
  scan = Scan()
  pairs = pair_by_name(low, high, scan, drop="^(low|normal)")
  assert [(a.stem, b.stem) for a, b in pairs] == [("low2", "normal2"), ("low10", "normal10")]
  assert {problem.path.stem for problem in scan.problems} == {"low3", "normal4"}


def test_a_clip_travels_and_keeps_its_facts(tmp_path):
  facts = {"ratio": 3.0}
  clip = Clip("a", (tmp_path,), (), facts)
  facts["ratio"] = 4.0
  assert clip.facts["ratio"] == 3.0
  with pytest.raises(TypeError):
    clip.facts["ratio"] = 5.0
  assert pickle.loads(pickle.dumps(clip)) == clip


def test_refusal_shows_a_few_problems_or_the_tree(tmp_path):
  scan = Scan()
  with pytest.raises(UserError, match="found none:\nTREE"):
    refuse(scan, tmp_path, "TREE")
  for number in range(7):
    scan.report("missing", tmp_path / str(number), "expected it")
  with pytest.raises(UserError, match=r"(?s)7 problems:.*missing: .*/4: expected it\n  and 2 more"):
    refuse(scan, tmp_path, "TREE")


def of_train(*names):
  scan = Scan()
  for name in names:
    scan.add("train", Clip(name, (Path(name),)))
  return scan


def names(scan):
  return {split: [clip.name for clip in clips] for split, clips in scan.clips.items()}


def test_the_last_scenes_are_held_out_whole():
  scan = of_train("a", "b", "b_2", "c", "c_2", "d", "d_2")
  scan.add("test", Clip("e", (Path("e"),)))
  scan.hold_out(2, lambda clip: clip.name[0])
  assert names(scan) == {
    "train": ["a", "b", "b_2"],
    "validation": ["c", "c_2", "d", "d_2"],
    "test": ["e"],
  }


def test_nothing_is_held_out_of_too_few_or_where_there_is_a_split():
  scan = of_train("a", "b")
  scan.hold_out(3)
  assert names(scan) == {"train": ["a", "b"]}
  scan.add("validation", Clip("v", (Path("v"),)))
  scan.hold_out(1)
  assert names(scan) == {"train": ["a", "b"], "validation": ["v"]}
  only_tests = Scan({"test": [Clip("e", (Path("e"),))]})
  only_tests.hold_out(1)
  assert names(only_tests) == {"test": ["e"]}
