"""Two folders of video, or prepared scenes: stored bit for bit, in step, problems named."""

import json
import shutil
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip
from tfds_builders.paired_video import layout, reading

SIZE = (16, 20)


def noise(seed, count, dtype=np.uint8, size=SIZE):
  top = np.iinfo(dtype).max
  return np.random.default_rng(seed).integers(0, top, (count, *size, 3), dtype, endpoint=True)


def video(path, frames, rate=24):
  """Losslessly, by PyAV alone."""
  path.parent.mkdir(parents=True, exist_ok=True)
  form = {".mp4": "mp4", ".mkv": "matroska"}[path.suffix]
  with av.open(str(path), "w", format=form) as out:
    stream = out.add_stream("libx264rgb", rate=Fraction(rate), options={"crf": "0"})
    stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb24"
    for frame in frames:
      out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
    out.mux(stream.encode())


def folder(path, frames, first=0):
  path.mkdir(parents=True)
  for number, frame in enumerate(frames, first):
    assert cv2.imwrite(str(path / f"{number}.png"), frame[..., ::-1])


def folders(root):
  """Writes every way in which a clip may lie; returns name -> (low, high, fps)."""
  clips = {}
  for split, count in {"train": 7, "val": 2, "test": 3}.items():
    low, high = root / split / "low", root / split / "high"
    for seed, name in enumerate(("both", "mixed.1", "one"), count):
      clips[f"{split}/{name}"] = [noise(seed, count), noise(seed + 100, count), 0.0]
    for side, path in enumerate((low, high)):
      video(path / ("both.mp4", "both.mkv")[side], clips[f"{split}/both"][side], 24)
    clips[f"{split}/both"][2] = 24.0
    video(low / "mixed.1.mkv", clips[f"{split}/mixed.1"][0], 12)
    folder(high / "mixed.1", clips[f"{split}/mixed.1"][1], first=8)  # 10 comes after 9
    clips[f"{split}/mixed.1"][2] = 12.0
    clips[f"{split}/one"][1] = clips[f"{split}/one"][1][:1]
    folder(low / "one", clips[f"{split}/one"][0])
    folder(high / "one", clips[f"{split}/one"][1])
  return clips


