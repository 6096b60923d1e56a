"""launch/slurm.sbatch, with stand-ins for srun and scontrol."""

import pytest

TASK = 'echo "srun $*" >>"$CALLS"; exit "$TASK_STATUS"'


@pytest.fixture
def batch(launch, script, tmp_path):
  """Runs the batch script as Slurm would; returns what came of it and the calls of its tools."""

  def run(*arguments, status=0, **environment):
    script("srun", f"#!/usr/bin/env bash\n{TASK}\n")
    tools = script("scontrol", '#!/usr/bin/env bash\necho "scontrol $*" >>"$CALLS"\n')
    calls = tmp_path / "calls"
    calls.write_text("")
    environment = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "12", **environment}
    done = launch(
      "slurm.sbatch",
      *arguments,
      tools=tools,
      CALLS=str(calls),
      TASK_STATUS=str(status),
      **environment,
    )
    return done, calls.read_text().splitlines()

  return run


@pytest.mark.parametrize(
  ("status", "again"),
  [(0, False), (1, True), (2, False), (75, True), (76, True), (137, True), (139, True)],
)
def test_what_can_go_on_goes_back_into_the_queue(batch, status, again):
  done, calls = batch("python", "-m", "experiments.train", status=status)
  assert done.returncode == status
  assert calls[0].startswith("srun --kill-on-bad-exit=0 ")
  assert calls[0].endswith(" python -m experiments.train")
  assert calls[1:] == (["scontrol requeue 12"] if again else [])


def test_not_for_ever(batch):
  for status in (76, 137):
    done, calls = batch("true", status=status, SLURM_RESTART_COUNT="3", LLVE_RESTARTS="3")
    assert done.returncode == status
    assert len(calls) == 1


@pytest.mark.parametrize(("limit", "times"), [({}, 3), ({"LLVE_CRASHES": "1"}, 1)])
def test_crashes_are_counted_by_themselves(batch, tmp_path, limit, times):
  count = tmp_path / "slurm-12.crashes"
  for crash in range(times):
    _, calls = batch("true", status=137 if crash % 2 else 1, **limit)
    assert calls[1:] == ["scontrol requeue 12"]
    _, calls = batch("true", status=75, **limit)  # between them, and not counted
    assert calls[1:] == ["scontrol requeue 12"]
    assert count.read_text() == f"{crash + 1}\n"
  done, calls = batch("true", status=137, **limit)
  assert (done.returncode, len(calls)) == (137, 1)
  assert not count.exists()


@pytest.mark.parametrize("status", [0, 2])
def test_the_count_goes_with_the_end(batch, tmp_path, status):
  batch("true", status=1)
  assert (tmp_path / "slurm-12.crashes").exists()
  batch("true", status=status)
  assert not (tmp_path / "slurm-12.crashes").exists()


@pytest.mark.parametrize(("tasks", "more"), [("1", ""), ("8", " --train_only")])
def test_a_task_of_an_array_runs_its_line(batch, tasks, more):
  _, calls = batch("--sweep", "lines", SLURM_ARRAY_TASK_ID="7", SLURM_NTASKS=tasks)
  assert calls[0].endswith(f" launch/sweep.sh lines 7{more}")


def test_bad_input(batch):
  for arguments, environment, status, message in [
    ([], {}, 2, "usage: sbatch"),
    (["--sweep", "lines"], {}, 2, "--sweep LINES needs --array=1-N"),
    (["true"], {"SLURM_SUBMIT_DIR": ""}, 1, "this file is for sbatch"),
  ]:
    done, calls = batch(*arguments, **environment)
    assert done.returncode == status
    assert message in done.stderr
    assert not calls
