"""Kills a training run again and again, and looks whether it ends with the very same bits.

  python -m experiments.benchmarks.kill --workdir=/tmp/kill --data_dir=DATA     # about 15 minutes
  ... --signal=TERM                      # asked to stop: must save and exit with 75
  ... --when=saving                      # killed while a checkpoint is being written
  ... --config=FILE[:VARIANT,...] --config.train.steps=100                      # of another system

The run is a GAN with two phases, a real process of `python -m experiments.train`. It runs once
undisturbed. Then it is started with the same seed and killed at a random moment, uniform over the
time that the undisturbed run took (imports, compilation, steps, evaluation, saving), started again,
killed again, until it ends; and so on in new folders until it was killed as often as asked for.
Whatever ended is compared with the undisturbed run: every array of the last checkpoint, its place
in the data and its memory, the history of the evaluations and the best weights. DATA holds the
prepared data set of the configuration (dark_clips). Prints one line of JSON; exit code 1 if
anything differs.
"""

import collections
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
from absl import app, flags

ROOT = Path(__file__).parents[2]
CONFIG = "experiments/configs/turntable_gan.py:smoke"
# Small, with an end of a phase, evaluations and saves at different steps; no VGG, which is slow.
SMALL = (
  "--config.train.steps=60",
  "--config.train.save_every=4",
  "--config.eval.every=6",
  "--config.data.crop=16",
  "--config.phases.gan.loss.vgg16=0.0",
  "--config.phases.finetune.loss.vgg16=0.0",
  "--config.phases.finetune.loss.cobi_vgg16=0.0",
)
_STOPPED = 75  # the exit code of a run that was asked to stop
# Whoever stops a run waits no longer than about that.
_PATIENCE_SECONDS = 120.0


@dataclasses.dataclass
class Attempt:
  """One start of the run.

  Attributes:
    folder: its workdir.
    log: where what it prints goes.
    process: the run itself.
  """

  folder: Path
  log: Path
  process: subprocess.Popen[bytes]

  @property
  def saving(self) -> bool:
    """Whether a checkpoint is being written."""
    try:
      return any("tmp" in name for name in os.listdir(self.folder / "checkpoints"))
    except FileNotFoundError:
      return False

  @property
  def stage(self) -> str:
    """How far it is: "starting", "compiling", "training" (or evaluating) or "saving"."""
    told = self.log.read_text(errors="replace")
    if "\nstep " in told:
      return "saving" if self.saving else "training"
    return "compiling" if "compiling first" in told else "starting"

  def told(self) -> str:
    """The end of what it printed."""
    return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def start(arguments: Sequence[str], folder: Path, number: int) -> Attempt:
  """Starts or resumes the run in `folder`."""
  folder.mkdir(parents=True, exist_ok=True)
  log = folder.with_name(f"{folder.name}-{number}.log")
  # Programs compiled by the undisturbed run are not used: compilation is to be killed too.
  cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", f"{folder}-compiled")
  with log.open("wb") as stream:
    process = subprocess.Popen(
      [sys.executable, "-m", "experiments.train", f"--workdir={folder}", *arguments],
      cwd=ROOT,
      env={**os.environ, "JAX_COMPILATION_CACHE_DIR": cache},
      stdin=subprocess.DEVNULL,
      stdout=stream,
      stderr=subprocess.STDOUT,
    )
  return Attempt(folder, log, process)


def wait_for_saves(attempt: Attempt, count: int, timeout: float) -> bool:
  """Waits until a checkpoint is being written for the `count`-th time; false if none was."""
  deadline, before = time.monotonic() + timeout, False
  while attempt.process.poll() is None and time.monotonic() < deadline:
    now = attempt.saving
    count -= now and not before
    if not count:
      return True
    before = now
    time.sleep(0.001)
  return False


def kill(attempt: Attempt, number: signal.Signals) -> str:
  """Sends the signal and waits; returns the stage at that moment, nothing if it just had ended.

  Raises:
    RuntimeError: it does not end, or not as it should.
  """
  stage = attempt.stage
  attempt.process.send_signal(number)
  try:
    code = attempt.process.wait(_PATIENCE_SECONDS)
  except subprocess.TimeoutExpired:
    attempt.process.kill()
    raise RuntimeError(f"{attempt.log}: still runs {_PATIENCE_SECONDS} s after {number}") from None
  if code == 0:
    return ""
  asked = number == signal.SIGTERM
  # Imports know of no signals; the handlers are there before "compiling first" is printed.
  if (asked and code == _STOPPED) or (code == -number and (not asked or stage == "starting")):
    return stage
  raise RuntimeError(
    f"{attempt.log}: {number.name} while {stage} ended it with {code}:\n{attempt.told()}"
  )


