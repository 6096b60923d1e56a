"""Opening a prepared data set: encoded, newest, without TensorFlow; what is missing is named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from llve_jax.data.frames import decode_frames
from llve_jax.data.source import Cached, open_split
from llve_jax.errors import UserError

REPOSITORY = Path(__file__).parents[2]


def _folder(data_dir):
  return data_dir / "dark_clips" / "tiny" / "2.0.0"


def test_images_stay_encoded_and_decode_to_what_tfds_decodes(data_dir, train_source):
  decoded = tfds.builder_from_directory(_folder(data_dir)).as_data_source("train")
  assert len(train_source) == len(decoded) == 8
  for index in (0, 7):
    example, expected = train_source[index], decoded[index]
    for key in ("low", "high"):
      assert all(type(image) is bytes for image in example[key])
      np.testing.assert_array_equal(decode_frames(example[key]), expected[key])
    assert example["clip"] == expected["clip"]
    assert example["exposure"] == expected["exposure"]


def test_parts_of_a_split(data_dir):
  source = open_split("dark_clips", "train[:25%]", config="tiny", data_dir=data_dir)
  assert len(source) == 2


def test_reading_and_training_need_no_tensorflow(data_dir):
  program = f"""
import sys
from llve_jax.data import clips, pipeline, source
train = source.open_split("dark_clips", "train", config="tiny", data_dir={str(data_dir)!r})
next(pipeline.train_iterator(train, batch=2, frames=2, crop=32, seed=0))
test = source.open_split("dark_clips", "test", config="tiny", data_dir={str(data_dir)!r})
next(clips.test_clips(test))
assert "tensorflow" not in sys.modules
print("fine")
"""
  path = os.pathsep.join(filter(None, [os.fspath(REPOSITORY), os.environ.get("PYTHONPATH")]))
  done = subprocess.run(
    [sys.executable, "-c", program],
    env=os.environ | {"PYTHONPATH": path},
    capture_output=True,
    text=True,
  )
  assert done.stdout.strip() == "fine", done.stderr[-2000:]


def test_newest_version_wins(data_dir, tmp_path):
  for version in ("2.0.0", "2.9.0", "2.10.0"):
    shutil.copytree(_folder(data_dir), tmp_path / "dark_clips" / "tiny" / version)
    info = tmp_path / "dark_clips" / "tiny" / version / "dataset_info.json"
    info.write_text(info.read_text().replace('"2.0.0"', f'"{version}"'))
  (tmp_path / "dark_clips" / "tiny" / "2.0.0.incompleteABC").mkdir()
  source = open_split("dark_clips", "test", config="tiny", data_dir=tmp_path)
  assert str(source.dataset_info.version) == "2.10.0"


def test_default_configuration_and_environment(data_dir, tmp_path, monkeypatch):
  # TFDS notes the default beside the data; here it is not prepared, then it is.
  with pytest.raises(UserError, match=r"holdout_carphone is not prepared \(prepared are \['tiny'"):
    open_split("dark_clips", "train", data_dir=data_dir)
  shutil.copytree(data_dir / "dark_clips", tmp_path / "dark_clips")
  shutil.move(tmp_path / "dark_clips/tiny", tmp_path / "dark_clips/holdout_carphone")
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  assert len(open_split("dark_clips", "train")) == 8


def test_a_set_without_configurations(data_dir, tmp_path):
  shutil.copytree(_folder(data_dir), tmp_path / "dark_clips" / "2.0.0")
  assert len(open_split("dark_clips", "test", data_dir=tmp_path)) == 9
  with pytest.raises(UserError, match="no configurations"):
    open_split("dark_clips", "test", config="tiny", data_dir=tmp_path)


def test_missing_set_prints_the_command(tmp_path, monkeypatch):
  command = f"`tfds build tfds_builders/dark_clips --config=holdout_bikes --data_dir={tmp_path}`"
  with pytest.raises(UserError) as error:
    open_split("dark_clips", "train", config="holdout_bikes", data_dir=tmp_path)
  assert str(error.value).endswith(f"run {command}")
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  with pytest.raises(UserError, match=r"run `tfds build tfds_builders/dark_clips`$"):
    open_split("dark_clips", "train")


def test_missing_configuration_prints_the_command(data_dir):
  with pytest.raises(UserError, match=r"--config=holdout_bikes --data_dir="):
    open_split("dark_clips", "train", config="holdout_bikes", data_dir=data_dir)


def test_unknown_split_lists_the_known(data_dir):
  with pytest.raises(
    UserError, match=r"\['test', 'train', 'validation'\], or .* 'train\[90%:\]', found 'val'"
  ):
    open_split("dark_clips", "val", config="tiny", data_dir=data_dir)


def test_a_format_without_random_access_is_refused(data_dir, tmp_path):
  shutil.copytree(_folder(data_dir), tmp_path / "dark_clips" / "tiny" / "2.0.0")
  info = tmp_path / "dark_clips" / "tiny" / "2.0.0" / "dataset_info.json"
  info.write_text(info.read_text().replace("array_record", "tfrecord"))
  with pytest.raises(UserError, match=r"--file_format=array_record"):
    open_split("dark_clips", "train", config="tiny", data_dir=tmp_path)


def test_cache_reads_once_up_to_its_limit():
  class Counting:
    reads = 0

    def __len__(self):
      return 3

    def __getitem__(self, index):
      self.reads += 1
      images = np.empty(2, object)
      images[:] = [b"1234", b"12345"]
      return {"low": images, "clip": b"c", "start": index}

  cached = Cached(Counting(), limit=25)  # An example is 10 bytes: two fit.
  assert len(cached) == 3
  for _ in range(2):
    assert [cached[index]["start"] for index in range(3)] == [0, 1, 2]
  assert cached._source.reads == 3 + 1
