"""Calls `experiments.evaluate` with stand-ins for the network and the data."""

import json
import types
from pathlib import Path

import pytest

from experiments import evaluate
from llve_jax.data import clips as data_clips
from llve_jax.data import source as data_source
from tests.experiments.evaluated import make_clips, stub_net


def flag_values(**given: object) -> types.SimpleNamespace:
  names = ("pred", "target", "model", "config", "data_dir", "split", "niqe")
  values = {**dict.fromkeys((*names, "json", "csv", "out")), "protocol": "plain"}
  values |= {"static": False}
  values |= {"temporal": False, "lpips": False, "frechet": False, "classic": "all", **given}
  return types.SimpleNamespace(**values)


@pytest.fixture
def run_main(monkeypatch):
  """Calls main with flags; absl's own are global, so the parsing itself runs in a subprocess."""

  def run(**given: object) -> None:
    monkeypatch.setattr(evaluate.flags, "FLAGS", flag_values(**given))
    evaluate.main(["evaluate"])

  return run


@pytest.fixture
def opened(monkeypatch) -> list[tuple[str | None, ...]]:
  """Puts stand-ins for network and data set in place; lists what was asked of the latter."""
  asked = []

  def open_split(name, split, *, config, data_dir):
    asked.append((name, split, config, data_dir))
    return [{"high": [] if name == "unpaired" else [b"png"]}]

  def test_clips(source, kind, *, keep_negatives, resize, targets):
    assert kind == "srgb"
    assert keep_negatives
    assert resize == ()
    assert targets == (source[0]["high"] != [])
    return iter(make_clips())

  monkeypatch.setattr(evaluate.methods, "load", lambda model: stub_net())
  monkeypatch.setattr(data_source, "open_split", open_split)
  monkeypatch.setattr(data_clips, "test_clips", test_clips)
  monkeypatch.setattr(evaluate, "enable_cache", lambda: None)
  return asked


@pytest.fixture
def workdir(tmp_path) -> Path:
  folder = tmp_path / "run"
  folder.mkdir()
  config = {"seed": 3, "data": {"name": "dark_clips", "config": "", "dir": "/trained/on"}}
  (folder / "config.json").write_text(json.dumps(config))
  return folder
