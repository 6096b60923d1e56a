"""LOL's layouts and any two folders: paired by name, stored bit for bit, problems named."""

import json
import shutil

import cv2
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from tfds_builders.paired_images import layout


def image(path, seed, size=(12, 16), dtype=np.uint8):
  path.parent.mkdir(parents=True, exist_ok=True)
  pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (*size, 3), dtype)
  assert cv2.imwrite(str(path), pixels)
  return path


def folders(root, size=(12, 16)):
  for split, names in {"train": ("a", "b", "c"), "val": ("d",), "test": ("e", "f", "g")}.items():
    for name in names:
      image(root / split / "low" / f"{name}.png", ord(name), size)
      image(root / split / "high" / f"{name}.jpg", ord(name) + 100, size)


def lol_v1(root):
  for folder, names in {"our485": ("2", "10", "5"), "eval15": ("1", "22", "23")}.items():
    for side in ("low", "high"):
      for name in names:
        image(root / folder / side / f"{name}.png", int(name) + len(side))


def lol_v2(root, part, names):
  for split, first in {"Train": 1, "Test": 690}.items():
    for side in ("Low", "Normal"):
      for number in range(first, first + 3):
        image(root / part / split / side / f"{names[side]}{number:05d}.png", number + len(side))


LAYOUTS = {
  "folders": folders,
  "lol_v1": lol_v1,
  "lol_v2_real": lambda root: lol_v2(root, "Real_captured", {"Low": "low", "Normal": "normal"}),
  "lol_v2_synthetic": lambda root: lol_v2(root, "Synthetic", {"Low": "r", "Normal": "r"}),
}


@pytest.mark.parametrize("config", LAYOUTS)
def test_every_layout_is_stored_bit_for_bit(config, build, tmp_path):
  root = tmp_path / "manual"
  LAYOUTS[config](root)
  scan = layout.scan(root, config)
  assert not scan.problems
  builder = build("paired_images", root, config)
  assert set(builder.info.splits) == set(scan.clips)
  for split, clips in scan.clips.items():
    assert len(clips) == (1 if split == "validation" else 3)
    for clip, example in zip(clips, builder.as_data_source(split), strict=True):
      assert example["clip"].decode() == clip.name
      np.testing.assert_array_equal(example["low"], [read_image(clip.low[0])])
      np.testing.assert_array_equal(example["high"], [read_image(clip.high[0])])
      assert example["low"][0].dtype == np.uint8


def test_lol_v2_real_pairs_low_with_normal(tmp_path):
  LAYOUTS["lol_v2_real"](tmp_path)
  names = [
    (c.low[0].name, c.high[0].name) for c in layout.scan(tmp_path, "lol_v2_real").clips["test"]
  ]
  assert names[0] == ("low00690.png", "normal00690.png")


def test_names_are_in_natural_order(tmp_path):
  lol_v1(tmp_path)
  assert [clip.low[0].stem for clip in layout.scan(tmp_path, "lol_v1").clips["train"]] == [
    "2",
    "5",
    "10",
  ]


@pytest.fixture
def broken(tmp_path):
  root = tmp_path / "manual"
  folders(root)
  (root / "train" / "high" / "b.jpg").unlink()
  image(root / "train" / "low" / "c.bmp", 7)
  (root / "train" / "low" / "notes.txt").write_text("x")
  (root / "test" / "low" / "f.png").write_bytes(b"")
  return root


def test_the_scan_names_every_problem(broken):
  found = {(problem.kind, problem.path.name) for problem in layout.scan(broken).problems}
  assert found == {
    ("unpaired", "b.png"),
    ("duplicate", "c.png"),
    ("surplus", "notes.txt"),
    ("unreadable", "f.png"),
    ("unpaired", "f.jpg"),
  }


def test_a_build_is_refused_and_leaves_nothing(broken, build, tmp_path):
  with pytest.raises(UserError, match=r"4 problems(.|\n)*LLVE_ON_ERROR=skip"):
    build("paired_images", broken, "folders")
  assert not list((tmp_path / "data").rglob("*array_record*"))
  assert not list((tmp_path / "data").rglob("manifest*"))


def test_skipping_lists_what_was_left_out(broken, build, monkeypatch):
  cut = broken / "train" / "high" / "a.jpg"
  cut.write_bytes(cut.read_bytes()[:100])
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  builder = build("paired_images", broken, "folders")
  assert [example["clip"] for example in builder.as_data_source("train")] == [b"train/c"]
  assert [example["clip"] for example in builder.as_data_source("test")] == [b"test/e", b"test/g"]
  head, *lines = map(json.loads, (builder.data_path / "manifest.jsonl").read_text().splitlines())
  assert head == {"builder": "paired_images/folders/2.0.0", "status": "built"}
  skipped = "".join(line["reason"] for line in lines if line["status"] == "skipped")
  for name in ("a.jpg", "b.png", "c.png", "f.png", "f.jpg"):
    assert name in skipped
  assert [line["path"] for line in lines if line["status"] == "ignored"] == [
    str(broken / "train" / "low" / "notes.txt")
  ]


def test_an_unreadable_image_stops_the_build_by_name(build, tmp_path):
  root = tmp_path / "manual"
  folders(root)
  cut = root / "train" / "high" / "b.jpg"
  cut.write_bytes(cut.read_bytes()[:100])
  with pytest.raises(UserError, match=r"b\.jpg"):
    build("paired_images", root, "folders")
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_sizes_must_agree(build, tmp_path):
  root = tmp_path / "manual"
  folders(root)
  image(root / "train" / "high" / "b.jpg", 0, size=(12, 18))
  with pytest.raises(UserError, match=r"b\.jpg: expected 16x12 pixels.*found 18x12"):
    build("paired_images", root, "folders")


def test_a_missing_folder_shows_the_tree(build, tmp_path):
  root = tmp_path / "manual"
  folders(root)
  shutil.rmtree(root / "train" / "low")
  with pytest.raises(UserError, match=r"train/low: expected this folder(.|\n)*MANUAL_DIR"):
    build("paired_images", root, "folders")


def test_an_unknown_configuration_lists_the_known(tmp_path):
  with pytest.raises(UserError, match="lol_v1"):
    layout.scan(tmp_path, "lol")
