"""A sweep: which runs, in which folders, and what happens when one fails or is cut off."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from experiments import sweep
from experiments.reporting import collect, page, tables
from experiments.reporting.table import Row, Table
from experiments.run import jobs
from llve_jax.errors import UserError
from tests import commands

ROOT = Path(__file__).parents[2]
CONFIG = os.path.relpath(ROOT / "experiments" / "configs" / "turntable_gan.py")
SCORES = '{"psnr": 20.0, "ssim": 0.7}'


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
  return commands.run("experiments.sweep", *arguments)


@dataclasses.dataclass(frozen=True)
class Stub(jobs.Job):
  """A job whose commands are short programs; `training` runs in the place of training."""

  training: str = "print('trained')"
  scoring: str = "pass"

  @property
  def train(self) -> list[str]:
    return ["-c", textwrap.dedent(self.training)]

  def evaluate(self, out: Path) -> list[str]:
    program = f"{self.scoring}\nimport pathlib; out = pathlib.Path({str(out)!r}); out.mkdir()\n"
    return ["-c", program + f"(out / 'metrics.json').write_text({SCORES!r})"]


def stub(folder: Path, **programs: str) -> Stub:
  return Stub(f"{CONFIG}:smoke", 0, (), folder, **programs)


def test_rows_that_two_tables_share_are_run_once(tmp_path: Path):
  chosen = tables.get("turntable_ablation,critic")
  planned = sweep.plan(chosen, tmp_path, seeds=2, size="smoke")
  assert len(planned) == (4 + 3 - 1) * 2
  assert [job.seed for job in planned] == [0] * 6 + [1] * 6
  ablation, critic = (json.loads((tmp_path / name / "table.json").read_text()) for name in chosen)
  assert ablation["rows"]["both"]["runs"] == critic["rows"]["no_critic"]["runs"]
  assert ablation["rows"]["both"]["runs"]["1"] == (
    "runs/turntable_gan-published-both-no_critic-no_finetune-smoke/seed1"
  )
  assert ablation["rows"]["both"]["published"] == {"psnr": 21.53, "ssim": 0.629}
  assert {job.folder for job in planned} == {
    tmp_path / place
    for table in (ablation, critic)
    for row in table["rows"].values()
    for place in row["runs"].values()
  }


def test_runs_of_other_settings_lie_elsewhere_unless_only_the_data_moved():
  config = "experiments/configs/sid.py:sony,quick"
  assert sweep.run_folder(config, []) == "sid-sony-quick"
  other = sweep.run_folder(config, ["--config.train.steps=9", "--config.data.dir=/a"])
  assert other == sweep.run_folder(config, ["--config.data.dir=/b", "--config.train.steps=9"])
  assert other.startswith("sid-sony-quick-")
  assert other != sweep.run_folder(config, ["--config.train.steps=8"])


def test_settings_are_taken_from_the_command_line():
  argv = ["sweep", "--table=critic", "-config.a.b=1", "--config.c=x=y", "--jobs=2"]
  own, settings = sweep.take_settings(argv)
  assert own == ["sweep", "--table=critic", "--jobs=2"]
  assert settings == ["--config.a.b=1", "--config.c=x=y"]
  with pytest.raises(UserError, match="in one word"):
    sweep.take_settings(["sweep", "--config.a.b", "1"])
  with pytest.raises(UserError, match="--seeds=N"):
    sweep.take_settings(["sweep", "--config.seed=4"])


def test_print_shows_what_is_not_done_and_runs_nothing(tmp_path: Path):
  scored = (
    tmp_path / "runs" / "turntable_gan-published-both-wgan_gp-cobi-smoke" / "seed0" / "evaluation"
  )
  scored.mkdir(parents=True)
  (scored / "metrics.json").write_text(SCORES)
  done = command(
    "--table=finetune",
    f"--workdir={tmp_path}",
    "--size=smoke",
    "--seeds=1",
    "--data_dir=/d",
    "--print",
  )
  # A setting beside the data's folder would lie elsewhere.
  assert done.returncode == 0, done.stderr
  name = "turntable_gan-published-both-wgan_gp-finetune-smoke"
  run = tmp_path / "runs" / name / "seed0"
  assert done.stdout == (
    "python -m experiments.train "
    "--config=experiments/configs/turntable_gan.py:published,both,wgan_gp,finetune,smoke "
    f"--config.seed=0 --config.data.dir=/d --config.test_data.dir=/d --workdir={run} && "
    f"python -m experiments.evaluate --model={run} --temporal "
    f"--classic=input,auto_gain --out={run}/evaluation\n"
  )
  assert (tmp_path / "finetune" / "table.json").is_file()
  assert not run.exists()


def test_a_row_without_that_size_is_left_out_and_named(tmp_path, capsys):
  chosen = {"systems": tables.TABLES["systems"]}
  rows = {
    size: {job.config for job in sweep.plan(chosen, tmp_path, seeds=1, size=size)}
    for size in sweep.SIZES
  }
  assert any("fuji" in config for config in rows["full"])
  assert not any("fuji" in config for size in ("cpu", "smoke") for config in rows[size])
  assert len(rows["cpu"]) == len(rows["full"]) - 1
  assert "systems: sid_fuji left out, it has no size cpu" in capsys.readouterr().err


def test_methods_without_training_are_scored_once_and_what_cannot_be_had_not_at_all(tmp_path):
  chosen = {name: tables.TABLES[name] for name in ("temporal", "phone", "raw_stills")}
  jobs_of_all = sweep.plan(chosen, tmp_path, seeds=2, size="full")
  planned = {str(job): job for job in reversed(jobs_of_all)}
  assert len({job.folder for job in jobs_of_all}) == len(jobs_of_all)
  rows = json.loads((tmp_path / "temporal" / "table.json").read_text())["rows"]
  assert rows["sid"]["runs"] == {}
  assert list(rows["vbm4d"]["runs"]) == ["0"]
  assert "input seed 1" not in planned
  line = jobs.launch_command(planned["input seed 0"])
  assert "experiments.train" not in line
  assert line.startswith(
    "python -m experiments.evaluate --model=input --temporal --static --config="
  )
  assert "--protocol=frame5" in line
  assert "--model=lime" in jobs.launch_command(planned["lime seed 0"])
  scaled = next(job for job in jobs_of_all if job.protocol)
  assert "--protocol=gt_mean_sid" in jobs.launch_command(scaled)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (("--table=nope", "--workdir=x"), "no table nope; known: turntable_ablation"),
    (("--table=critic",), "both --table=NAME and --workdir=DIR are needed"),
    (("--table=critic", "--workdir=setup.py"), "setup.py: expected a folder"),
    (("--config.x",), "expected --config.x=VALUE"),
    (
      ("--table=critic", "--workdir={}", "--print", "--config.nope=1"),
      "config has no 'nope'; known: ",
    ),
  ],
)
def test_bad_calls_are_refused_in_one_line(arguments, message, tmp_path: Path):
  done = command(*(argument.format(tmp_path) for argument in arguments))
  assert done.returncode == 2
  assert message in done.stderr
  assert done.stderr.count("\n") == 1


def test_a_failure_is_told_with_its_log_and_the_others_go_on(tmp_path: Path, capsys):
  bad = stub(tmp_path / "bad", training="print('line of the log'); raise SystemExit(3)")
  unknown = jobs.Job(f"{CONFIG}:nope", 0, (), tmp_path / "unknown")
  good = stub(tmp_path / "good")
  failed = jobs.run_all([bad, unknown, good])
  assert set(failed) == {bad, unknown}
  assert failed[bad] == f"exit status 3, see {tmp_path}/bad/train.log"
  assert "no variant nope" in failed[unknown]
  told = capsys.readouterr().out
  assert "    line of the log\n" in told
  assert "[3/3] turntable_gan.py:smoke seed 0: done in" in told
  assert "PSNR 20.00, SSIM 0.7000" in told
  assert (tmp_path / "good" / "train.log").read_text() == "trained\n"


def test_what_is_scored_is_not_run_again_and_what_is_not_goes_on(tmp_path: Path, capsys):
  job = stub(tmp_path, scoring="raise SystemExit(1)")
  assert job in jobs.run_all([job])
  assert not job.done
  assert not (tmp_path / "evaluation").exists()
  noted = tmp_path / "timing.json"
  timing = json.loads(noted.read_text())
  assert timing["attempts"] == 1
  assert 0 < timing["train_seconds"] < 100
  noted.write_text(json.dumps({**timing, "train_seconds": 1000.0}))
  assert jobs.run_all([stub(tmp_path)]) == {}
  timing = json.loads(noted.read_text())
  assert timing["attempts"] == 2
  assert 1000 < timing["train_seconds"] < 1100
  assert (tmp_path / "train.log").read_text() == "trained\n" * 2
  assert jobs.run_all([stub(tmp_path, training="raise SystemExit(1)")]) == {}
  assert "done before" in capsys.readouterr().out


def test_several_at_a_time_run_at_the_same_time(tmp_path: Path):
  waits = """
    import pathlib, time
    pathlib.Path({own!r}).touch()
    end = time.monotonic() + 20
    while not pathlib.Path({other!r}).exists():
      assert time.monotonic() < end
      time.sleep(0.05)
  """
  one, two = str(tmp_path / "one"), str(tmp_path / "two")
  pair = [
    stub(tmp_path / "a", training=waits.format(own=one, other=two)),
    stub(tmp_path / "b", training=waits.format(own=two, other=one)),
  ]
  assert jobs.run_all(pair, at_once=2) == {}


def test_a_run_that_another_process_works_on_is_left_alone(tmp_path: Path):
  attempt = jobs.Attempt(stub(tmp_path, training="import time; time.sleep(60)"))
  try:
    failed = jobs.run_all([stub(tmp_path)])
  finally:
    attempt.stop()
  assert "another process is running this" in next(iter(failed.values()))
  assert jobs.run_all([stub(tmp_path)]) == {}


def test_stopping_the_sweep_stops_its_children(tmp_path: Path):
  """SIGTERM, as a scheduler sends it: the child is gone, and its time is noted."""
  folder = tmp_path / "runs" / "turntable_gan-published-both-wgan_gp-finetune-smoke" / "seed0"
  sleeping = f"""
    import sys
    sys.path.insert(0, {str(ROOT)!r})
    from experiments import sweep
    from experiments.run import jobs
    jobs.Job.train = property(lambda self: ["-c",
      "import os, time; print(os.getpid(), flush=True); time.sleep(60)"])
    sweep.define_flags()
    sweep.run_main(sweep.main)
  """
  arguments = ["--table=finetune", f"--workdir={tmp_path}", "--size=smoke", "--seeds=1"]
  process = subprocess.Popen(
    [sys.executable, "-c", textwrap.dedent(sleeping), *arguments], cwd=ROOT
  )
  log = folder / "train.log"
  end = time.monotonic() + 60
  while not (log.exists() and log.read_text().endswith("\n")):
    assert time.monotonic() < end
    time.sleep(0.1)
  child = int(log.read_text())
  process.send_signal(signal.SIGTERM)
  assert process.wait(30) == 128 + signal.SIGTERM
  with pytest.raises(ProcessLookupError):
    os.kill(child, 0)
  assert json.loads((folder / "timing.json").read_text())["attempts"] == 1


@pytest.mark.slow
def test_a_row_is_trained_scored_and_reported(tmp_path: Path, data_dir: Path, monkeypatch):
  """The real commands, on the smallest data set there is."""
  monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
  row = Row("curves", "zero_dce", {"psnr": 14.9})
  table = Table("One row", "", "", "", {"only": row})
  settings = ["--config.data.config=tiny", f"--config.data.dir={data_dir}"]
  planned = sweep.plan({"one": table}, tmp_path, seeds=1, size="smoke", settings=settings)
  assert jobs.run_all(planned) == {}
  (found,) = collect.collect(tmp_path)
  page.write([found], tmp_path)
  (run,) = found.scored
  assert run.metrics["psnr"] > 0
  assert run.metrics["flicker"] >= 0
  assert run.history[-1]["step"] == run.steps
  assert run.strips
  assert f"| curves | {run.metrics['psnr']:.2f} | 14.90 |" in (tmp_path / "RESULTS.md").read_text()
  assert "<svg" in (tmp_path / "index.html").read_text()
