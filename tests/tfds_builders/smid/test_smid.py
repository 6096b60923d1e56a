"""Seeing-Motion-in-the-Dark's layouts: 16 bits kept, lists obeyed, inputs made from raw files."""

import json

import cv2
import numpy as np
import pytest

from llve_jax.data import clips
from llve_jax.data.source import open_split
from llve_jax.errors import UserError
from llve_jax.io.images import write_image16
from tests.dng import write_dng
from tests.tfds_builders.raw_files import write_raw
from tfds_builders.base.scan import Clip
from tfds_builders.smid import layout, reading

IDS = ("0001", "0002", "0003", "0010")
SIZE = (6, 10)


def lists(root, **splits):
  splits = splits or {"train": IDS[:2], "val": IDS[2:3], "test": IDS[3:]}
  for name, ids in splits.items():
    (root / f"{name}_list.txt").write_text("".join(f"{name}\n" for name in ids))


def frame16(path, seed, size=SIZE):
  path.parent.mkdir(parents=True, exist_ok=True)
  image = np.random.default_rng(seed).integers(0, 65536, (*size, 3), np.uint16)
  write_image16(path, image)
  return image


def released(root, ids=IDS, frames=5, size=SIZE):
  low, high = {}, {}
  for name in ids:
    low[name] = [
      frame16(root / "VBM4D_rawRGB" / name / f"{k}.png", k + 20 * int(name[-2:]), size)
      for k in (*range(1, frames), 10)
    ]
    high[name] = frame16(root / "long" / name / "half0001_10s.png", int(name[-2:]) + 500, size)
  return low, high


def test_released_frames_are_bit_for_bit(build, tmp_path):
  root = tmp_path / "manual"
  low, high = released(root)
  lists(root)
  builder = build("smid", root, {"name": "short", "segment": 3})
  ids = {
    split: sorted({e["clip"].decode() for e in builder.as_data_source(split)})
    for split in builder.info.splits
  }
  assert ids == {"train": ["0001", "0002"], "validation": ["0003"], "test": ["0010"]}
  parts = [e for e in builder.as_data_source("train") if e["clip"] == b"0002"]
  assert [part["start"] for part in parts] == [0, 3]
  np.testing.assert_array_equal(np.concatenate([part["low"] for part in parts]), low["0002"])
  for part in parts:
    assert len(part["high"]) == 1
    np.testing.assert_array_equal(part["high"][0], high["0002"])
    assert part["denoiser"] == b"vbm4d"
  # Evaluation joins the segments again, the target of all beside each.
  source = open_split("smid", "test", config="short", data_dir=tmp_path / "data")
  (clip,) = clips.test_clips(source)
  assert clip.kind == "raw_rgb"
  np.testing.assert_array_equal(np.round(clip.light * 65535), low["0010"])
  np.testing.assert_array_equal(clip.high, [np.round(high["0010"] / 257)] * 5)


def test_dynamic_clips_have_no_target(build, tmp_path):
  root = tmp_path / "manual"
  released(root, ids=("M0000", "M0001", "M0022"))
  builder = build("smid", root, "dynamic")
  assert list(builder.info.splits) == ["test"]
  examples = list(builder.as_data_source("test"))
  assert [e["clip"] for e in examples] == [b"M0000", b"M0001", b"M0022"]
  assert all(len(e["low"]) == 5 and len(e["high"]) == 0 for e in examples)
  source = open_split("smid", "test", config="dynamic", data_dir=tmp_path / "data")
  with pytest.raises(UserError, match="M0000 has no bright frames"):
    list(clips.test_clips(source))


def raw_clips(root, ids=IDS[:3], *, shape=(24, 40), frames=3, long=True):
  mosaics = {}
  for place, name in enumerate(ids):
    folder = root / f"short{place % 2 + 1}" / name
    mosaics[name] = [
      write_raw(folder / f"{k}.ARW", 10 * place + k, shape=shape, seconds=0.1, light=0.005)
      for k in range(frames)
    ]
    if long:
      write_raw(root / "long" / name / "0001.ARW", place, shape=shape, seconds=5, light=0.3)
  return mosaics


