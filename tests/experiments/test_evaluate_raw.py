"""`experiments.evaluate` on raw light, beside methods that take it."""

import json
from pathlib import Path

import jax.numpy as jnp
import pytest

from experiments import evaluate
from llve_jax.models.contract import Traits
from llve_jax.ops.color import linear_to_srgb
from tests.methods.networks import of_function


@pytest.fixture(scope="module")
def raw_folder(tmp_path_factory) -> Path:
  """A folder with a small raw data set."""
  from tfds_builders.dark_clips import dark_clips_dataset_builder as module

  folder = tmp_path_factory.mktemp("raw")
  config = module.DarkClipsConfig(name="tiny_raw", raw=True, max_height=48, max_frames=5, segment=3)
  module.Builder(data_dir=folder, config=config).download_and_prepare()
  return folder


def raw_net():
  """Takes binned light, and happens to know the curve of sRGB."""
  traits = Traits(stride=1, receptive_field=1, input_kind="raw_rgb", streaming=True)

  def step(clip, carry):
    frames = jnp.int32(clip.shape[1])
    return linear_to_srgb(clip), frames if carry is None else carry + frames

  network, _ = of_function(step, traits)
  network.name = "raw_net"
  return network


def test_raw_data_have_rows_of_their_own(tmp_path, raw_folder, monkeypatch, workdir, run_main):
  monkeypatch.setattr(evaluate.methods, "load", lambda model: raw_net())
  monkeypatch.setattr(evaluate, "enable_cache", lambda: None)
  config = {"data": {"name": "dark_clips", "config": "tiny_raw", "dir": str(raw_folder)}}
  run_main(model=str(workdir), config=config, out=str(tmp_path / "out"), temporal=True)
  content = json.loads((tmp_path / "out" / "metrics.json").read_text())
  assert list(content["methods"]) == ["ratio_scale", "auto_gain", "raw_net"]
  assert content["about"]["kind"] == "raw_rgb"
  # The network does just what the picture of the light does.
  for name in ("psnr", "flicker"):
    assert content[name] == pytest.approx(content["methods"]["ratio_scale"][name], rel=1e-3)
  told = json.loads((tmp_path / "out" / "brightness.json").read_text())
  assert set(told) == {"ratio_scale", "auto_gain", "raw_net", "target"}
  assert [path.name for path in sorted((tmp_path / "out" / "strips").iterdir())] == [
    f"carphone_{k}.png" for k in range(3)
  ]
