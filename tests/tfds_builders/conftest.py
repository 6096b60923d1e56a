"""A small build of every data set."""

import importlib

import pytest
import tensorflow_datasets as tfds


@pytest.fixture(scope="session", autouse=True)
def _signatures(signatures_of_methods: None) -> None:
  """For every test here."""


@pytest.fixture(scope="session")
def dark_clips_module():
  return importlib.import_module("tfds_builders.dark_clips.dark_clips_dataset_builder")


@pytest.fixture(scope="session")
def build_dark_clips(dark_clips_module):
  """Prepares a small dark_clips; returns the builder."""

  def build(data_dir, **overrides):
    settings = {"name": "tiny", "max_height": 72, "max_frames": 12, "segment": 5, "passes": 2}
    settings |= {"exposure": (1 / 24, 1 / 6)} | overrides
    config = dark_clips_module.DarkClipsConfig(**settings)
    builder = dark_clips_module.Builder(data_dir=data_dir, config=config)
    builder.download_and_prepare()
    return builder

  return build


@pytest.fixture
def build(tmp_path):
  """Prepares a data set from a manual folder below tmp_path/data; returns the builder.

  build("paired_images", manual_dir, "folders"); a configuration's settings can be given instead of
  its name, which makes a configuration of one's own.
  """

  def run(name, manual_dir, config=None, **download):
    module = importlib.import_module(f"tfds_builders.{name}.{name}_dataset_builder")
    if isinstance(config, dict):
      config = module.Builder.builder_config_cls(**config)
    builder = module.Builder(data_dir=tmp_path / "data", config=config)
    settings = tfds.download.DownloadConfig(manual_dir=manual_dir, **download)
    builder.download_and_prepare(download_config=settings)
    return builder

  return run
