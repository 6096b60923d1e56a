"""A small build of every data set, once per session."""

import sys
from pathlib import Path

import pytest

BUILDERS = Path(__file__).parents[2] / "tfds_builders"


@pytest.fixture(scope="session")
def dark_clips_module():
  """The builder's module, found as `tfds build` finds it."""
  sys.path.insert(0, str(BUILDERS))
  try:
    from dark_clips import dark_clips_dataset_builder
  finally:
    sys.path.remove(str(BUILDERS))
  return dark_clips_dataset_builder


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
