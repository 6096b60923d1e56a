"""What `plan` compiles ahead of time is what training runs, and a resumed run sees every batch."""

import functools
import hashlib
import operator
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from experiments import train
from experiments.run import batches, flags, on_slices
from experiments.run.compiled_steps import Programs
from llve_jax.data import sharding
from llve_jax.train import loop

pytestmark = pytest.mark.usefixtures("standard_promotion")
CONFIGS = Path(train.__file__).parent / "configs"


def tiny(name: str, data_dir: Path, steps: int = 2, **changes: Any) -> ConfigDict:
  config = flags.load(f"{CONFIGS / name}")
  config.data.update(dir=str(data_dir), config="tiny", batch=8, crop=16)
  config.train.update(steps=steps, save_every=0)
  config.eval.update(every=0, max_frames=1)
  for key, value in changes.items():
    *path, last = key.split("__")
    at = functools.reduce(operator.getitem, path, config)
    at[last] = ConfigDict(value) if isinstance(value, dict) else value
  return config


def digest(program: str) -> str:
  """Of optimised HLO, without where in the sources each operation comes from."""
  bare = re.sub(r", metadata=\{[^}]*\}", "", program.partition("\n")[2])
  tables = re.search(r"^(FileNames|FunctionNames|FileLocations|StackFrames)\b", bare, re.MULTILINE)
  computations = re.search(r"^(%|ENTRY)", bare, re.MULTILINE)
  if tables and computations:
    bare = bare[computations.start() :]
  return hashlib.sha256(bare.encode()).hexdigest()


class Here:
  """The devices of this process, as if they were a slice."""

  size = 8

  def devices(self) -> list[jax.Device]:
    return jax.devices()

  def __str__(self) -> str:
    return "eight CPU devices"


def planned(config: ConfigDict, monkeypatch: pytest.MonkeyPatch) -> list[str]:
  found: list[str] = []

  class Fits:
    fits = True

  def compile_for(topology: Any, program: Any) -> Any:
    found.append(digest(program.lower().compile().as_text()))
    return Fits()

  monkeypatch.setattr(on_slices.compile, "compile_for", compile_for)
  on_slices.Training(config).compile(Here(), config.data.batch)  # type: ignore[arg-type]
  return found


def trained(config: ConfigDict, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
  found: list[str] = []
  build = Programs._build

  def recording(self: Programs, phase: int) -> Any:
    program, operations = build(self, phase)
    found.append(digest(program.as_text()))
    return program, operations

  monkeypatch.setattr(Programs, "_build", recording)
  train.train(config, folder)
  return found


TWO_PHASES: dict[str, Any] = {
  "phases__gan": {"until": 0.5, "loss": {"l1": 1.0}},
  "phases__finetune__loss": {"l1": 1.0, "ssim": 0.1},
  "model__kwargs__widths": (4,),
  "model__kwargs__resnext": False,
  "critics__critic__kwargs__widths": (4,),
}
ROWS: dict[str, Any] = {"mesh__rows": 2, "optimizer__rate": 1e-3}


@pytest.mark.slow
@pytest.mark.parametrize(
  ("name", "changes"), [("turntable_gan.py:smoke", TWO_PHASES), ("zero_dce.py:smoke", ROWS)]
)
def test_a_plan_is_of_the_very_program_that_runs(
  name: str,
  changes: dict[str, Any],
  data_dir: Path,
  tmp_path: Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  ran = trained(tiny(name, data_dir, **changes), tmp_path, monkeypatch)
  assert len(ran) == len(set(ran)) == len(tiny(name, data_dir).phases)
  assert planned(tiny(name, data_dir, **changes), monkeypatch) == ran


@pytest.mark.slow
def test_another_rate_is_another_program(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
  """A constant of the program: so the test above tells programs apart."""
  rates = (1e-3, 2e-3)
  one, other = (
    planned(tiny("zero_dce.py:smoke", data_dir, optimizer__rate=rate), monkeypatch)
    for rate in rates
  )
  assert len(one) == len(other) == 1
  assert one != other


@pytest.mark.slow
def test_before_and_after_a_resume_come_the_same_batches(
  data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """Names and pixels; each batch is one round of the data."""
  seen: list[str] = []
  place = sharding.global_batch

  def recording(batch: dict[str, np.ndarray], *given: Any, **named: Any) -> Any:
    content = hashlib.sha256("|".join(batch["id"]).encode())
    for part in ("low", "high"):
      content.update(batch[part].tobytes())
    seen.append(content.hexdigest())
    return place(batch, *given, **named)

  def config() -> ConfigDict:
    return tiny("zero_dce.py:smoke", data_dir, steps=6)

  monkeypatch.setattr(batches.sharding, "global_batch", recording)
  train.train(config(), tmp_path / "whole")
  whole = list(seen)
  assert len(whole) == len(set(whole)) == 6
  seen.clear()
  steps = loop.run
  for stop in (1, 4, 6):

    def until(*given: Any, stop: int, _end: int = stop, **named: Any) -> loop.Outcome:
      assert stop == 6
      return steps(*given, stop=_end, **named)

    monkeypatch.setattr(loop, "run", until)
    train.train(config(), tmp_path / "parts")
  assert seen == whole
