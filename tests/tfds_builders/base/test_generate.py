"""From clips to examples: keys, skipping, the manifest."""

import json

import pytest

from llve_jax.errors import UserError
from tfds_builders.base import generate
from tfds_builders.base.builder import ON_ERROR
from tfds_builders.base.scan import Clip, Problem


def read(clip):
  """Three segments; the last one of clip "bad" cannot be read."""
  for start in (0, 8, 16):
    if clip.name == "bad" and start == 16:
      raise UserError("x.png: cut off")
    yield {"start": start}


def test_keys_grow_with_clip_and_time(tmp_path):
  found = [
    key
    for item in enumerate([Clip("a", ()), Clip("b", ())])
    for key, _ in generate.examples(item, read=read, skip=False, folder=str(tmp_path))
  ]
  assert found == sorted(set(found))
  assert found[3] - found[0] == found[5] - found[2]


def test_a_bad_clip_stops_or_ends_before_its_fault(tmp_path):
  bad = (0, Clip("bad", ()))
  with pytest.raises(UserError, match="cut off"):
    list(generate.examples(bad, read=read, skip=False, folder=str(tmp_path)))
  kept = list(generate.examples(bad, read=read, skip=True, folder=str(tmp_path)))
  assert [key for key, _ in kept] == [0, 8]
  problems = [Problem("surplus", tmp_path / "y", "z", fatal=False)]
  generate.note_problems(str(tmp_path), problems)
  assert generate.write_manifest(str(tmp_path), {"builder": "b"}) == 1
  lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
  assert lines[0] == {"builder": "b", "status": "built"}
  assert {"clip": "bad", "reason": "x.png: cut off", "status": "skipped"} in lines
  assert {line["status"] for line in lines[1:]} == {"skipped", "ignored"}
  assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]


def test_segments_cover_the_clip():
  assert list(generate.segments(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]


@pytest.mark.parametrize(
  ("low", "high", "good"), [(5, 5, True), (5, 1, True), (5, 0, True), (5, 4, False)]
)
def test_frame_counts(low, high, good):
  if good:
    generate.check_counts(Clip("a", ()), low, high, "here")
  else:
    with pytest.raises(UserError, match="here: a has 5 dark and 4 bright frames"):
      generate.check_counts(Clip("a", ()), low, high, "here")


def test_the_variable_takes_two_words(build, tmp_path, monkeypatch):
  (tmp_path / "manual").mkdir()
  (tmp_path / "manual" / "x").touch()
  monkeypatch.setenv(ON_ERROR, "ignore")
  with pytest.raises(UserError, match="LLVE_ON_ERROR=ignore: expected fail or skip"):
    build("paired_images", tmp_path / "manual", "folders")
