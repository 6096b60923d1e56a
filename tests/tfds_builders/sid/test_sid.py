"""See-in-the-Dark's layout: mosaics bit for bit, ratios, splits, bursts, patches."""

import json

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.raw import read_raw, render_srgb
from llve_jax.ops.mosaic import XTRANS, crop_cfa, pack, phase_offset
from tests.tfds_builders.raw_files import write_raw
from tfds_builders.sid import layout, reading

SCENES = {"train": ("00001", "00002", "00003"), "test": ("10003", "10034"), "val": ("20001",)}
SHORTS = ((0, 0.04), (1, 0.04), (0, 0.1))
LISTED = "./{camera}/short/{short} ./{camera}/long/{long} ISO200 F8\n"


def shoot(root, camera="Sony", *, lists=True, shape=(24, 36), cfa="RGGB", scenes=SCENES):
  suffix = layout.SUFFIXES[camera]
  mosaics = {}
  for name, numbers in scenes.items():
    lines = []
    for scene in numbers:
      seconds = 30 if scene == "00003" else 10
      long = f"{scene}_00_{seconds}s{suffix}"
      path = root / camera / "long" / long
      write_raw(path, int(scene), shape=shape, cfa=cfa, seconds=seconds, light=0.5)
      for burst, exposure in SHORTS:
        short = f"{scene}_{burst:02d}_{exposure}s{suffix}"
        path = root / camera / "short" / short
        seed = int(scene) + 7 * burst + int(100 * exposure)
        mosaics[short] = write_raw(path, seed, shape=shape, cfa=cfa, seconds=exposure, light=0.01)
        lines.append(LISTED.format(camera=camera, short=short, long=long))
    if lists:
      (root / f"{camera}_{name}_list.txt").write_text("".join(lines))
  return mosaics


@pytest.mark.parametrize("lists", [True, False])
def test_sony_mosaics_are_bit_for_bit(build, tmp_path, lists):
  root = tmp_path / "manual"
  mosaics = shoot(root, lists=lists)
  builder = build("sid", root, "sony")
  sizes = {split: len(builder.as_data_source(split)) for split in builder.info.splits}
  assert sizes == {"train": 6, "test": 4, "validation": 2}
  for example in builder.as_data_source("train"):
    scene, seconds = example["clip"].decode().split("_")
    (mosaic,) = example["low"]
    np.testing.assert_array_equal(mosaic[..., 0], mosaics[f"{scene}_00_{seconds}.ARW"])
    assert mosaic.dtype == np.uint16
    (path,) = (root / "Sony" / "long").glob(f"{scene}*")
    np.testing.assert_array_equal(example["high"][0], render_srgb(path))
    ratio = (30 if scene == "00003" else 10) / float(seconds[:-1])
    np.testing.assert_allclose(example["ratio"], [min(ratio, 300)], rtol=1e-6)
    assert example["cfa"] == b"RGGB"
    assert (list(example["black"]), example["white"]) == ([512] * 4, 16383)
    assert example["exposure_time"] == pytest.approx(float(seconds[:-1]))
    assert (example["iso"], example["camera"]) == (200, b"Test Camera")
  misaligned = {e["clip"][:5]: e["misaligned"] for e in builder.as_data_source("test")}
  assert misaligned == {b"10003": False, b"10034": True}


def test_bursts_are_clips_with_one_target(build, tmp_path):
  root = tmp_path / "manual"
  mosaics = shoot(root)
  examples = {e["clip"]: e for e in build("sid", root, "sony_bursts").as_data_source("train")}
  assert {name: len(e["low"]) for name, e in examples.items() if name[:5] == b"00001"} == {
    b"00001_0.04s": 2,
    b"00001_0.1s": 1,
  }
  burst = examples[b"00001_0.04s"]
  np.testing.assert_array_equal(burst["low"][1][..., 0], mosaics["00001_01_0.04s.ARW"])
  assert len(burst["high"]) == 1
  assert len(burst["ratio"]) == 2


