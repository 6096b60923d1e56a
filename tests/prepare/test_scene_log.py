import json

import pytest

from llve_jax.prepare import scene_log


def test_lines_are_sorted_rounded_json(tmp_path):
  log = scene_log.SceneLog("lamp")
  log.keep(pair=0, shift=[1 / 3, 2.0], box=[0, 1, 2, 3])
  log.reject("still", "lamp/ünd.png", "blurred", sharpness=2 / 3)
  path = tmp_path / "manifest.jsonl"
  scene_log.write(path, log.records)
  first, second = path.read_text(encoding="utf-8").splitlines()
  assert list(json.loads(first)) == sorted(json.loads(first))
  assert json.loads(first)["shift"] == [0.333333, 2.0]
  assert json.loads(second) == {
    "status": "rejected",
    "scene": "lamp",
    "what": "still",
    "file": "lamp/ünd.png",
    "reason": "blurred",
    "sharpness": 0.666667,
  }
  assert scene_log.read(path)[1] == json.loads(second)
  assert [record["what"] for record in log.rejected] == ["still"]


def test_no_number_that_json_does_not_know(tmp_path):
  with pytest.raises(ValueError, match="JSON"):
    scene_log.write(tmp_path / "manifest.jsonl", [{"score": float("nan")}])
  assert list(tmp_path.iterdir()) == []
