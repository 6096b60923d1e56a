"""`tfds build` builds every data set in every configuration, in one command; ours is silent."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import first_output
from llve_jax.data.source import open_split
from llve_jax.errors import UserError
from llve_jax.ops.mosaic import XTRANS
from tests.tfds_builders.bright_media import test_bright_media
from tests.tfds_builders.paired_images.test_paired_images import LAYOUTS
from tests.tfds_builders.paired_video import test_paired_video
from tests.tfds_builders.sdsd import test_sdsd
from tests.tfds_builders.sid import test_sid
from tests.tfds_builders.smid import test_smid
from tests.tfds_builders.smoid import test_smoid
from tests.tfds_builders.turntable_pairs import test_turntable_pairs
from tests.tfds_builders.unpaired_images import test_unpaired_images
from tfds_builders import __main__ as command

REPOSITORY = Path(__file__).parents[2]
BUILDERS = sorted(path.parent.name for path in REPOSITORY.glob("tfds_builders/*/layout.py"))


def everything(root):
  """The trees of all configurations of all data sets, a folder for each data set."""
  for write in LAYOUTS.values():
    write(root / "paired_images")
  # 16-bit frames, which the 8-bit configurations round.
  for number, side in enumerate(("low", "high")):
    for name in ("a", "b", "c"):
      frames = test_paired_video.noise(ord(name) + number, 3, np.uint16)
      test_paired_video.folder(root / "paired_video" / "train" / side / name, frames)
  test_paired_video.prepared(root / "paired_video", np.uint16)
  for config in ("indoor", "outdoor", "indoor_static", "outdoor_static"):
    test_sdsd.write(root / "sdsd", config)
  scenes = {name: numbers[:1] for name, numbers in test_sid.SCENES.items()}
  test_sid.shoot(root / "sid", shape=(208, 216), scenes=scenes)
  test_sid.shoot(root / "sid", "Fuji", shape=(516, 516), cfa=XTRANS, scenes=scenes)
  name, *_ = test_smoid.clips(root / "smoid")
  test_smoid.clips(root / "smoid", folders=("train_he", "gt_he"))
  (root / "smoid" / "customized_list").write_text(
    f"{name} 0_data/gt/{name}.npy 0_data/train/{name}.npy\n"
  )
  test_smid.everything(root / "smid")
  test_turntable_pairs.prepared(root / "turntable_pairs")
  test_unpaired_images.everything(root / "unpaired_images")
  test_bright_media.everything(root / "bright_media", frames=40)


@pytest.mark.slow
def test_every_data_set_and_configuration(tmp_path):
  everything(tmp_path / "manual")
  typed = [
    *(sys.executable, "-m", "tests.tfds_builders.beam_signatures"),  # `tfds`, but for its time
    "build",
    *(f"tfds_builders/{name}" for name in BUILDERS),
    f"--data_dir={tmp_path / 'data'}",
    f"--manual_dir={tmp_path / 'manual'}",
    "--add_name_to_manual_dir",
  ]
  environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
  done = subprocess.run(
    typed, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr[-3000:]
  for name in BUILDERS:
    module = importlib.import_module(f"tfds_builders.{name}.layout")
    built = {
      path.parent.parent.name for path in (tmp_path / "data" / name).glob("*/*/manifest.jsonl")
    }
    assert built == set(module.CONFIGS), name
    for path in (tmp_path / "data" / name).glob("*/*/manifest.jsonl"):
      assert "skipped" not in path.read_text(), path


def test_a_missing_manual_folder_is_a_clear_error(build, tmp_path):
  with pytest.raises(UserError, match=r"(?s)nowhere.*MANUAL_DIR.*--manual_dir=DIR"):
    build("paired_images", tmp_path / "nowhere", "folders")


OURS = [sys.executable, "-m", "tfds_builders"]


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
  """What our own command printed at a terminal, typed in an empty folder; and what it built."""
  here = tmp_path_factory.mktemp("typed")
  for write in LAYOUTS.values():
    write(here / "pairs")
  words = ["paired_images", "--config=folders", "--manual_dir=pairs", "--data_dir=data"]
  status, text = at_terminal([*OURS, *words], here)
  assert status == 0, text
  return text, here


def at_terminal(command, folder):
  """Exit status and output of a command that is typed at a terminal of its own."""
  seen = first_output.run(shlex.join(command), folder, within=100)
  return seen.status, seen.text


def test_our_command_shows_no_chatter_of_libraries(typed):
  text, _ = typed
  assert text.startswith("building paired_images ...")
  assert not [line for line in text.splitlines() if first_output.NOISE.search(line)]
  name = r"paired_images/folders/[\d.]+"
  assert re.fullmatch(
    rf"{name} in data/{name}: .*train \d.* \(clips by split\)", text.splitlines()[-1]
  )


def test_our_command_builds_what_training_reads(typed):
  _, here = typed
  train = open_split("paired_images", "train", config="folders", data_dir=here / "data")
  assert len(train) > 0
  assert {"clip", "low", "high"} <= train[0].keys()


def test_it_leaves_what_is_there_unless_it_is_to_overwrite(typed):
  _, here = typed
  folder = next((here / "data" / "paired_images" / "folders").iterdir())
  before = (folder / "dataset_info.json").stat().st_mtime_ns
  settings = {"data_dir": str(here / "data"), "manual_dir": str(here / "pairs")}
  list(command.build("paired_images", "folders", **settings))
  assert (folder / "dataset_info.json").stat().st_mtime_ns == before
  list(command.build("paired_images", "folders", **settings, overwrite=True))
  assert (folder / "dataset_info.json").stat().st_mtime_ns > before


def test_a_configuration_of_ones_own(tmp_path):
  settings = '{"name": "mine", "max_height": 48, "max_frames": 6, "segment": 3, "passes": 1}'
  (info,) = command.build("dark_clips", settings, data_dir=str(tmp_path))
  assert info.full_name.startswith("dark_clips/mine/")
  assert info.splits["train"].num_examples > 0


@pytest.mark.parametrize(
  ("name", "config", "message"),
  [
    ("lol", None, "lol: no data set of that name; known: bright_media dark_clips paired_images"),
    ("sid", "canon", "--config=canon: sid has no such one; known: sony"),
    ("sid", '{"nam": 1}', "expected settings of sid as JSON"),
    ("sid", "{", "expected settings of sid as JSON"),
    ("sid", "sony", "--manual_dir=DIR"),
  ],
)
def test_what_cannot_be_built_says_why(tmp_path, name, config, message):
  with pytest.raises(UserError) as raised:
    list(command.build(name, config, data_dir=str(tmp_path), manual_dir=str(tmp_path / "nowhere")))
  assert message in str(raised.value)
  assert not list(tmp_path.rglob("dataset_info.json"))


def test_without_tensorflow_it_says_what_to_install(monkeypatch):
  monkeypatch.setitem(sys.modules, "tensorflow", None)
  with pytest.raises(UserError, match=r"with tensorflow, .* pip install 'llve_jax\[tfds\]'"):
    list(command.build("dark_clips", "static"))


@pytest.mark.parametrize(("names", "found"), [((), 0), (("sid", "smid"), 2)])
def test_it_builds_one_data_set(names, found):
  with pytest.raises(UserError, match=f"name of one data set, found {found}: bright_media dark"):
    command.main(["tfds_builders", *names])