def test_fuji_is_cropped_to_the_phase_that_can_be_packed(build, tmp_path):
  root = tmp_path / "manual"
  # LibRaw renders X-Trans from 512 pixels on.
  mosaics = shoot(root, "Fuji", shape=(515, 520), cfa=crop_cfa(XTRANS, 2, 1))
  example = build("sid", root, "fuji_bursts").as_data_source("train")[0]
  stored = example["low"][0][..., 0]
  top, left = phase_offset(crop_cfa(XTRANS, 2, 1), XTRANS)
  assert (top, left) != (0, 0)
  np.testing.assert_array_equal(
    stored, mosaics["00001_00_0.04s.RAF"][top : top + 510, left : left + 516]
  )
  assert example["cfa"].decode() == XTRANS
  assert example["high"][0].shape == (510, 516, 3)
  assert pack(stored, XTRANS).shape == (170, 172, 9)


def test_darkest_counterparts_in_patches(build, tmp_path):
  root = tmp_path / "manual"
  shoot(root)
  config = {"name": "small", "layout": "srgb_darkest", "patch": 8, "stride": 4}
  builder = build("sid", root, config)
  train = list(builder.as_data_source("train"))
  assert {e["clip"] for e in train} == {f"{s}_0.04s".encode() for s in SCENES["train"]}
  low = render_srgb(root / "Sony/short/00001_00_0.04s.ARW", bits=8, half_size=True)
  assert low.shape[:2] == (12, 18)
  ours = [e for e in train if e["clip"] == b"00001_0.04s"]
  corners = [(top, left) for top in (0, 4) for left in (0, 4, 8, 10)]
  assert len(ours) == len(corners)
  for example, (top, left) in zip(ours, corners, strict=True):
    np.testing.assert_array_equal(example["low"][0], low[top : top + 8, left : left + 8])
  whole = builder.as_data_source("test")[0]
  assert whole["low"][0].shape == (12, 18, 3)


@pytest.mark.parametrize(
  "name",
  [
    "00001_00_0s.ARW",
    "00001_00_0.0s.ARW",
    "30001_00_0.1s.ARW",
    "0001_00_0.1s.ARW",
    "00001_0_0.1s.ARW",
    "00001_00_-1s.ARW",
    "00001_00_0.1.ARW",
  ],
)
def test_names_that_say_no_scene_or_no_exposure_are_refused(tmp_path, name):
  path = tmp_path / "Sony" / "short" / name
  with pytest.raises(UserError, match=rf"expected a name such as .*, found {name}"):
    layout.parse(path)
  path.parent.mkdir(parents=True)
  (tmp_path / "Sony" / "long").mkdir()
  path.write_bytes(b"x")
  (problem,) = layout.scan(tmp_path, "sony").problems
  assert (problem.kind, problem.path) == ("surplus", path)


def test_ratio_is_capped():
  shot = layout.parse(layout.Path("00001_00_0.033s.ARW"))
  assert layout.exposure_ratio(10, shot.seconds) == 300


def test_the_scan_names_every_problem(tmp_path):
  shoot(tmp_path)
  (tmp_path / "Sony" / "short" / "00001_00_0.1s.ARW").unlink()
  (tmp_path / "Sony" / "short" / "00002_00_0.1s.ARW").write_bytes(b"")
  line = LISTED.format(camera="Sony", short="10003_00_0.1s.ARW", long="10003_00_10s.ARW")
  mixed = LISTED.format(camera="Sony", short="00001_00_0.04s.ARW", long="00002_00_10s.ARW")
  with (tmp_path / "Sony_train_list.txt").open("a") as file:
    file.write(line + mixed + "only_one_word\n")
  (tmp_path / "Sony_val_list.txt").unlink()
  found = [(problem.kind, problem.path.name) for problem in layout.scan(tmp_path).problems]
  assert sorted(found) == [
    ("leak", "Sony_train_list.txt"),
    ("missing", "00001_00_0.1s.ARW"),
    ("missing", "Sony_val_list.txt"),
    ("unpaired", "Sony_train_list.txt"),
    ("unreadable", "00002_00_0.1s.ARW"),
    ("unreadable", "Sony_train_list.txt"),
  ]


