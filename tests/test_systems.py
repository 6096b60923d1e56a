"""Each of the five systems from its files to a bright clip, at the smallest size.

Files in the layout of its source -> `tfds build` -> train -> evaluate under its protocol -> enhance
a video -> export. What a step computes is the affair of other tests; here all of it fits together.
"""

import dataclasses
import importlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from experiments import train
from experiments.run import scored
from llve_jax.enhance import command as enhance
from llve_jax.export import command as export
from llve_jax.io.video import read_frames, read_info, write_video
from llve_jax.metrics import protocols
from tests.tfds_builders.paired_images.test_paired_images import folders as paired_files
from tests.tfds_builders.sid.test_sid import shoot as sid_files
from tests.tfds_builders.smid.test_smid import lists as smid_lists
from tests.tfds_builders.smid.test_smid import released as smid_files
from tests.tfds_builders.smoid.test_smoid import clips as smoid_files
from tests.tfds_builders.smoid.test_smoid import customized as smoid_customized
from tests.tfds_builders.turntable_pairs.test_turntable_pairs import prepared as turntable_files
from tests.tfds_builders.unpaired_images.test_unpaired_images import everything as unpaired_files

pytestmark = [
  pytest.mark.usefixtures("standard_promotion", "signatures_of_methods"),
  pytest.mark.slow,
]

SIDE = 32
SIZE = (SIDE, SIDE)
WIDE = (24, 36)  # height and width of the video that is enhanced


def smid(root: Path) -> None:
  smid_files(root, size=SIZE)
  smid_lists(root)


@dataclasses.dataclass(frozen=True)
class System:
  """A system at the smallest size.

  Attributes:
    config: of `experiments.configs`, with variants.
    files: data set -> what writes the files of its source below a folder.
    data: settings of the data.
    change: further settings of the run.
    protocol: how it is evaluated.
    measures: what must be in the result, and is a number.
    flags: further flags of the evaluation.
    split: that is evaluated.
    format: of the export.
    size: of the export, where the format has one.
    alone: a configuration of the data set with clips that have no target, and what writes them.
  """

  config: str
  files: dict[str, Callable[[Path], Any]]
  data: dict[str, Any]
  change: dict[str, Any] = dataclasses.field(default_factory=dict)
  protocol: str = "plain"
  measures: tuple[str, ...] = ("psnr", "ssim")
  flags: dict[str, Any] = dataclasses.field(default_factory=dict)
  split: str = "test"
  format: str = "stablehlo"
  size: str | None = None
  alone: tuple[str, Callable[[Path], Any]] | None = None


SYSTEMS = {
  "A": System(
    "turntable_gan:smoke,no_finetune",
    {"turntable_pairs": lambda root: turntable_files(root, pairs=1, size=SIZE)},
    {"name": "turntable_pairs", "config": "scenes", "crop": 16},
    {"phases.gan.loss.vgg16": 0.0},
  ),
  "B": System(
    "clstm:smoke",
    {"smid": smid},
    {"name": "smid", "config": "static", "frames": 2},
    {"eval.protocol": "frame5", "model.kwargs.blocks": (1,), "model.kwargs.width": 4},
    protocol="frame5",
    measures=("psnr", "ssim", "tpsnr", "tssim", "tmae"),
    flags={"static": True},
    alone=("dynamic", lambda root: smid_files(root, ids=("M0000",), size=SIZE)),
  ),
  "C": System(
    "unet3d:smoke",
    {"smoid": lambda root: smoid_files(root, count=3, packed=(12, 18))},
    {"name": "smoid", "config": "natural", "frames": 2, "crop": 8},
    {"model.kwargs.depth": 1, "model.kwargs.base": 2},
    measures=("psnr", "ssim", "mse_mabd", "mse_mabd_usc"),
    flags={"temporal": True},
    alone=("customized", smoid_customized),
  ),
  "D": System(
    "unpool_gan:smoke",
    {"sid": lambda root: sid_files(root, shape=(2 * SIDE, 2 * SIDE))},
    {"name": "sid", "config": "darkest_tiny", "crop": 16},
    {"model.kwargs.widths": (2, 4), "model.kwargs.bottleneck": 4},
    format="litert",
    size="32x16",
  ),
  "E": System(
    "enlighten_gan:smoke",
    {
      "unpaired_images": lambda root: unpaired_files(root, size=SIZE),
      "paired_images": lambda root: paired_files(root, size=SIZE),
    },
    {"name": "unpaired_images", "train": "train_low", "partner": "train_high", "crop": 16},
    {
      "test_data.name": "paired_images",
      "test_data.config": "folders",
      "step.options.patch_size": 8,
      "step.options.weights": {"global": 1.0, "local": 1.0},  # VGG-16 takes long to compile
    },
    protocol="no_targets",
    measures=("brightness",),
    split="test_low",
  ),
}
# System D's patches are as large as its training crops.
BUILDERS = {"sid": {"name": "darkest_tiny", "layout": "srgb_darkest", "patch": 16, "stride": 8}}


