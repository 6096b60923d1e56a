"""SDSD's four sets: one array a frame, blue first; published test clips; second takes."""

import json
import shutil

import numpy as np
import pytest

from llve_jax.errors import UserError
from tfds_builders.sdsd import layout, reading

SIZE = (8, 10)
FOLDERS = {
  "indoor": "indoor_np",
  "outdoor": "outdoor_np",
  "indoor_static": "indoor_static_np",
  "outdoor_static": "outdoor_static_np",
}
# In numerical order. Static sets have second takes, which stay with the first.
TEST = {
  "indoor": [13, 15, 21, 23, 31, 33, 50, 52, 58, 60, 68, 70],
  "outdoor": [1, 5, 14, 36, 46, 48, 49, 60, 62, 63, 66, 75, 76],
  "indoor_static": [1, 4, 9, 11, 19, 21],
  "outdoor_static": [898, 906, 928, 975, 997, 1001, 1003, 1026, 1030, 1032],
}
TRAIN = {
  "indoor": ["pair2", "pair3", "pair10"],
  "outdoor": ["pair2", "pair3", "pair10"],
  "indoor_static": ["pair2", "pair2_2", "pair3"],
  "outdoor_static": ["MVI_0890", "MVI_0890_2", "MVI_0999"],
}


def clip_names(config):
  name = "MVI_{:04d}" if config == "outdoor_static" else "pair{}"
  test = [name.format(number) for number in TEST[config]]
  return TRAIN[config], test + [f"{test[0]}_2"] * config.endswith("_static")


def write(root, config, frames=3):
  """Writes a set; returns path -> array as stored."""
  rng = np.random.default_rng(0)
  arrays = {}
  train, test = clip_names(config)
  for side in ("input", "GT"):
    for name in train + test:
      for number in range(1, frames + 1):
        path = root / FOLDERS[config] / side / name / f"{number:04d}.npy"
        arrays[path] = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, arrays[path])
  return arrays


@pytest.mark.parametrize("config", layout.CONFIGS)
def test_every_set_is_stored_bit_for_bit_red_first(config, build, tmp_path):
  root = tmp_path / "manual"
  arrays = write(root, config)
  scan = layout.scan(root, config)
  assert not scan.problems
  train, test = clip_names(config)
  assert [clip.name for clip in scan.clips["train"]] == train
  assert {clip.name for clip in scan.clips["test"]} == set(test)
  builder = build("sdsd", root, config)
  base = root / FOLDERS[config]
  for split, clips in scan.clips.items():
    for clip, example in zip(clips, builder.as_data_source(split), strict=True):
      assert example["clip"].decode() == clip.name
      for feature, side in (("low", "input"), ("high", "GT")):
        stored = [arrays[base / side / clip.name / f"{number:04d}.npy"] for number in (1, 2, 3)]
        np.testing.assert_array_equal(example[feature], np.stack(stored)[..., ::-1])
      assert (example["start"], example["fps"], example["variant"]) == (0, 0.0, 0)


def test_long_clips_are_cut_into_segments(build, tmp_path):
  root = tmp_path / "manual"
  write(root, "indoor", frames=5)
  config = {"name": "short", "source": "indoor", "segment": 2}
  examples = list(build("sdsd", root, config).as_data_source("test"))[:3]
  assert [(example["start"], len(example["low"])) for example in examples] == [
    (0, 2),
    (2, 2),
    (4, 1),
  ]


def test_the_first_configuration_is_the_default(build, tmp_path):
  root = tmp_path / "manual"
  write(root, "indoor")
  assert build("sdsd", root).builder_config.name == layout.CONFIGS[0] == "indoor"


@pytest.fixture
def broken(tmp_path):
  root = tmp_path / "manual"
  write(root, "indoor")
  base = root / "indoor_np"
  shutil.rmtree(base / "GT" / "pair2")
  (base / "input" / "pair3" / "0002.npy").rename(base / "input" / "pair3" / "0007.npy")
  (base / "GT" / "pair13" / "0003.npy").unlink()
  shutil.rmtree(base / "input" / "pair15")
  shutil.rmtree(base / "GT" / "pair15")
  (base / "GT" / "pair21" / "0001.npy").write_bytes(b"")
  cut = base / "GT" / "pair23" / "0001.npy"
  cut.write_bytes(cut.read_bytes()[:150])
  np.save(base / "GT" / "pair31" / "0001.npy", np.zeros((*SIZE, 3), np.float32))
  (base / "GT" / "pair33" / "list.txt").write_text("x")
  for side in ("input", "GT"):
    shutil.rmtree(base / side / "pair50")
    (base / side / "pair50").mkdir()
  return root