def test_without_lists_unpaired_scenes_are_named(tmp_path):
  shoot(tmp_path, lists=False)
  (tmp_path / "Sony" / "long" / "00001_00_10s.ARW").unlink()
  write_raw(tmp_path / "Sony" / "long" / "00009_00_10s.ARW", 0)
  (tmp_path / "Sony" / "short" / "copy of 1.ARW").write_bytes(b"x")
  found = {(problem.kind, problem.path.name) for problem in layout.scan(tmp_path).problems}
  assert found == {
    ("unpaired", "00001_00_0.04s.ARW"),
    ("unpaired", "00001_01_0.04s.ARW"),
    ("unpaired", "00001_00_0.1s.ARW"),
    ("unpaired", "00009_00_10s.ARW"),
    ("surplus", "copy of 1.ARW"),
  }


def test_a_truncated_raw_is_named_or_skipped(build, tmp_path, monkeypatch):
  root = tmp_path / "manual"
  shoot(root)
  cut = root / "Sony" / "short" / "00002_00_0.1s.ARW"
  cut.write_bytes(cut.read_bytes()[:-200])
  with pytest.raises(Exception, match=r"00002_00_0.1s.ARW.*cut off"):
    build("sid", root, "sony")
  assert not list((tmp_path / "data").rglob("*array_record*"))
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  builder = build("sid", root, "sony")
  assert len(builder.as_data_source("train")) == 5
  _, line = (builder.data_path / "manifest.jsonl").read_text().splitlines()
  assert json.loads(line)["clip"] == "00002_0.1s"


def test_the_wrong_sensor_is_refused(tmp_path):
  shoot(tmp_path, "Fuji")
  clip = layout.scan(tmp_path, "fuji").clips["train"][0]
  with pytest.raises(UserError, match=r"RAF: expected an X-Trans mosaic, found a Bayer"):
    list(reading.read_mosaics(clip, sensor="xtrans"))


def test_frames_must_fit(tmp_path):
  shoot(tmp_path)
  write_raw(tmp_path / "Sony" / "long" / "00001_00_10s.ARW", 0, shape=(24, 38))
  clip = layout.scan(tmp_path).clips["train"][0]
  with pytest.raises(UserError, match=r"00001_00_10s.ARW: expected 36x24.*found 38x24"):
    list(reading.read_mosaics(clip, sensor="bayer"))
  write_raw(tmp_path / "Sony" / "short" / "00002_01_0.04s.ARW", 0, cfa="BGGR")
  burst = next(
    c
    for c in layout.scan(tmp_path, "sony_bursts").clips["train"]
    if len(c.low) > 1 and c.name[:5] == "00002"
  )
  with pytest.raises(UserError, match=r"00002_01_0.04s.ARW: expected layout and levels"):
    list(reading.read_mosaics(burst, sensor="bayer"))
  assert read_raw(burst.low[1]).cfa == "BGGR"


@pytest.mark.parametrize(
  ("length", "expected"),
  [(100, [0]), (101, [0, 1]), (150, [0, 50]), (199, [0, 50, 99]), (200, [0, 50, 100])],
)
def test_patches_start_at_the_stride_and_the_last_ends_at_the_border(length, expected):
  assert reading._starts(length, 100, 50) == expected


def test_a_scene_is_an_example_whose_frames_are_its_exposures(build, tmp_path):
  root = tmp_path / "manual"
  mosaics = shoot(root)
  examples = {e["clip"]: e for e in build("sid", root, "sony_scenes").as_data_source("train")}
  assert sorted(examples) == [b"00001", b"00002", b"00003"]
  scene = examples[b"00003"]
  for frame, seconds in zip(scene["low"], ("0.04", "0.1"), strict=True):
    np.testing.assert_array_equal(frame[..., 0], mosaics[f"00003_00_{seconds}s.ARW"])
  np.testing.assert_allclose(scene["ratio"], [300, 300])
  np.testing.assert_allclose(examples[b"00001"]["ratio"], [250, 100])
  assert len(scene["high"]) == 1
