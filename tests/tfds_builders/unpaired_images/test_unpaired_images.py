"""EnlightenGAN's folders: one image on one side, an empty sequence on the other."""

import json
import shutil

import cv2
import numpy as np
import pytest

from llve_jax.data.frames import decode_frame
from llve_jax.data.source import open_split
from llve_jax.errors import UserError
from tfds_builders.unpaired_images import layout

FILES = {
  "trainA": ("10.png", "9.jpg", "more/night/a.bmp", "b.ppm"),
  "trainB": ("day.JPG", "day.png", "x.jpeg"),
  "testA": ("LIME/1.bmp", "LIME/2.bmp", "VV/1.png"),
  "testB": ("one.png",),
}


def image(path, seed, size=None):
  path.parent.mkdir(parents=True, exist_ok=True)
  pixels = np.random.default_rng(seed).integers(
    0, 256, (*(size or (10 + seed % 3, 14)), 3), np.uint8
  )
  assert cv2.imwrite(str(path), pixels)  # binary PPM for .ppm


@pytest.fixture
def root(tmp_path):
  everything(tmp_path / "manual")
  return tmp_path / "manual"


def everything(root, size=None):
  names = [f"{folder}/{name}" for folder, files in FILES.items() for name in files]
  for seed, name in enumerate(names):
    image(root / name, seed, size)


def decoded(path):
  """By OpenCV alone."""
  return cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]


def test_every_image_is_stored_bit_for_bit_on_its_side(root, build):
  scan = layout.scan(root)
  assert not scan.problems
  builder = build("unpaired_images", root)
  assert set(builder.info.splits) == {"train_low", "train_high", "test_low", "test_high"}
  for split, folder in zip(scan.clips, FILES, strict=True):
    side, other = ("low", "high") if split.endswith("low") else ("high", "low")
    examples = list(builder.as_data_source(split))
    names = [example["clip"].decode().removeprefix(f"{split}/") for example in examples]
    assert sorted(names) == sorted(FILES[folder])
    for name, example in zip(names, examples, strict=True):
      np.testing.assert_array_equal(example[side], [decoded(root / folder / name)])
      assert example[side][0].dtype == np.uint8
      assert len(example[other]) == 0


def test_the_loader_reads_the_empty_side(root, build, tmp_path):
  build("unpaired_images", root)
  source = open_split("unpaired_images", "train_high", data_dir=tmp_path / "data")
  assert len(source) == 3
  for index in range(3):
    example = source[index]
    assert len(example["low"]) == 0
    (encoded,) = example["high"]
    path = root / "trainB" / example["clip"].decode().removeprefix("train_high/")
    np.testing.assert_array_equal(decode_frame(encoded), decoded(path))


def test_files_come_in_natural_order_then_subfolders(root):
  clips = layout.scan(root).clips
  assert [clip.name for clip in clips["train_low"]] == [
    f"train_low/{name}" for name in ("9.jpg", "10.png", "b.ppm", "more/night/a.bmp")
  ]
  assert [clip.name for clip in clips["test_low"]] == [f"test_low/{n}" for n in FILES["testA"]]


def test_images_for_testing_alone_are_fine(root, build):
  for name in ("trainA", "trainB", "testB"):
    shutil.rmtree(root / name)
  assert list(build("unpaired_images", root).info.splits) == ["test_low"]


@pytest.mark.parametrize("absent", [("trainA",), ("trainB",), ("trainA", "testA", "testB")])
def test_a_missing_folder_shows_the_tree(absent, root, build):
  for name in absent:
    shutil.rmtree(root / name)
  missing = [problem.path.name for problem in layout.scan(root).problems]
  assert missing == [name for name in absent if name.startswith("train")]
  with pytest.raises(UserError, match=r"train[AB]: expected this folder(.|\n)*MANUAL_DIR"):
    build("unpaired_images", root)


@pytest.fixture
def broken(root):
  (root / "trainA" / "9.jpg").write_bytes(b"")
  (root / "trainA" / "more" / "list.txt").write_text("x")
  shutil.rmtree(root / "testB")
  (root / "testB" / "none").mkdir(parents=True)
  return root


def test_the_scan_names_every_problem(broken):
  found = {
    (problem.kind, problem.path.name, problem.fatal) for problem in layout.scan(broken).problems
  }
  assert found == {
    ("unreadable", "9.jpg", True),
    ("surplus", "list.txt", False),
    ("missing", "testB", True),
  }


def test_a_build_is_refused_and_leaves_nothing(broken, build, tmp_path):
  with pytest.raises(UserError, match=r"2 problems(.|\n)*LLVE_ON_ERROR=skip"):
    build("unpaired_images", broken)
  assert not list((tmp_path / "data").rglob("*array_record*"))


@pytest.mark.parametrize("name", ["10.png", "b.ppm"])
def test_a_truncated_image_stops_the_build_by_name(name, root, build, tmp_path):
  cut = root / "trainA" / name
  cut.write_bytes(cut.read_bytes()[:120])
  with pytest.raises(UserError, match=rf"trainA/{name}: expected"):
    build("unpaired_images", root)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_skipping_lists_what_was_left_out(broken, build, monkeypatch):
  cut = broken / "trainA" / "b.ppm"
  cut.write_bytes(cut.read_bytes()[:120])
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  builder = build("unpaired_images", broken)
  names = [example["clip"] for example in builder.as_data_source("train_low")]
  assert names == [b"train_low/10.png", b"train_low/more/night/a.bmp"]
  head, *lines = map(json.loads, (builder.data_path / "manifest.jsonl").read_text().splitlines())
  assert head["status"] == "built"
  skipped = " ".join(line["reason"] for line in lines if line["status"] == "skipped")
  assert all(name in skipped for name in ("9.jpg", "b.ppm", "testB"))
  assert [line["status"] for line in lines].count("ignored") == 1


def test_an_unknown_configuration_lists_the_known(root):
  with pytest.raises(UserError, match="it has folders"):
    layout.scan(root, "enlighten")