def prepared(root, dtype=np.uint8, scenes=5):
  clips, lines = {}, [{"status": "rejected", "scene": "blurred"}]
  for number in range(scenes):
    name = f"scene_{number}"
    clips[name] = [noise(number, 4, dtype), noise(number + 50, 4 if number % 2 else 1, dtype), 0.0]
    for side, frames in zip(("low", "high"), clips[name], strict=False):
      folder(root / name / side, frames)
    lines.append({"status": "kept", "scene": name})
  clips["scene_0"][2] = lines[1]["fps"] = 25
  (root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
  (root / "blurred").mkdir()
  for name in ("settings.json", "contact_sheet.html", "scene_0/sources.json"):
    (root / name).write_text("{}")
  return clips


def check(builder, scan, clips, segment):
  """Every clip of the scan, joined from its examples, equals the source."""
  for split, expected in scan.clips.items():
    examples = list(builder.as_data_source(split))
    assert [example["start"] for example in examples] == [
      start for clip in expected for start in range(0, len(clips[clip.name][0]), segment)
    ]
    for clip in expected:
      mine = [example for example in examples if example["clip"].decode() == clip.name]
      low, high, fps = clips[clip.name]
      stored = np.concatenate([example["low"] for example in mine])
      np.testing.assert_array_equal(stored, low)
      assert stored.dtype == low.dtype
      if len(high) == 1:
        for example in mine:
          np.testing.assert_array_equal(example["high"], high)
      else:
        np.testing.assert_array_equal(np.concatenate([part["high"] for part in mine]), high)
      assert {example["fps"] for example in mine} == {fps}


def test_videos_and_folders_are_stored_bit_for_bit(build, tmp_path):
  root = tmp_path / "manual"
  clips = folders(root)
  scan = layout.scan(root)
  assert not scan.problems
  assert {split: len(found) for split, found in scan.clips.items()} == {
    "train": 3,
    "validation": 3,
    "test": 3,
  }
  clips = {name.replace("val/", "validation/"): clip for name, clip in clips.items()}
  builder = build("paired_video", root, {"name": "short", "segment": 3})
  check(builder, scan, clips, segment=3)


def test_16_bits_are_stored_bit_for_bit(build, tmp_path):
  root = tmp_path / "manual"
  clips = {}
  for name in ("train/a", "train/b", "train/c"):
    clips[name] = (noise(ord(name[-1]), 9, np.uint16), noise(ord(name[-1]) + 9, 9, np.uint16), 0.0)
    for side, frames in zip(("low", "high"), clips[name], strict=False):
      folder(root / "train" / side / name[-1], frames)
  check(build("paired_video", root, "rgb16"), layout.scan(root, "rgb16"), clips, segment=8)


@pytest.mark.parametrize("config", ["prepared", "prepared16"])
def test_prepared_scenes_are_stored_bit_for_bit(config, build, tmp_path):
  root = tmp_path / "manual"
  clips = prepared(root, np.uint16 if config == "prepared16" else np.uint8)
  scan = layout.scan(root, config)
  assert not scan.problems
  assert {split: len(found) for split, found in scan.clips.items()} == {
    "train": 3,
    "validation": 1,
    "test": 1,
  }
  check(build("paired_video", root, config), scan, clips, segment=8)


def test_the_first_configuration_is_the_default(build, tmp_path):
  root = tmp_path / "manual"
  folders(root)
  shutil.rmtree(root / "val")
  builder = build("paired_video", root)
  assert builder.builder_config.name == layout.CONFIGS[0] == "rgb8"
  assert builder.builder_config.segment == 8
  assert set(builder.info.splits) == {"train", "test"}


def test_no_more_than_a_segment_is_decoded_ahead(tmp_path, monkeypatch):
  for side in ("low", "high"):
    video(tmp_path / f"{side}.mkv", noise(0, 9))
  decoded = {"low.mkv": 0, "high.mkv": 0}
  read_frames = reading.read_frames

  def counted(path):
    for frame in read_frames(path):
      decoded[path.name] += 1
      yield frame

  monkeypatch.setattr(reading, "read_frames", counted)
  clip = Clip("c", (tmp_path / "low.mkv",), (tmp_path / "high.mkv",))
  for number, _ in enumerate(reading.read(clip, segment=2), 1):
    assert decoded == dict.fromkeys(decoded, min(2 * number, 9))


def test_the_rate_is_that_of_the_side_that_is_a_video(tmp_path):
  folder(tmp_path / "dark", noise(0, 3))
  video(tmp_path / "bright.mkv", noise(1, 3), rate=12)
  images = tuple(sorted((tmp_path / "dark").iterdir()))
  (example,) = reading.read(Clip("a", images, (tmp_path / "bright.mkv",)))
  assert example["fps"] == 12.0


def test_a_mismatch_that_the_files_know_stops_before_the_first_segment(tmp_path):
  video(tmp_path / "low.mp4", noise(0, 7))
  video(tmp_path / "high.mp4", noise(0, 5))
  clip = Clip("c", (tmp_path / "low.mp4",), (tmp_path / "high.mp4",))
  examples = reading.read(clip, segment=2)
  with pytest.raises(UserError, match=r"low\.mp4 has 7 frames, .*high\.mp4 5: expected as many"):
    next(examples)


@pytest.mark.parametrize(
  ("low", "high", "starts"), [(7, 5, [0, 2]), (5, 7, [0, 2, 4]), (4, 5, [0, 2]), (7, 1, [])]
)
def test_a_mismatch_that_only_decoding_tells_stops_at_the_end(low, high, starts, tmp_path):
  video(tmp_path / "low.mkv", noise(0, low))
  video(tmp_path / "high.mkv", noise(0, high))
  clip = Clip("c", (tmp_path / "low.mkv",), (tmp_path / "high.mkv",))
  read = []
  with pytest.raises(UserError, match=rf"low\.mkv has {low} frames, .*high\.mkv {high}: expected"):
    read.extend(reading.read(clip, segment=2))
  assert [example["start"] for example in read] == starts


def test_sides_must_agree_in_size(tmp_path):
  video(tmp_path / "low.mkv", noise(0, 3))
  folder(tmp_path / "high", [*noise(0, 2), *noise(0, 1, size=(16, 24))])
  clip = Clip("c", (tmp_path / "low.mkv",), tuple(sorted((tmp_path / "high").iterdir())))
  with pytest.raises(UserError, match=r"high/2\.png: expected 20x16 pixels.*found 24x16"):
    list(reading.read(clip))


def test_8_bits_are_no_16(tmp_path):
  folder(tmp_path / "a", noise(0, 1))
  clip = Clip("c", (tmp_path / "a" / "0.png",), (tmp_path / "a" / "0.png",))
  with pytest.raises(UserError, match=r"a/0\.png: expected 16 bits per channel, found 8"):
    list(reading.read(clip, deep=True))
