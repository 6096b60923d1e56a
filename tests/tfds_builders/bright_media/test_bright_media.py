"""Any folder of bright photographs and films becomes clips, split by file; nothing is dark."""

import json
import shutil

import cv2
import numpy as np
import pytest

from llve_jax.data.frames import decode_frame
from llve_jax.data.source import open_split
from llve_jax.errors import UserError
from llve_jax.io.video import read_frames, write_video
from tfds_builders.bright_media import layout, reading

TINY = {"name": "tiny", "frames": 3, "side": 96, "takes": 2, "segments": 2}
PHOTOS = ("a.png", "more/b.jpg", "more/deep/c.bmp")


def photo(path, seed, shape=(90, 120)):
  path.parent.mkdir(parents=True, exist_ok=True)
  small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
  assert cv2.imwrite(str(path), cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC))


def movie(path, count=11, shape=(72, 160)):
  path.parent.mkdir(parents=True, exist_ok=True)
  codes = (20 + 20 * np.arange(count) % 220).astype(np.uint8)
  write_video(path, np.broadcast_to(codes[:, None, None, None], (count, *shape, 3)), 25)


def everything(root, frames=11):
  for seed, name in enumerate(PHOTOS):
    photo(root / name, seed)
  movie(root / "film.mkv", frames)


@pytest.fixture
def root(tmp_path):
  everything(tmp_path / "manual")
  return tmp_path / "manual"


def test_every_file_becomes_bright_clips_in_one_split(root, build, tmp_path):
  builder = build("bright_media", root, TINY)
  assert set(builder.info.splits) == {"train", "validation"}
  names = {}
  for split in builder.info.splits:
    examples = list(builder.as_data_source(split))
    names[split] = {example["clip"].decode().split("#")[0] for example in examples}
    for example in examples:
      assert len(example["low"]) == 0
      assert len(example["high"]) == 3
      assert max(example["high"][0].shape) <= 96
  assert not names["train"] & names["validation"]
  assert names["train"] | names["validation"] == {*PHOTOS, "film.mkv"}
  source = open_split("bright_media", "train", config="tiny", data_dir=tmp_path / "data")
  assert decode_frame(source[0]["high"][0]).dtype == np.uint8


def test_a_photograph_is_filmed_once_per_take_and_always_alike(root):
  clips = [clip for clips in layout.scan(root, takes=2).clips.values() for clip in clips]
  takes = [clip for clip in clips if clip.name.startswith("a.png")]
  assert [clip.name for clip in takes] == ["a.png#0", "a.png#1"]
  films = [read(clip) for clip in (*takes, takes[0])]
  assert np.any(films[0] != films[1])
  np.testing.assert_array_equal(films[0], films[2])
  (other,) = reading.read(takes[0], frames=3, side=96, seed=1)
  assert np.any(films[0] != pixels(other))


def read(clip, **changes):
  (example,) = reading.read(clip, **{"frames": 3, "side": 96} | changes)
  return pixels(example)


def pixels(example):
  return np.stack([decode_frame(image.getvalue()) for image in example["high"]])


def test_segments_of_a_film_are_spread_and_shrunk(root):
  clip = next(c for cs in layout.scan(root).clips.values() for c in cs if c.name == "film.mkv")
  examples = list(reading.read(clip, frames=3, side=80, segments=2))
  assert [example["start"] for example in examples] == [0, 8]
  assert examples[0]["fps"] == 25
  expected = [frame.image.mean() for frame in read_frames(root / "film.mkv")]
  for example in examples:
    frames = pixels(example)
    assert frames.shape == (3, 36, 80, 3)
    place = example["start"]
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), expected[place : place + 3], atol=1)


def test_films_shorter_than_all_segments_give_fewer(root):
  clip = next(c for cs in layout.scan(root).clips.values() for c in cs if c.name == "film.mkv")
  starts = [example["start"] for example in reading.read(clip, frames=3, segments=24)]
  assert starts == [0, 4, 8]


def test_small_photographs_are_not_enlarged_and_long_ones_are_cut(tmp_path):
  photo(tmp_path / "wide.png", 0, (70, 400))
  photo(tmp_path / "tiny.png", 1, (64, 64))
  clips = {clip.name[:4]: clip for cs in layout.scan(tmp_path).clips.values() for clip in cs}
  assert read(clips["wide"], side=256).shape[1:3] == (70, 124)
  assert max(read(clips["tiny"], side=256).shape[1:3]) <= 64


def test_the_split_depends_on_names_alone(root):
  held = [clip.name for clip in layout.scan(root).clips["validation"]]
  photo(root / "a.png", 99, (200, 300))
  assert [clip.name for clip in layout.scan(root).clips["validation"]] == held
  assert "validation" not in layout.scan(root, validation=0.0).clips


def test_a_folder_called_validation_is_that_split(root):
  photo(root / "validation" / "held.png", 5)
  clips = layout.scan(root).clips
  assert [clip.name for clip in clips["validation"]] == ["validation/held.png#0"]
  assert len(clips["train"]) == 4


def test_one_file_is_trained_on(tmp_path):
  photo(tmp_path / "only.png", 0)
  assert list(layout.scan(tmp_path).clips) == ["train"]


def test_an_empty_folder_shows_the_tree(tmp_path, build):
  (tmp_path / "manual" / "sub").mkdir(parents=True)
  with pytest.raises(
    UserError, match=r"expected photographs or films, found none(.|\n)*MANUAL_DIR"
  ):
    build("bright_media", tmp_path / "manual", TINY)


def test_nothing_to_train_on_is_refused(tmp_path):
  photo(tmp_path / "validation" / "held.png", 5)
  (problem,) = layout.scan(tmp_path).problems
  assert "files beside validation/" in problem.message


@pytest.mark.parametrize("name", ["more/b.jpg", "film.mkv"])
def test_a_damaged_file_stops_the_build_by_name(name, root, build, tmp_path):
  cut = root / name
  cut.write_bytes(cut.read_bytes()[:200])
  with pytest.raises(UserError, match=name):
    build("bright_media", root, TINY)
  assert not list((tmp_path / "data").rglob("*array_record*"))


def test_too_small_and_too_short_files_are_named(root, build):
  photo(root / "stamp.png", 0, (40, 80))
  with pytest.raises(UserError, match=r"stamp\.png: expected at least 64 pixels .* found 80x40"):
    build("bright_media", root, TINY)
  (root / "stamp.png").unlink()
  with pytest.raises(UserError, match=r"film\.mkv: expected at least 12 frames, found 11"):
    build("bright_media", root, TINY | {"frames": 12})


def test_skipping_lists_what_was_left_out(root, build, monkeypatch):
  photo(root / "stamp.png", 0, (40, 80))
  (root / "empty.png").write_bytes(b"")
  (root / "notes.txt").write_text("x")
  monkeypatch.setenv("LLVE_ON_ERROR", "skip")
  builder = build("bright_media", root, TINY)
  head, *lines = map(json.loads, (builder.data_path / "manifest.jsonl").read_text().splitlines())
  assert head["side"] == 96
  skipped = " ".join(line["reason"] for line in lines if line["status"] == "skipped")
  assert all(name in skipped for name in ("stamp.png", "empty.png"))
  assert [line["status"] for line in lines].count("ignored") == 1


def test_a_share_that_is_none_is_refused(root):
  with pytest.raises(UserError, match="validation=1"):
    layout.scan(root, validation=1)


def test_photographs_alone_are_fine(root, build):
  (root / "film.mkv").unlink()
  shutil.rmtree(root / "more" / "deep")
  assert set(build("bright_media", root, TINY).info.splits) == {"train", "validation"}
