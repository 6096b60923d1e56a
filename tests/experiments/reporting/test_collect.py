import json
from pathlib import Path

import pytest

from experiments.reporting.collect import collect, read_run
from llve_jax.errors import UserError


def test_a_sweep_has_its_tables_in_their_order_with_every_row(sweep_folder: Path):
  found = collect(sweep_folder)
  assert [table.name for table in found] == ["turntable_ablation", "critic"]
  ablation, critic = found
  assert [row.name for row in ablation.rows] == ["plain", "resnext", "bilinear", "both"]
  assert [len(row.scored) for row in ablation.rows] == [2, 2, 2, 1]
  plain = ablation.rows[0]
  assert [run.metrics["psnr"] for run in plain.runs] == [18.0, 18.2]
  assert [run.seed for run in plain.runs] == ["0", "1"]
  assert plain.published == {"psnr": 18.68, "ssim": 0.586}
  assert plain.runs[1].seconds == 101.0
  assert list(plain.runs[0].strips) == ["carphone_0", "carphone_1"]
  assert {row.name: row.runs[0].state for row in critic.rows} == {
    "no_critic": "scored",
    "wgan": "at step 160 of 320",
    "wgan_gp": "not started",
  }
  assert critic.scored[0].folder == ablation.rows[3].runs[0].folder


def test_one_run_is_a_table_of_one_row(tmp_path: Path, write_run):
  (table,) = collect(write_run(tmp_path / "run", seed=4))
  assert [row.label for row in table.rows] == ["made_up"]
  assert table.rows[0].runs[0].seed == "4"
  assert table.metrics == ["psnr", "ssim", "flicker", "warp_err", "mse_mabd"]


def test_what_is_there_can_be_opened(tmp_path: Path, write_run):
  run = read_run(write_run(tmp_path / "run"))
  assert list(run.files) == ["config", "weights", "checkpoints", "scores"]
  assert all(path.exists() for path in run.files.values())


def test_how_far_a_run_is_is_said(tmp_path: Path, write_run):
  assert read_run(tmp_path).state == "not started"
  (tmp_path / "train.log").touch()
  assert read_run(tmp_path).state == "started"
  folder = write_run(tmp_path / "run")
  assert read_run(folder).state == "scored"
  (folder / "evaluation" / "metrics.json").unlink()
  assert read_run(folder).state == "trained, not scored"


def test_infinite_figures_are_read_and_words_are_not_figures(tmp_path: Path, write_run):
  folder = write_run(tmp_path / "run")
  path = folder / "evaluation" / "metrics.json"
  content = json.loads(path.read_text())
  content["methods"]["turntable_unet"] |= {"psnr": "inf", "niqe_model": "published"}
  path.write_text(json.dumps(content))
  metrics = read_run(folder).metrics
  assert metrics["psnr"] == float("inf")
  assert "niqe_model" not in metrics
  assert "clips" not in metrics


@pytest.mark.parametrize("file", ["config.json", "history.json", "evaluation/metrics.json"])
def test_a_damaged_file_is_named(file: str, tmp_path: Path, write_run):
  folder = write_run(tmp_path / "run")
  (folder / file).write_text('{"half":')
  with pytest.raises(UserError, match=f"{file}: not readable as JSON"):
    read_run(folder)


def test_other_things_than_expected_are_refused(tmp_path: Path):
  with pytest.raises(UserError, match="found neither"):
    collect(tmp_path)
  (tmp_path / "history.json").write_text('{"step": 1}')
  with pytest.raises(UserError, match=r"history\.json: expected a list, found dict"):
    read_run(tmp_path)
  (tmp_path / "history.json").write_text('[{"psnr": 1}]')
  with pytest.raises(UserError, match=r"history\.json: expected a list of"):
    read_run(tmp_path)
  (tmp_path / "critic").mkdir()
  (tmp_path / "critic" / "table.json").write_text('{"rows": {"a": {"label": "A"}}}')
  with pytest.raises(UserError, match=r"critic/table\.json: not as experiments\.sweep writes it"):
    collect(tmp_path)
