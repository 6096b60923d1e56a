"""The parts of the benchmark that kills runs; tests/test_fault_tolerance.py runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.benchmarks import kill
from llve_jax.io.checkpoint import Checkpoints

TOLD = {
  "starting": "",
  "compiling": "1 steps; compiling first, once\n",
  "training": "compiling first, once\nstep 2: 1.0\n",
}


@pytest.fixture
def attempt(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
  """A process that is at a stage and ends by the code, or by the signal."""
  stage, code = request.param
  log = tmp_path / "log"
  script = "import signal, sys, time\n"
  if code:
    script += f"signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))\n"
  script += "print('ready', flush=True); time.sleep(30)"
  process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
  assert process.stdout is not None
  process.stdout.readline()
  log.write_text(TOLD[stage])
  yield kill.Attempt(tmp_path, log, process)
  process.kill()
  process.communicate()


@pytest.mark.parametrize(
  "attempt", [("starting", 0), ("starting", 75), ("compiling", 75), ("training", 75)], indirect=True
)
def test_a_stop_on_request(attempt: kill.Attempt) -> None:
  stage = attempt.stage
  assert kill.kill(attempt, signal.SIGTERM) == stage


@pytest.mark.parametrize(
  ("attempt", "code"),
  [(("compiling", 0), -15), (("training", 0), -15), (("training", 1), 1)],
  indirect=["attempt"],
)
def test_a_request_that_is_not_heard_is_a_fault(attempt: kill.Attempt, code: int) -> None:
  stage = attempt.stage
  with pytest.raises(RuntimeError, match=f"SIGTERM while {stage} ended it with {code}"):
    kill.kill(attempt, signal.SIGTERM)


@pytest.mark.parametrize("attempt", [("compiling", 75), ("training", 75)], indirect=True)
def test_sigkill_is_always_heard(attempt: kill.Attempt) -> None:
  stage = attempt.stage
  assert kill.kill(attempt, signal.SIGKILL) == stage


class Place:
  """A place in the data."""

  def __init__(self, index: int):
    self.index = index

  def get_state(self) -> dict[str, int]:
    return {"next_index": self.index}


def left(folder: Path, place: int = 3, memory: dict[str, Any] | None = None) -> dict[str, bytes]:
  """The contents of a run that ended so."""
  checkpoints = Checkpoints(folder / "checkpoints")
  memory = {"best": {"psnr": 1.0}} if memory is None else memory
  checkpoints.save(3, {"a": np.ones(2, np.float32)}, Place(place), memory)
  checkpoints.close()
  for name in ("history.json", "best.safetensors", "config.json"):
    (folder / name).write_text(json.dumps(name))
  return kill.contents(folder)


def test_what_is_compared(tmp_path: Path) -> None:
  whole = left(tmp_path / "whole")
  assert kill.differences(whole, left(tmp_path / "same")) == []
  assert kill.differences(whole, left(tmp_path / "place", place=4)) == ["iterator.next_index"]
  other = left(tmp_path / "memory", memory={"best": {"psnr": 2.0}, "plateau": {}})
  assert kill.differences(whole, other) == ["memory.best", "memory.plateau"]
  assert kill.differences(whole, {**whole, "a": b""}) == ["a"]


def test_a_save_is_counted_when_it_begins() -> None:
  class Saving:
    process = SimpleNamespace(poll=lambda: None)
    looks = iter([False, True, True, True, False, True, True])

    @property
    def saving(self) -> bool:
      return next(self.looks)

  attempt: Any = Saving()
  assert kill.wait_for_saves(attempt, 2, 60.0)
  assert list(attempt.looks) == [True]  # it did not look further
  ended: Any = SimpleNamespace(process=SimpleNamespace(poll=lambda: 0), saving=True)
  assert not kill.wait_for_saves(ended, 1, 60.0)
