"""A manifest line by line, and the split by scene against its definition."""

import hashlib
import json

import pytest

from llve_jax.errors import UserError
from tfds_builders.base.prepared import kept_lines, split_by_scene
from tfds_builders.base.scan import Scan

FIELDS = {"scene": str, "pair": int, "shift": (float, float)}
GOOD = {"status": "kept", "scene": "a", "pair": 1, "shift": [0, 0.5]}


def read(folder, *lines):
  texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
  (folder / "manifest.jsonl").write_text("\n".join(texts) + "\n")
  scan = Scan()
  return kept_lines(folder, FIELDS, "TREE", scan), scan.problems


def test_kept_lines_are_read_and_rejected_ones_are_not(tmp_path):
  kept, problems = read(
    tmp_path, {"status": "rejected", "reason": "dark"}, GOOD, "", {**GOOD, "x": 1}
  )
  assert kept == [GOOD, {**GOOD, "x": 1}]
  assert not problems


@pytest.mark.parametrize(
  ("line", "message"),
  [
    ("{", "line 2 is no JSON"),
    ("[1]", r'line 2: expected an object with a "status", found \[1\]'),
    ({"scene": "a"}, 'expected an object with a "status"'),
    ({**GOOD, "pair": True}, r"line 2: expected pair \(whole number\), found {'pair': True}"),
    ({**GOOD, "pair": 1.5}, r"expected pair \(whole number\)"),
    ({**GOOD, "scene": None}, r"expected scene \(text\)"),
    ({**GOOD, "shift": [1]}, r"expected shift \(\[number, number\]\), found {'shift': \[1\]}"),
    ({**GOOD, "shift": 1}, r"expected shift"),
    (
      {"status": "kept", "pair": 1, "shift": [0, 0]},
      r"expected scene \(text\), found {'scene': None",
    ),
  ],
)
def test_a_wrong_line_is_reported_by_number(line, message, tmp_path):
  kept, (problem,) = read(tmp_path, GOOD, line, GOOD)
  assert kept == [GOOD, GOOD]
  assert problem.kind == "unreadable"
  with pytest.raises(UserError, match=message):
    raise UserError(str(problem))


def test_a_missing_manifest_shows_the_tree(tmp_path):
  scan = Scan()
  assert kept_lines(tmp_path / "none", FIELDS, "TREE", scan) == []
  (problem,) = scan.problems
  assert (problem.kind, problem.path.name) == ("missing", "manifest.jsonl")
  assert problem.message.endswith("TREE")


def test_nothing_kept_is_reported(tmp_path):
  kept, (problem,) = read(tmp_path, {"status": "rejected"}, {"status": "rejected"})
  assert kept == []
  assert "found 2 rejected" in problem.message


@pytest.mark.parametrize(
  ("count", "sizes"),
  [(2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (5, (3, 1, 1)), (8, (4, 2, 2))],
)
def test_scenes_are_split_by_the_hash_of_their_names(count, sizes, tmp_path):
  scenes = [f"scene_{number}" for number in range(count)]
  splits = split_by_scene([*scenes, scenes[0]], tmp_path)
  order = sorted(scenes, key=lambda scene: hashlib.sha256(scene.encode()).digest())
  expected = ["train"] * sizes[0] + ["validation"] * sizes[1] + ["test"] * sizes[2]
  assert [splits[scene] for scene in order] == expected
  assert split_by_scene(scenes[::-1], tmp_path) == splits


def test_no_scene_is_no_error_here(tmp_path):
  assert split_by_scene([], tmp_path) == {}


def test_one_scene_is_refused_with_advice(tmp_path):
  with pytest.raises(UserError, match=r"at least two scenes.*'a' only; film more, or fly"):
    split_by_scene(["a", "a"], tmp_path, ", or fly")