def by_definition(mosaic, ratio):
  """RGGB cells averaged four by four pixels, in plain loops."""
  light = (mosaic.astype(float) - 512) / (16383 - 512)
  height, width = mosaic.shape
  out = np.zeros((height // 4, width // 4, 3))
  for y in range(height // 4):
    for x in range(width // 4):
      cell = light[4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
      red, blue = cell[0::2, 0::2], cell[1::2, 1::2]
      green = np.concatenate([cell[0::2, 1::2], cell[1::2, 0::2]])
      out[y, x] = [red.mean(), green.mean(), blue.mean()]
  return np.clip(out * ratio, 0, 1)


@pytest.mark.parametrize(("shot", "read"), [(0.0, 0.01), (0.001, 0.0)])
def test_the_denoiser_is_told_the_noise_that_binning_and_brightening_leave(
  tmp_path, monkeypatch, shot, read
):
  light, ratio, told = 0.2, 3.0, {}
  rng = np.random.default_rng(0)
  sensed = light + np.sqrt(shot * light + read**2) * rng.standard_normal((256, 320))
  codes = np.round(512 + sensed * (16383 - 512)).astype(np.uint16)
  write_dng(tmp_path / "0.dng", codes, cfa="RGGB", black=(512,) * 4, white=16383)

  def noted(frames, **noise):
    (frame,) = frames
    told.update(noise, variance=float(frame[..., 0].var()))
    yield frame

  monkeypatch.setattr(reading, "denoise_stream", noted)
  options = {"segment": 1, "ratio": ratio, "denoise": True}
  clip = Clip("M0000", (tmp_path / "0.dng",))
  list(reading.read_mosaics(clip, shot_noise=shot, read_noise=read, **options))
  expected = told["shot_noise"] * ratio * light + told["read_noise"] ** 2
  assert told["variance"] == pytest.approx(expected, rel=0.1)


def test_inputs_from_raw_files_follow_the_recipe(build, tmp_path):
  root = tmp_path / "manual"
  mosaics = raw_clips(root)
  lists(root, train=IDS[:1], val=IDS[1:2], test=IDS[2:3])
  config = {"name": "plain", "layout": "static_raw", "denoise": False}
  example = build("smid", root, config).as_data_source("train")[0]
  np.testing.assert_allclose(example["ratio"], [50] * 3, rtol=1e-6)
  for frame, mosaic in zip(example["low"], mosaics["0001"], strict=True):
    expected = np.round(by_definition(mosaic, 50) * 65535)
    assert np.abs(frame.astype(int) - expected).max() <= 1
  assert example["high"][0].shape == (6, 10, 3)
  assert example["denoiser"] == b"none"


def test_the_denoiser_is_recorded_and_denoises(build, tmp_path):
  root = tmp_path / "manual"
  mosaics = raw_clips(root, frames=8)
  lists(root, train=IDS[:1], val=IDS[1:2], test=IDS[2:3])
  noise = {"shot_noise": 0.0025, "read_noise": 1e-4}  # of the gamma distribution in write_raw
  builder = build("smid", root, {"name": "own", "layout": "static_raw", **noise})
  example = builder.as_data_source("train")[0]
  assert example["denoiser"] == b"recursive_average"
  plain = by_definition(mosaics["0001"][-1], 50)
  assert (np.asarray(example["low"][-1]) / 65535).std() < 0.6 * plain.std()
  head = json.loads((builder.data_path / "manifest.jsonl").read_text().splitlines()[0])
  assert (head["denoiser"], head["shot_noise"]) == ("recursive_average", 0.0025)


def test_dynamic_raw_clips_need_no_long_exposure(build, tmp_path):
  root = tmp_path / "manual"
  raw_clips(root, ids=("M0000", "M0001", "M0002"), long=False)
  example = build("smid", root, "dynamic_raw").as_data_source("test")[0]
  assert list(example["ratio"]) == [100] * 3
  assert not example["high"]


def srgb_arrays(root):
  rng = np.random.default_rng(0)
  frames = {}
  for name in IDS:
    for folder in ("SMID_LQ_np", "SMID_Long_np"):
      (root / folder / name).mkdir(parents=True)
    frames[name] = rng.integers(0, 256, (4, *SIZE, 3), np.uint8)
    for k in range(3):
      np.save(root / "SMID_LQ_np" / name / f"{k}.npy", frames[name][k])
    np.save(root / "SMID_Long_np" / name / "0001_half.npy", frames[name][0])
    np.save(root / "SMID_Long_np" / name / "0001.ARW.npy", frames[name][0])
    np.save(root / "SMID_Long_np" / name / "0002.npy", frames[name][3])
  return frames


def everything(root):
  """The folders of all configurations."""
  released(root)
  released(root, ids=("M0000", "M0001", "M0022"))
  raw_clips(root, ids=IDS)
  raw_clips(root, ids=("M0000", "M0001", "M0002"), long=False)
  srgb_arrays(root)
  lists(root)


def test_srgb_arrays(build, tmp_path):
  root = tmp_path / "manual"
  frames = srgb_arrays(root)
  lists(root, test=IDS[3:])
  builder = build("smid", root, "srgb_np")
  assert len(builder.as_data_source("train")) == 3
  example = builder.as_data_source("test")[0]
  np.testing.assert_array_equal(example["low"], frames["0010"][:3, ..., ::-1])
  np.testing.assert_array_equal(example["high"], frames["0010"][3:, ..., ::-1])


def test_the_scan_names_every_problem(tmp_path):
  released(tmp_path)
  lists(tmp_path, train=("0001", "0009"), val=("0001",), test=("0002",))
  (tmp_path / "long" / "0002" / "half0001_10s.png").unlink()
  found = sorted((p.kind, p.path.name, p.fatal) for p in layout.scan(tmp_path).problems)
  assert found == [
    ("leak", "val_list.txt", True),
    ("missing", "0002", True),
    ("missing", "train_list.txt", True),
    ("surplus", "0003", False),
    ("surplus", "0010", False),
  ]
  for name in ("train", "val", "test"):
    (tmp_path / f"{name}_list.txt").unlink()
  kinds = [(p.kind, p.path.name) for p in layout.scan(tmp_path).problems]
  assert kinds[:3] == [("missing", f"{name}_list.txt") for name in ("train", "val", "test")]


def test_eight_bit_frames_are_refused(tmp_path):
  released(tmp_path)
  lists(tmp_path)
  path = tmp_path / "VBM4D_rawRGB" / "0001" / "2.png"
  cv2.imwrite(str(path), np.zeros((*SIZE, 3), np.uint8))
  clip = layout.scan(tmp_path).clips["train"][0]
  with pytest.raises(UserError, match=r"2\.png: expected 16 bits"):
    list(reading.read_rgb16(clip, segment=8))


@pytest.mark.parametrize(
  ("shape", "seconds", "message"),
  [
    ((24, 44), 0.1, "expected 40x24 pixels"),
    ((24, 40), None, None),
  ],
)
def test_raw_frames_must_fit(tmp_path, shape, seconds, message):
  raw_clips(tmp_path)
  lists(tmp_path, train=IDS[:1], val=IDS[1:2], test=IDS[2:3])
  write_raw(tmp_path / "short1" / "0001" / "1.ARW", 0, shape=shape, seconds=seconds)
  if seconds is None:
    (tmp_path / "short1" / "0001" / "0.ARW").unlink()
    message = "expected an exposure time"
  clip = layout.scan(tmp_path, "static_raw").clips["train"][0]
  settings = {"segment": 8, "ratio": 1.0, "denoise": True, "shot_noise": 0.0, "read_noise": 0.01}
  with pytest.raises(UserError, match=rf"[01]\.ARW: {message}"):
    list(reading.read_mosaics(clip, **settings))


def test_sizes_must_divide(tmp_path):
  raw_clips(tmp_path, shape=(22, 40))
  lists(tmp_path, train=IDS[:1], val=IDS[1:2], test=IDS[2:3])
  clip = layout.scan(tmp_path, "static_raw").clips["train"][0]
  settings = {"segment": 8, "ratio": 1.0, "denoise": True, "shot_noise": 0.0, "read_noise": 0.01}
  with pytest.raises(UserError, match=r"multiples of 4, found 40x22"):
    list(reading.read_mosaics(clip, **settings))
