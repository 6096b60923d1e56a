"""The splits of the small data set."""

import pytest

from llve_jax.data.source import open_split


@pytest.fixture(scope="session")
def train_source(data_dir):
  return open_split("dark_clips", "train", config="tiny", data_dir=data_dir)


@pytest.fixture(scope="session")
def test_source(data_dir):
  return open_split("dark_clips", "test", config="tiny", data_dir=data_dir)
