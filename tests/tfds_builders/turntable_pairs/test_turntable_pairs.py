"""Crops that `llve_jax.prepare` kept: stored bit for bit, split by scene or by crop."""

import json

import cv2
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from tfds_builders.turntable_pairs import layout

SIZE = (12, 16)


def image(path, pixels):
  path.parent.mkdir(parents=True, exist_ok=True)
  assert cv2.imwrite(str(path), pixels)


def prepared(root, scenes=5, pairs=2, crops=2, size=SIZE):
  """Writes what the preparation of a shoot writes; returns the lines."""
  rng = np.random.default_rng(0)
  lines = [{"status": "rejected", "scene": "s0", "pair": 9, "reason": "correlation 0.1"}]
  for scene in range(scenes):
    for pair in range(pairs):
      for crop in range(crops):
        folder, name = root / f"s{scene}", f"{pair:03d}_{crop}"
        for side in ("input", "gt"):
          image(folder / side / f"{name}.png", rng.integers(0, 256, (*size, 3), np.uint8))
        image(folder / "mask" / f"{name}.png", rng.integers(0, 2, size, np.uint8) * 255)
        lines.append(
          {
            **{"status": "kept", "scene": f"s{scene}", "pair": pair, "crop": crop},
            **{"box": [192 + 512 * crop, 28, 16, 12], "frame": 3 * pair, "time": pair / 8},
            **{"fps": 24.0, "video": "v.mp4", "still": "s.jpg", "correlation": 0.9 + scene / 100},
            **{"match_correlation": 0.8, "shift": [0.25 * crop, -1.5], "sharpness": 12.5},
            **{side: f"s{scene}/{side}/{name}.png" for side in ("input", "gt", "mask")},
          }
        )
  write(root, lines)
  for name in ("settings.json", "contact_sheet.html", "s0/manifest.jsonl", "s0/sources.json"):
    (root / name).write_text("{}")
  return lines