def test_the_scan_names_every_problem(broken):
  scan = layout.scan(broken)
  base = broken / "indoor_np"
  found = {(p.kind, p.path.relative_to(base).as_posix(), p.fatal) for p in scan.problems}
  assert found == {
    ("unpaired", "input/pair2", True),
    ("unpaired", "input/pair3", True),
    ("unpaired", "input/pair13", True),
    ("missing", "input/pair15", True),
    ("unreadable", "GT/pair21/0001.npy", True),
    ("unreadable", "GT/pair23/0001.npy", True),
    ("unreadable", "GT/pair31/0001.npy", True),
    ("surplus", "GT/pair33/list.txt", False),
    ("missing", "input/pair50", True),
  }
  text = "\n".join(map(str, scan.problems))
  assert "found 3 dark and 3 bright ones; without a partner: 0002.npy, 0007.npy" in text
  assert "found 3 dark and 2 bright ones; without a partner: 0003.npy" in text
  assert "pair23/0001.npy: has 150 bytes, most frames have 368" in text
  assert [clip.name for clip in scan.clips["train"]] == ["pair10"]
  assert [clip.name for clip in scan.clips["test"]] == [
    f"pair{number}" for number in (33, 52, 58, 60, 68, 70)
  ]


def test_a_build_is_refused_and_leaves_nothing(broken, build, tmp_path):
  with pytest.raises(UserError, match=r"8 problems(.|\n)*LLVE_ON_ERROR=skip"):
    build("sdsd", broken)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_skipping_lists_what_was_left_out(broken, build, monkeypatch):
  # As many bytes as the others, but another type: found when it is read.
  np.save(broken / "indoor_np" / "GT" / "pair52" / "0003.npy", np.zeros((*SIZE, 3), np.int8))
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  builder = build("sdsd", broken)
  names = [example["clip"].decode() for example in builder.as_data_source("test")]
  assert names == [f"pair{number}" for number in (33, 58, 60, 68, 70)]
  head, *lines = map(json.loads, (builder.data_path / "manifest.jsonl").read_text().splitlines())
  assert head == {"builder": "sdsd/indoor/2.0.0", "status": "built"}
  skipped = [line["reason"] for line in lines if line["status"] == "skipped"]
  assert len(skipped) == 9
  assert any(
    "pair52/0003.npy: expected uint8 [any, any, 3], found int8" in line for line in skipped
  )


def test_another_shape_of_as_many_bytes_is_refused(build, tmp_path):
  root = tmp_path / "manual"
  write(root, "indoor")
  np.save(root / "indoor_np" / "GT" / "pair3" / "0002.npy", np.zeros((*SIZE[::-1], 3), np.uint8))
  with pytest.raises(UserError, match=r"pair3/0002\.npy: expected 10x8 pixels.*found 8x10"):
    build("sdsd", root)
  assert not list((tmp_path / "data").rglob("*array_record*"))


@pytest.mark.parametrize(
  ("array", "message"),
  [
    (np.zeros((8, 10, 3), np.uint16), r"expected uint8 \[any, any, 3\], found uint16"),
    (np.zeros((8, 10, 4), np.uint8), r"expected.*found uint8 \[8, 10, 4\]"),
    (np.zeros((8, 10), np.uint8), r"expected.*found uint8 \[8, 10\]"),
  ],
)
def test_another_array_is_refused(array, message, tmp_path):
  np.save(tmp_path / "0001.npy", array)
  with pytest.raises(UserError, match=rf"0001\.npy: {message}"):
    reading.read_frame(tmp_path / "0001.npy")


def test_a_truncated_file_is_refused(tmp_path):
  np.save(tmp_path / "0001.npy", np.zeros((8, 10, 3), np.uint8))
  (tmp_path / "0001.npy").write_bytes((tmp_path / "0001.npy").read_bytes()[:-1])
  with pytest.raises(UserError, match=r"0001\.npy: expected uint8.*cannot be read"):
    reading.read_frame(tmp_path / "0001.npy")


def test_a_missing_folder_shows_the_tree(build, tmp_path):
  root = tmp_path / "manual"
  write(root, "outdoor")
  with pytest.raises(UserError, match=r"indoor_np/input: expected this folder(.|\n)*indoor_np/"):
    build("sdsd", root, "indoor")


def test_an_unknown_configuration_lists_the_known(tmp_path):
  with pytest.raises(UserError, match="indoor_static, outdoor_static"):
    layout.scan(tmp_path, "static")
