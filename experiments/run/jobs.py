"""Runs of a sweep as child processes: train, then score, resume after an interruption.

A run folder is locked while a process works in it, children included, so a sweep that was killed
and whose training still goes on is not trained twice at once.
"""

import collections
import dataclasses
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from experiments.run import flags
from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.train.hooks import duration

_TAIL = 15  # lines of a log
_POLL = 0.2  # seconds
_PATIENCE = 20.0  # seconds that a child gets to stop


@dataclasses.dataclass(frozen=True)
class Job:
  """One configuration under one seed.

  Attributes:
    config: FILE[:VARIANT,...].
    seed: of weights, data order and noise.
    settings: further `--config.KEY=VALUE`.
    folder: its run folder.
    model: a method that needs no training and is scored on the configuration's data instead.
    flags: further ones of the evaluation.
    protocol: of the evaluation; empty: the configuration's.
  """

  config: str
  seed: int
  settings: tuple[str, ...]
  folder: Path
  model: str = ""
  flags: tuple[str, ...] = ()
  protocol: str = ""

  @property
  def train(self) -> list[str]:
    """The command that trains, after the interpreter."""
    own = [f"--config={self.config}", f"--config.seed={self.seed}", *self.settings]
    return ["-m", "experiments.train", *own, f"--workdir={self.folder}"]

  def evaluate(self, out: Path) -> list[str]:
    """The command that scores, after the interpreter."""
    own = [f"--model={self.model or self.folder}", "--temporal", *self.flags]
    if self.model:
      own += [f"--config={self.config}", *self.settings]
    if (protocol := self.protocol or flags.load(self.config).eval.protocol) != "plain":
      own.append(f"--protocol={protocol}")
    own += ["--classic=input,auto_gain", f"--out={out}"]
    return ["-m", "experiments.evaluate", *own]

  @property
  def done(self) -> bool:
    """Whether its scores are there."""
    return (self.folder / "evaluation" / "metrics.json").is_file()

  def __str__(self) -> str:
    return f"{self.model or Path(self.config).name} seed {self.seed}"


def launch_command(job: Job) -> str:
  """Both commands of a job as one line for a shell."""
  scoring = job.evaluate(job.folder / "evaluation")
  parts = (scoring,) if job.model else (job.train, scoring)
  return " && ".join(shlex.join(["python", *part]) for part in parts)


class Attempt:
  """A job being run: training, then scoring, as child processes one after the other."""

  def __init__(self, job: Job):
    """Starts the training.

    Raises:
      UserError: a variant or key that the configuration has not, or another process runs the job.
    """
    flags.check(["", f"--config={job.config}", *job.settings])
    self.job = job
    job.folder.mkdir(parents=True, exist_ok=True)
    # Children inherit the lock: one that outlives this process still keeps others away.
    self._lock = os.open(job.folder / "sweep.lock", os.O_CREAT | os.O_RDWR)
    try:
      fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      os.close(self._lock)
      raise UserError(
        f"{job.folder}: another process is running this; wait for it or stop it"
      ) from None
    self._evaluation = job.folder / "evaluation.part"
    shutil.rmtree(self._evaluation, ignore_errors=True)
    self._stage = "evaluate" if job.model else "train"
    self._log: IO[bytes]
    self._start(job.evaluate(self._evaluation) if job.model else job.train)

  def _start(self, command: Sequence[str]) -> None:
    self._begun = time.monotonic()
    self.log = self.job.folder / f"{self._stage}.log"
    self._log = open(self.log, "ab")  # noqa: SIM115 - closed in _ended
    self._process = subprocess.Popen(
      [sys.executable, *command],
      stdout=self._log,
      stderr=subprocess.STDOUT,
      stdin=subprocess.DEVNULL,
      env={**os.environ, "PYTHONUNBUFFERED": "1"},
      pass_fds=[self._lock],
      start_new_session=True,  # Ctrl-C reaches this process, which then stops its children
    )

  def poll(self) -> int | None:
    """None while it runs; then the exit status, 0 once the scores are there."""
    status = self._process.poll()
    if status is None:
      return None
    self._ended()
    if status == 0 and self._stage == "train":
      self._stage = "evaluate"
      self._start(self.job.evaluate(self._evaluation))
      return None
    if status == 0:
      final = self.job.folder / "evaluation"
      shutil.rmtree(final, ignore_errors=True)
      self._evaluation.rename(final)
    os.close(self._lock)
    return status

  def stop(self) -> None:
    """Ends the child, at first kindly; does nothing where it has ended and that was seen."""
    if self._log.closed:
      return
    if self._process.poll() is None:
      os.killpg(self._process.pid, signal.SIGTERM)
      try:
        self._process.wait(_PATIENCE)
      except subprocess.TimeoutExpired:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
    self._ended()
    os.close(self._lock)

  def _ended(self) -> None:
    self._log.close()
    if self._stage == "train":
      path = self.job.folder / "timing.json"
      old = json.loads(path.read_text()) if path.is_file() else {}
      seconds = old.get("train_seconds", 0.0) + time.monotonic() - self._begun
      with replacing(path) as temporary:
        content = {"train_seconds": seconds, "attempts": old.get("attempts", 0) + 1}
        temporary.write_text(json.dumps(content) + "\n")


def tail(path: Path, lines: int = _TAIL) -> str:
  """The last lines of a log, indented."""
  with open(path, errors="replace") as file:
    return "".join(f"    {line.rstrip()}\n" for line in collections.deque(file, lines))


def run_all(jobs: Iterable[Job], *, at_once: int = 1) -> dict[Job, str]:
  """Runs the jobs that are not done; prints what happens; returns what failed and why."""
  jobs = list(jobs)
  waiting = collections.deque(enumerate(jobs, 1))
  running: list[tuple[str, float, Attempt]] = []
  failed: dict[Job, str] = {}
  try:
    while waiting or running:
      while waiting and len(running) < at_once:
        number, job = waiting.popleft()
        head = f"[{number}/{len(jobs)}] {job}"
        if job.done:
          print(f"{head}: done before", flush=True)
          continue
        try:
          running.append((head, time.monotonic(), Attempt(job)))
        except UserError as error:
          failed[job] = str(error)
          print(f"{head}: FAILED: {error}", flush=True)
          continue
        print(f"{head}: running, log in {job.folder}", flush=True)
      for entry in list(running):
        head, begun, attempt = entry
        status = attempt.poll()
        if status is None:
          continue
        running.remove(entry)
        took = duration(time.monotonic() - begun)
        if status == 0:
          print(f"{head}: done in {took}: {scores(attempt.job)}", flush=True)
        else:
          failed[attempt.job] = f"exit status {status}, see {attempt.log}"
          print(f"{head}: FAILED after {took}, {failed[attempt.job]}", flush=True)
          print(tail(attempt.log), end="", flush=True)
      if running:
        time.sleep(_POLL)
  finally:
    for _, _, attempt in running:
      attempt.stop()
  return failed


def scores(job: Job) -> str:
  """PSNR and SSIM of a finished job."""
  metrics = json.loads((job.folder / "evaluation" / "metrics.json").read_text())
  return f"PSNR {float(metrics['psnr']):.2f}, SSIM {float(metrics['ssim']):.4f}"