def contents(folder: Path) -> dict[str, bytes]:
  """All that a run leaves and that must not depend on kills, by name, as bytes."""
  steps = [int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdigit()]
  newest = (folder / "checkpoints" / str(max(steps))).absolute()
  arrays = ocp.StandardCheckpointer().restore(newest / "state")
  found = {"step": str(max(steps)).encode()}
  for name, value in arrays.items():
    array = np.asarray(value)
    found[name] = f"{array.dtype}{array.shape}".encode() + array.tobytes()
  run = json.loads((newest / "run" / "run.json").read_text())
  for item in ("iterator", "memory"):
    for name, value in run[item].items():
      found[f"{item}.{name}"] = json.dumps(value, sort_keys=True).encode()
  for name in ("history.json", "best.safetensors", "config.json"):
    found[name] = (folder / name).read_bytes()
  return found


def differences(expected: Mapping[str, bytes], found: Mapping[str, bytes]) -> list[str]:
  """The names of what is not the same in two runs' `contents`."""
  return sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))


def finish(attempt: Attempt, timeout: float) -> None:
  """Waits for the end of a run that nobody disturbs; RuntimeError if it is not a good one."""
  try:
    code = attempt.process.wait(timeout)
  except subprocess.TimeoutExpired:
    attempt.process.kill()
    raise RuntimeError(f"{attempt.log}: still runs after {timeout:.0f} s") from None
  if code:
    raise RuntimeError(f"{attempt.log}: ended with {code}:\n{attempt.told()}")


def kill_test(
  arguments: Sequence[str],
  workdir: Path,
  *,
  kills: int,
  number: signal.Signals = signal.SIGKILL,
  when: str = "any",
  seed: int = 0,
) -> dict[str, Any]:
  """Runs the training undisturbed, and then with kills, and compares.

  Args:
    arguments: of `experiments.train`, without --workdir.
    workdir: where the runs go: `whole`, `killed-0`, ... and a log of every attempt.
    kills: how often.
    number: the signal.
    when: "any" moment, or while "saving".
    seed: of the moments.

  Returns:
    kills, attempts, runs (that were killed and then ended), signal, when, stages (kills by
    `Attempt.stage`), seconds (of the undisturbed run), equal, different (names, with the run).

  Raises:
    RuntimeError: a run ended as it should not.
  """
  chance = random.Random(seed)
  begun = time.monotonic()
  whole = start(arguments, workdir / "whole", 0)
  finish(whole, 3600.0)
  seconds = span = time.monotonic() - begun
  expected = contents(whole.folder)
  killed = attempts = runs = 0
  different: list[str] = []
  stages: list[str] = []
  while killed < kills:
    folder, ended = workdir / f"killed-{runs}", False
    while not ended:
      fresh, begun = not folder.exists(), time.monotonic()
      attempt = start(arguments, folder, attempts)
      attempts += 1
      try:
        if killed == kills:
          finish(attempt, 10 * seconds + 300)
          ended = True
        elif when == "saving":
          here = wait_for_saves(attempt, chance.randint(1, 4), 10 * seconds + 300)
          time.sleep(chance.uniform(0, 0.05) if here else 0)
        else:
          deadline = begun + chance.uniform(0, span)
          while attempt.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if not ended and attempt.process.poll() is None:
          stage = kill(attempt, number)
          ended = not stage
          killed += not ended
          stages += [stage] * (not ended)
        elif not ended:
          finish(attempt, 0.0)
          ended = True
          if fresh:  # what is compiled already makes a run shorter
            span = min(span, time.monotonic() - begun)
      finally:
        attempt.process.kill()
        attempt.process.wait()
    found = contents(folder)
    different += [f"{folder.name}: {name}" for name in differences(expected, found)]
    runs += 1
  return {
    "kills": killed,
    "attempts": attempts,
    "runs": runs,
    "signal": number.name,
    "when": when,
    "stages": dict(collections.Counter(stages)),
    "seconds": round(seconds, 1),
    "equal": not different,
    "different": different,
  }


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_integer("kills", 20, "How often to kill the run.", lower_bound=1)
  flags.DEFINE_enum("signal", "KILL", ["KILL", "TERM"], "What kills it.")
  flags.DEFINE_enum("when", "any", ["any", "saving"], "At what moments.")
  flags.DEFINE_integer("seed", 0, "Of the moments.")
  flags.DEFINE_string("workdir", None, "A new folder for all the runs.", required=True)
  flags.DEFINE_string("data_dir", "", "Where `tfds build` put the data set.")


def main(argv: Sequence[str]) -> None:
  """Passes on what is no flag of this command, prints the result."""
  values = flags.FLAGS
  arguments = [f"--config={CONFIG}", *SMALL]
  if any(argument.split("=")[0] == "--config" for argument in argv[1:]):
    arguments = []
  if values.data_dir:
    arguments.append(f"--config.data.dir={values.data_dir}")
  workdir = Path(values.workdir)
  if workdir.exists() and any(workdir.iterdir()):
    sys.exit(f"error: {workdir} is not empty; name a new folder")
  result = kill_test(
    [*arguments, *argv[1:]],
    workdir,
    kills=values.kills,
    number=signal.Signals[f"SIG{values.signal}"],
    when=values.when,
    seed=values.seed,
  )
  print(json.dumps(result))
  sys.exit(0 if result["equal"] else 1)


if __name__ == "__main__":
  define_flags()
  app.run(main, flags_parser=lambda argv: flags.FLAGS(argv, known_only=True))
