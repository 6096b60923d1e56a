"""`experiments.evaluate` by metrics that ask for no target, and NIQE."""

import json

import numpy as np
import pytest

from experiments import evaluate
from llve_jax.errors import UserError
from tests.experiments.evaluated import make_clips, write_images


def test_data_without_targets_are_refused(workdir, opened, run_main):
  config = {"data": {"name": "unpaired"}}
  with pytest.raises(UserError, match=r"unpaired, split low: has no bright.*test_data\.name=NAME"):
    run_main(model=str(workdir), config=config, split="low")


def test_data_without_targets_are_scored_by_what_asks_for_none(
  workdir, opened, run_main, capsys, monkeypatch
):
  monkeypatch.setattr(evaluate.naturalness, "LEAST_SIDE", 32)
  monkeypatch.setattr(evaluate.naturalness, "open_model", lambda model, clips: model)
  monkeypatch.setattr(evaluate.naturalness, "niqe", lambda image, model: image.mean())
  config = {"data": {"name": "unpaired"}}
  out = workdir.parent / "results"
  told = {"config": config, "split": "low", "protocol": "no_targets", "niqe": "file.npz"}
  run_main(model=str(workdir), **told, out=str(out), static=True)
  content = json.loads((out / "metrics.json").read_text())
  assert {"brightness", "niqe", "tpsnr"} <= set(content)
  assert "psnr" not in content
  methods = content["methods"]
  assert methods["stub_net"]["brightness"] == pytest.approx(4 * methods["input"]["brightness"])
  assert "margin" not in json.loads(capsys.readouterr().out.splitlines()[-1])
  assert sorted(path.name for path in out.iterdir()) == ["frames.csv", "metrics.json", "table.txt"]
  for flag in ("temporal", "frechet"):
    with pytest.raises(UserError, match="compare with targets, which protocol no_targets"):
      run_main(model=str(workdir), **told, **{flag: True})


def test_a_folder_alone_is_scored_by_what_asks_for_no_target(tmp_path, run_main, monkeypatch):
  monkeypatch.setattr(evaluate, "enable_cache", lambda: None)
  images = write_images(tmp_path / "pred", ["1", "2"], 0)
  told = {"pred": str(tmp_path / "pred"), "json": str(tmp_path / "m.json")}
  run_main(**told, protocol="no_targets")
  weights = [0.2126, 0.7152, 0.0722]
  expected = np.mean([image @ weights for image in images])
  found = json.loads((tmp_path / "m.json").read_text())["brightness"]
  assert found == pytest.approx(expected, rel=1e-4)
  with pytest.raises(UserError, match="compare with targets"):
    run_main(**told, protocol="no_targets", frechet=True)
  with pytest.raises(UserError, match="give either --pred"):
    run_main(**told)


def test_niqe_of_small_frames_is_left_out_and_of_large_ones_is_a_column(
  workdir, opened, run_main, capsys, monkeypatch
):
  json_file = workdir.parent / "m.json"
  run_main(model=str(workdir), json=str(json_file), niqe="targets")
  assert "--niqe: left out" in capsys.readouterr().err
  monkeypatch.setattr(evaluate.naturalness, "LEAST_SIDE", 32)
  monkeypatch.setattr(evaluate.naturalness, "open_model", lambda model, clips: model)
  # Here the mean of the frame, for the features of NIQE need blocks of 96 pixels.
  monkeypatch.setattr(evaluate.naturalness, "niqe", lambda image, model: image.mean())
  run_main(model=str(workdir), json=str(json_file), niqe="targets")
  content = json.loads(json_file.read_text())
  assert content["about"]["niqe_model"] == "targets"
  expected = np.mean([np.mean(4 * (clip.high // 4)) for clip in make_clips()])
  assert content["niqe"] == pytest.approx(expected, rel=1e-4)
