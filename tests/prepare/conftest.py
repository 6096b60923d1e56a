"""Tiny shoots whose truth is known, filmed by the benchmark's own camera."""

import shutil

import pytest

from experiments.benchmarks import prepare as bench

PAN = bench.Pan("bigbuckbunny.mp4", 1.0, mean=26.0, frames=16, stills=6)
WIDTH, HEIGHT = 320, 180


@pytest.fixture(scope="session")
def filmed(tmp_path_factory):
  """(folder of one scene, truth): a pan and its stills in reverse order."""
  folder = tmp_path_factory.mktemp("filmed") / "lamp"
  folder.mkdir()
  pan = bench.dataclasses.replace(PAN, reverse=True)
  return folder, bench.make_scene(pan, folder, WIDTH, HEIGHT)


@pytest.fixture
def shoot(filmed, tmp_path):
  """A shoot of one scene, `lamp`, that a test may change."""
  shutil.copytree(filmed[0], tmp_path / "shoot" / "lamp")
  return tmp_path / "shoot"
