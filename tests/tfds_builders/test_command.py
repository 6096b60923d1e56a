"""`tfds build` builds every data set in every configuration, in one command."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
  test_sid.shoot(root / "sid", shape=(208, 216))
  test_sid.shoot(root / "sid", "Fuji", shape=(516, 516), cfa=XTRANS)
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
  command = [
    str(Path(sys.executable).with_name("tfds")),
    "build",
    *(f"tfds_builders/{name}" for name in BUILDERS),
    f"--data_dir={tmp_path / 'data'}",
    f"--manual_dir={tmp_path / 'manual'}",
    "--add_name_to_manual_dir",
  ]
  environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
  done = subprocess.run(
    command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
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