def write(root, lines):
  (root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def names(scan):
  return {split: [clip.name for clip in clips] for split, clips in scan.clips.items()}


@pytest.mark.parametrize("config", layout.CONFIGS)
def test_crops_are_stored_bit_for_bit(config, build, tmp_path):
  root = tmp_path / "manual"
  lines = {f"{x['scene']}/{x['pair']}_{x['crop']}": x for x in prepared(root) if "crop" in x}
  scan = layout.scan(root, config)
  assert not scan.problems
  builder = build("turntable_pairs", root, config)
  assert set(builder.info.splits) == {"train", "validation", "test"}
  seen = []
  for split, clips in scan.clips.items():
    for clip, example in zip(clips, builder.as_data_source(split), strict=True):
      name = example["clip"].decode()
      assert name == clip.name
      seen.append(name)
      line = lines[name]
      for feature, side in (("low", "input"), ("high", "gt")):
        np.testing.assert_array_equal(example[feature], [read_image(root / line[side])])
      mask = cv2.imread(str(root / line["mask"]), cv2.IMREAD_UNCHANGED)
      np.testing.assert_array_equal(example["mask"], mask[None, ..., None])
      assert set(np.unique(mask)) == {0, 255}
      assert example["mask"][0].dtype == np.uint8
      np.testing.assert_array_equal(example["box"], line["box"])
      np.testing.assert_array_equal(example["shift"], np.float32(line["shift"]))
      assert example["correlation"] == np.float32(line["correlation"])
      assert [example[key] for key in ("frame", "fps", "variant", "start")] == [
        *(line["frame"], line["fps"], 0, 0)
      ]
  assert sorted(seen) == sorted(lines)


def test_scenes_stay_together(tmp_path):
  prepared(tmp_path)
  scan = layout.scan(tmp_path)
  scenes = {split: {name.split("/")[0] for name in found} for split, found in names(scan).items()}
  assert {split: len(found) for split, found in scenes.items()} == {
    "train": 3,
    "validation": 1,
    "test": 1,
  }
  assert len(set.union(*scenes.values())) == 5


def test_the_released_split_is_that_of_the_report(tmp_path):
  # 1278 crops gave 818, 204 and 256; a permutation of the sorted paths, by numpy's old generator.
  paths = [f"{number:04d}.png" for number in range(1278)]
  splits = layout._split_crops(paths[::-1])
  counts = {name: list(splits.values()).count(name) for name in ("train", "validation", "test")}
  assert counts == {"train": 818, "validation": 204, "test": 256}
  order = np.random.RandomState(0).permutation(1278)
  assert [splits[paths[index]] for index in (order[0], order[817], order[818], order[-1])] == [
    *("train", "train", "validation", "test")
  ]


def test_natural_order(tmp_path):
  prepared(tmp_path, scenes=2, pairs=11, crops=1)
  found = names(layout.scan(tmp_path))["test"]
  assert [name.split("/")[1] for name in found][-2:] == ["9_0", "10_0"]


def test_one_scene_is_refused(build, tmp_path):
  root = tmp_path / "manual"
  prepared(root, scenes=1)
  with pytest.raises(UserError, match="'s0' only; film more, or use the configuration `released`"):
    build("turntable_pairs", root, "scenes")
  assert sum(map(len, layout.scan(root, "released").clips.values())) == 4


def test_a_missing_manifest_shows_the_tree(build, tmp_path):
  root = tmp_path / "manual"
  prepared(root)
  (root / "manifest.jsonl").unlink()
  with pytest.raises(
    UserError, match=r"1 problems(.|\n)*manifest\.jsonl: expected(.|\n)*MANUAL_DIR"
  ):
    build("turntable_pairs", root)


@pytest.fixture
def broken(tmp_path):
  root = tmp_path / "manual"
  lines = prepared(root)
  (root / "s1" / "gt" / "000_0.png").unlink()
  (root / "s1" / "mask" / "000_1.png").write_bytes(b"")
  image(root / "s1" / "input" / "007_0.png", np.zeros((*SIZE, 3), np.uint8))
  image(root / "s1" / ".cache" / "x.png", np.zeros((*SIZE, 3), np.uint8))
  lines[-1]["input"] = "../outside.png"
  write(root, [*lines, lines[1]])
  with (root / "manifest.jsonl").open("a") as file:
    file.write("no json\n")
  return root


def test_the_scan_names_every_problem(broken):
  scan = layout.scan(broken)
  found = {(p.kind, p.path.relative_to(broken).as_posix(), p.fatal) for p in scan.problems}
  assert found == {
    ("missing", "s1/gt/000_0.png", True),
    ("unreadable", "s1/mask/000_1.png", True),
    ("unreadable", "../outside.png", True),
    ("surplus", "s1/input/007_0.png", False),
    ("surplus", "s4/input/001_1.png", False),
    ("duplicate", "manifest.jsonl", True),
    ("unreadable", "manifest.jsonl", True),
  }
  assert "names s0/0_0 twice" in "".join(map(str, scan.problems))


def test_a_build_is_refused_and_leaves_nothing(broken, build, tmp_path):
  with pytest.raises(UserError, match=r"5 problems(.|\n)*LLVE_ON_ERROR=skip"):
    build("turntable_pairs", broken)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_skipping_moves_no_crop_to_another_split(broken, build, monkeypatch, tmp_path):
  prepared(tmp_path / "whole")
  whole = names(layout.scan(tmp_path / "whole", "released"))
  assert names(layout.scan(tmp_path / "whole"))["train"]
  (broken / "manifest.jsonl").write_text((tmp_path / "whole" / "manifest.jsonl").read_text())
  cut = broken / "s2" / "gt" / "001_0.png"
  cut.write_bytes(cut.read_bytes()[:100])
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  builder = build("turntable_pairs", broken, "released")
  lost = {"s1/0_0", "s1/0_1", "s2/1_0"}
  for split, expected in whole.items():
    stored = [example["clip"].decode() for example in builder.as_data_source(split)]
    assert stored == [name for name in expected if name not in lost]
  lines = [json.loads(x) for x in (builder.data_path / "manifest.jsonl").read_text().splitlines()]
  skipped = [line["reason"] for line in lines if line["status"] == "skipped"]
  assert len(skipped) == 3
  assert any(str(cut) in reason for reason in skipped)
  assert [line["path"] for line in lines if line["status"] == "ignored"] == [
    str(broken / "s1" / "input" / "007_0.png")
  ]


@pytest.mark.parametrize(
  ("side", "pixels", "message"),
  [
    ("gt", np.zeros((12, 18, 3), np.uint8), r"gt/000_0\.png: expected 16x12 pixels.*found 18x12"),
    ("mask", np.zeros((10, 16), np.uint8), r"mask/000_0\.png: expected 16x12 pixels"),
    ("mask", np.full((12, 16, 3), (0, 0, 255), np.uint8), "expected a grey mask.*found colours"),
  ],
)
def test_a_file_that_does_not_fit_stops_the_build_by_name(side, pixels, message, build, tmp_path):
  root = tmp_path / "manual"
  prepared(root)
  image(root / "s0" / side / "000_0.png", pixels)
  with pytest.raises(UserError, match=message):
    build("turntable_pairs", root)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_an_unknown_configuration_lists_the_known(tmp_path):
  with pytest.raises(UserError, match="scenes, released"):
    layout.scan(tmp_path, "crops")