def build(name: str, config: Any, root: Path, data: Path) -> None:
  """What `tfds build tfds_builders/NAME --config=CONFIG --manual_dir=ROOT` does."""
  module = importlib.import_module(f"tfds_builders.{name}.{name}_dataset_builder")
  if name in BUILDERS:
    config = module.Builder.builder_config_cls(**BUILDERS[name])
  download = tfds.download.DownloadConfig(manual_dir=root)
  module.Builder(data_dir=data, config=config).download_and_prepare(download_config=download)


def configured(system: System, data: Path) -> ConfigDict:
  name, _, variants = system.config.partition(":")
  config = importlib.import_module(f"experiments.configs.{name}").get_config(variants)
  config.data.update(system.data, batch=2, dir=str(data))
  config.test_data.dir = str(data)
  config.train.update(steps=1, save_every=0)
  config.eval.every = 0
  config.mesh.data = 1
  for key, value in system.change.items():
    *path, last = key.split(".")
    at = config
    for part in path:
      at = at[part]
    with at.unlocked():
      at[last] = ConfigDict(value) if isinstance(value, dict) else value
  return config


def means_of(run: Path, config: ConfigDict, protocol: str, **options: Any) -> dict[str, float]:
  """The means of the network."""
  settings = {**config.to_dict(), "test_data": {}}
  chosen = [protocols.get(protocol)]
  report = scored.evaluate_protocols(str(run), chosen, config=settings, classic="input", **options)[
    0
  ]
  return report.means(report.headline)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_from_its_files_to_a_bright_clip(name: str, tmp_path: Path) -> None:
  system, data, run = SYSTEMS[name], tmp_path / "data", tmp_path / "run"
  for name_of_data, write in system.files.items():
    root = tmp_path / name_of_data
    root.mkdir()
    write(root)
    config = {system.data["name"]: system.data.get("config")}.get(name_of_data, "folders")
    build(name_of_data, config, root, data)

  config = configured(system, data)
  metrics = train.train(config, run)
  assert metrics["step"] == 1
  assert np.isfinite(metrics["psnr"])

  means = means_of(run, config, system.protocol, split=system.split, **system.flags)
  assert set(system.measures) <= set(means)
  assert all(np.isfinite(means[measure]) for measure in system.measures)

  if system.alone is not None:
    config.data.config, write = system.alone
    root = tmp_path / "alone"
    root.mkdir()
    write(root)
    build(config.data.name, config.data.config, root, data)
    assert np.isfinite(means_of(run, config, "no_targets")["brightness"])

  dark, bright = tmp_path / "dark.mp4", tmp_path / "bright.mp4"
  frames = np.random.default_rng(0).integers(0, 60, (3, *WIDE, 3), np.uint8)
  write_video(dark, frames, Fraction(24))
  enhance.run(dark, bright, model=str(run), quiet=True)
  info = read_info(bright)
  assert (info.height, info.width, info.average_rate) == (*WIDE, 24)
  assert len(list(read_frames(bright))) == 3

  out = tmp_path / "exported"
  said = export.run(str(out), model=run, format=system.format, size=system.size)
  assert f"as {system.format}" in said
  assert json.loads((out / "llve_jax.json").read_text())["format"] == system.format
