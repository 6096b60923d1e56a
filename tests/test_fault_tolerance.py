"""A run that is killed, or asked to stop, at any moment ends with the bits of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import train
from experiments.benchmarks import kill
from llve_jax.errors import UserError
from llve_jax.job import interrupt
from llve_jax.job.lock import locked
from llve_jax.train import goodput, hooks
from tests import processes
from tests.test_end_to_end import saved_arrays, tiny_config, without_critic

pytestmark = [
  pytest.mark.usefixtures("standard_promotion", "shared_programs"),
  pytest.mark.slow,
]


def arguments(data_dir: Path, steps: int = 24) -> list[str]:
  own = [f"--config.data.dir={data_dir}", "--config.data.config=tiny", "--config.data.batch=8"]
  own += ["--config.eval.max_frames=1", "--config.model.kwargs.widths=(4,)"]
  own += ["--config.critics.critic.kwargs.widths=(4,)", "--config.model.kwargs.resnext=False"]
  own += ["--config.mesh.data=2"]
  return [f"--config={kill.CONFIG}", *kill.SMALL, f"--config.train.steps={steps}", *own]


def plain(data_dir: Path) -> list[str]:
  """A run without a critic, which compiles in a second, far longer than a test."""
  own = [f"--config.data.dir={data_dir}", "--config.data.config=tiny", "--config.data.batch=8"]
  own += ["--config.data.crop=16", "--config.eval.max_frames=1", "--config.train.save_every=4"]
  return ["--config=experiments/configs/zero_dce.py:smoke", "--config.train.steps=4000", *own]


@pytest.mark.timeout(900)
def test_three_kills_change_no_bit(data_dir: Path, tmp_path: Path) -> None:
  """A GAN with two phases, a real process; docs/FAULTS.md has twenty kills, and twenty SIGTERMs."""
  found = kill.kill_test(arguments(data_dir), tmp_path, kills=3, seed=2)
  assert found["kills"] == 3
  assert found["equal"], found["different"]


class StopAfter(interrupt.Interrupt):
  """Is asked to stop when so many calls that may take long have been made."""

  def __init__(self, calls: int):
    super().__init__()
    self.calls = calls

  def run(self, function: Any, *given: Any, **named: Any) -> Any:
    self.calls -= 1
    if self.calls == 0:
      self.request("test")
    if self.requested:
      raise interrupt.Interrupted(self.reason)
    return super().run(function, *given, **named)


@pytest.fixture(scope="module")
def undisturbed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
  folder = tmp_path_factory.mktemp("whole")
  train.train(evaluated(data_dir), folder)
  return folder


@pytest.fixture(scope="module")
def arrays(undisturbed: Path) -> dict[str, np.ndarray]:
  """What it ends with."""
  return saved_arrays(undisturbed, 10)


def evaluated(data_dir: Path, make: Callable[..., Any] = tiny_config) -> Any:
  """Ten steps; compiles before step 1 and 7, evaluates after 4, 8 and 10, saves after 3, 6, 9."""
  config = make(data_dir, steps=10)
  config.eval.update(every=4, max_frames=1)
  config.train.save_every = 3
  return config


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 6])
def test_a_stop_while_compiling_or_evaluating_changes_no_bit(
  calls: int,
  undisturbed: Path,
  arrays: dict[str, np.ndarray],
  data_dir: Path,
  tmp_path: Path,
) -> None:
  with pytest.raises(interrupt.Interrupted, match="test"):
    train.train(evaluated(data_dir), tmp_path, stop=StopAfter(calls))
  # First weights, first phase compiled, evaluation, second phase compiled, two evaluations.
  saved = {1: [], 2: [], 3: ["3", "4"], 4: ["3", "6"], 6: ["9", "10"]}
  kept = [path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]
  assert sorted(kept, key=int) == saved[calls]
  assert train.train(evaluated(data_dir), tmp_path)["step"] == 10
  found = saved_arrays(tmp_path, 10)
  assert [name for name in arrays if arrays[name].tobytes() != found[name].tobytes()] == []
  for name in ("history.json", "best.safetensors"):
    assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()
  ends = [r["why"] for r in goodput.read(tmp_path / "journal.jsonl") if r["event"] == "end"]
  assert ends == (["done"] if calls == 1 else ["stopped", "done"])


def test_the_memory_of_plateaus_outlives_a_stop(data_dir: Path, tmp_path: Path) -> None:
  """Stopped between two evaluations without a better one: patience goes on where it was."""

  def config() -> Any:
    made = evaluated(data_dir, without_critic)
    made.optimizer.rate = 0.0
    made.train.update(average_decay=1.0, stop_after=2)
    made.eval.every = 2
    return made

  whole = train.train(config(), tmp_path / "whole")
  with pytest.raises(interrupt.Interrupted):
    train.train(config(), tmp_path / "stopped", stop=StopAfter(4))  # the second evaluation
  resumed = train.train(config(), tmp_path / "stopped")
  assert whole["step"] == resumed["step"] == 6
  assert whole["best"] == resumed["best"]


def test_a_damaged_checkpoint_is_skipped_and_the_run_ends_the_same(
  arrays: dict[str, np.ndarray], data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
  with pytest.raises(interrupt.Interrupted):
    train.train(evaluated(data_dir), tmp_path, stop=StopAfter(5))
  largest = max(
    (path for path in (tmp_path / "checkpoints" / "8" / "state").rglob("*") if path.is_file()),
    key=lambda path: path.stat().st_size,
  )
  largest.write_bytes(largest.read_bytes()[:-7])
  capsys.readouterr()
  train.train(evaluated(data_dir), tmp_path)
  said = capsys.readouterr().out
  assert largest.name in said
  assert "resuming from step 6 of 10" in said
  found = saved_arrays(tmp_path, 10)
  assert [name for name in arrays if arrays[name].tobytes() != found[name].tobytes()] == []


def test_another_mesh_goes_on_with_a_run(undisturbed: Path, data_dir: Path, tmp_path: Path) -> None:
  """Two devices, then parameters split over four and frames over two: the same to rounding."""
  with pytest.raises(interrupt.Interrupted):
    train.train(evaluated(data_dir), tmp_path, stop=StopAfter(3))
  config = evaluated(data_dir)
  config.mesh.update(data=8, rows=2, parameters="fsdp")
  result = train.train(config, tmp_path)
  expected = json.loads((undisturbed / "history.json").read_text())[-1]
  assert result["psnr"] == pytest.approx(expected["psnr"], rel=1e-3)


def test_two_runs_do_not_share_a_folder(data_dir: Path, tmp_path: Path) -> None:
  with locked(tmp_path):
    done = subprocess.run(
      [sys.executable, "-m", "experiments.train", *arguments(data_dir), f"--workdir={tmp_path}"],
      cwd=processes.ROOT,
      env=os.environ,
      capture_output=True,
      text=True,
    )
  assert done.returncode == 2
  assert f"error: {tmp_path}" in done.stderr
  assert str(os.getpid()) in done.stderr
  assert not (tmp_path / "config.json").exists()


def test_a_full_disk_stops_the_run_and_keeps_what_was_saved(
  data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """As seen through what the checkpoints say of it, see tests/io/test_checkpoint_storage.py."""
  saved: list[int] = []
  whole = hooks.Checkpoints.save

  def save(self: Any, step: int, *given: Any, **named: Any) -> None:
    if step == 6:
      raise UserError("no space left")
    saved.append(step)
    whole(self, step, *given, **named)

  with monkeypatch.context() as patch:
    patch.setattr(hooks.Checkpoints, "save", save)
    with pytest.raises(UserError, match="no space left"):
      train.train(evaluated(data_dir), tmp_path)
  assert saved == [3]
  assert train.train(evaluated(data_dir), tmp_path)["step"] == 10


def test_two_processes_stop_together_and_go_on_as_one(data_dir: Path, tmp_path: Path) -> None:
  """SIGTERM reaches one of them; both save the same step. Then one process ends the run."""
  command = [sys.executable, "-u", "-m", "experiments.train", *plain(data_dir)]
  command += ["--config.train.save_every=0", "--config.eval.every=0", f"--workdir={tmp_path}"]
  with processes.started(command, 2, devices=2) as (first, second):
    assert first.stdout is not None
    for line in first.stdout:
      if line.startswith("step 3/"):
        break
    second.send_signal(signal.SIGTERM)
    codes = [one.wait(120) for one in (first, second)]
    told = [one.stderr.read() for one in (first, second) if one.stderr is not None]
  assert codes == [75, 75], told
  (kept,) = [path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]
  assert 3 <= int(kept) < 4000
  run = [*command[:2], *command[2:], "--config.eval.max_frames=1", "--allow_changes"]
  done = subprocess.run(
    [*run, f"--config.train.steps={int(kept) + 2}"],
    cwd=processes.ROOT,
    env=os.environ,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert f"resuming from step {kept} of" in done.stdout


def test_a_lost_process_ends_the_others_soon(data_dir: Path, tmp_path: Path) -> None:
  command = [sys.executable, "-u", "-m", "experiments.train", *plain(data_dir)]
  with processes.started([*command, f"--workdir={tmp_path}"], 2, devices=2) as (first, second):
    assert first.stdout is not None
    for line in first.stdout:
      if line.startswith("step 9/"):
        break
    second.kill()
    begun = time.monotonic()
    code = first.wait(60)
    assert first.stderr is not None
    told = first.stderr.read()
  assert code == 76, told
  assert time.monotonic() - begun < 45
  assert "process 1 of 2" in told
  assert "checkpoint" in told
