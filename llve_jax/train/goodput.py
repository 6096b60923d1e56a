"""Goodput: the fraction of a run's wall time that went into steps that counted, over restarts.

A run is a row of attempts, each a process that ends, is stopped or is killed. All of them append to
one file of JSON lines, each line written at once:

  {"event": "start", "attempt": 0, "wall": 1.7e9, "step": 0}
  {"event": "progress", "attempt": 0, "wall": 1.7e9, "step": 20, "seconds": {"compute": 9.5, ...}}
  {"event": "end", "attempt": 0, "wall": 1.7e9, "step": 20, "why": "done", "seconds": {...}}

"wall" is the time of day, "seconds" those since the record before, by kind, from a clock that only
goes forward (`train.clock`). What a kill has cut off is skipped when the file is read.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from llve_jax.errors import UserError
from llve_jax.train.clock import STEPS

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
  """All whole records in a file, in order; none where there is no file.

  Lines that are no such record, as after a kill, are skipped.

  Raises:
    UserError: the file cannot be read.
  """
  try:
    lines = path.read_bytes().split(b"\n")
  except FileNotFoundError:
    return []
  except OSError as error:
    raise UserError(f"{path}: expected a file that can be read, but {error.strerror}") from error
  return [record for line in lines if (record := _parsed(line)) is not None]


def _parsed(line: bytes) -> Record | None:
  try:
    record = json.loads(line)
  except ValueError:  # UnicodeDecodeError, too
    return None
  if not isinstance(record, dict):
    return None
  expected = {"event": str, "attempt": int, "wall": int | float, "step": int, "seconds": dict}
  found = {"seconds": {}, **record}
  whole = all(isinstance(found.get(key), kind) for key, kind in expected.items())
  return record if whole else None


@dataclasses.dataclass(frozen=True)
class Goodput:
  """Where the wall time of a run went. `wall_seconds` = sum of `seconds` + `downtime_seconds`.

  Attributes:
    goodput: `compute_seconds` / `wall_seconds`; 0 before any time has passed.
    wall_seconds: from the first start to now: the seconds that attempts have recorded, and between
      them the difference of the times of day.
    compute_seconds: "compute" of steps that counted. A step counts if no later attempt began at or
      before it; so each step counts once, for the attempt that took it last.
    lost_seconds: "compute" of recorded steps that did not count.
    lost_steps: how many those are.
    downtime_seconds: what no record accounts for: from the last record of an attempt, or its end,
      to the start of the next one; so also what a killed attempt did after its last record, the
      queue, and the start of the program. And from the last record to now.
    restarts: attempts after the first.
    clock_back_seconds: by how much the time of day went backwards from one attempt to the next,
      altogether, as when hosts disagree; such gaps count as 0 and make the goodput look better.
    seconds: of each kind over all attempts, steps that did not count included.
  """

  goodput: float
  wall_seconds: float
  compute_seconds: float
  lost_seconds: float
  lost_steps: int
  downtime_seconds: float
  restarts: int
  clock_back_seconds: float
  seconds: dict[str, float]


@dataclasses.dataclass(frozen=True)
class _Stretch:
  """Steps `first` + 1 .. `last` that one record tells of, and how long they took together."""

  first: int
  last: int
  seconds: float

  def until(self, step: int) -> "_Stretch":
    """The part up to a step; steps of a record are taken to be equally long."""
    last = min(max(step, self.first), self.last)
    share = (last - self.first) / (self.last - self.first)
    return _Stretch(self.first, last, share * self.seconds)


class Tally:
  """Adds up records one by one, in the order in which they were written."""

  def __init__(self) -> None:
    self._stretches: list[_Stretch] = []
    self._seconds: dict[str, float] = {}
    self._lost_seconds, self._lost_steps = 0.0, 0
    self._downtime, self._back = 0.0, 0.0
    self._attempts, self._step = 0, 0
    self._current: int | None = None
    self._wall: float | None = None  # of the last record

  def add(self, record: Record) -> None:
    """Adds the next record."""
    if record["event"] == "start":
      self._start(record)
    elif record["attempt"] != self._current:
      return  # its start is damaged
    seconds = record.get("seconds", {})
    for kind, value in seconds.items():
      self._seconds[kind] = self._seconds.get(kind, 0.0) + value
    if record["step"] > self._step:
      self._stretches.append(_Stretch(self._step, record["step"], seconds.get(STEPS, 0.0)))
      self._step = record["step"]
    self._wall = record["wall"]

  def _start(self, record: Record) -> None:
    if self._wall is not None:
      self._downtime += max(0.0, record["wall"] - self._wall)
      self._back += max(0.0, self._wall - record["wall"])
    self._attempts, self._current = self._attempts + 1, record["attempt"]
    self._step = record["step"]
    kept = [stretch.until(self._step) for stretch in self._stretches]
    for whole, part in zip(self._stretches, kept, strict=True):
      self._lost_seconds += whole.seconds - part.seconds
      self._lost_steps += whole.last - part.last
    self._stretches = [stretch for stretch in kept if stretch.last > stretch.first]

  def summary(self, now: float | None = None) -> Goodput:
    """All so far; `now` is the time of day, None that of the last record."""
    downtime = self._downtime
    if now is not None and self._wall is not None:
      downtime += max(0.0, now - self._wall)
    counted = sum(stretch.seconds for stretch in self._stretches)
    total = sum(self._seconds.values()) + downtime
    return Goodput(
      goodput=counted / total if total else 0.0,
      wall_seconds=total,
      compute_seconds=counted,
      lost_seconds=self._lost_seconds,
      lost_steps=self._lost_steps,
      downtime_seconds=downtime,
      restarts=max(0, self._attempts - 1),
      clock_back_seconds=self._back,
      seconds=dict(self._seconds),
    )


def summarize(records: Iterable[Record], now: float | None = None) -> Goodput:
  """Adds up the records of a run, see `Tally`."""
  tally = Tally()
  for record in records:
    tally.add(record)
  return tally.summary(now)


class Journal:
  """Appends the records of one attempt; one process at a time may do so.

  Attributes:
    path: the file.
    attempt: the number of this one, from 0.
    tally: all attempts so far added up.
  """

  def __init__(
    self,
    path: Path,
    *,
    step: int,
    elapsed: float = 0.0,
    wall: Callable[[], float] = time.time,
  ) -> None:
    """Begins an attempt.

    Args:
      path: the file; made if need be.
      step: steps taken already, those of the checkpoint that the attempt goes on from.
      elapsed: seconds since it began, those that the first record will tell of.
      wall: time of day, in seconds.

    Raises:
      UserError: the file cannot be read or written.
    """
    self.path, self._wall = path, wall
    self.attempt, self.tally = 0, Tally()
    for record in read(path):
      self.attempt = max(self.attempt, record["attempt"] + 1)
      self.tally.add(record)
    self._append("start", step, ago=elapsed)

  def progress(self, step: int, seconds: Mapping[str, float]) -> None:
    """Notes the steps taken so far and the seconds since the last record, see `Clock.lap`.

    To be called before each save: of steps that no record tells of, nobody knows how long they
    took, and they count as none.

    Raises:
      UserError: the file cannot be written.
    """
    self._append("progress", step, seconds={kind: s for kind, s in seconds.items() if s})

  def end(self, step: int, why: str, seconds: Mapping[str, float]) -> None:
    """Notes that the attempt ends and why, such as "done" or "stopped"; else as `progress`.

    Raises:
      UserError: the file cannot be written.
    """
    self._append("end", step, why=why, seconds={kind: s for kind, s in seconds.items() if s})

  def _append(self, event: str, step: int, *, ago: float = 0.0, **more: Any) -> None:
    wall = self._wall() - ago
    record = {"event": event, "attempt": self.attempt, "wall": wall, "step": step, **more}
    try:
      # Opened each time, since folders that are a bucket write a file when it is closed. The line
      # break comes first, too: it ends a line that a kill has cut off.
      with open(self.path, "ab+") as file:
        file.seek(max(0, file.seek(0, 2) - 1))
        torn = file.read(1) not in (b"", b"\n")
        file.write((b"\n" if torn else b"") + json.dumps(record).encode() + b"\n")
    except OSError as error:
      raise UserError(
        f"{self.path}: expected to append a line, but {error.strerror}; make room or make the "
        "folder writable, then start the same command again: it goes on from the last checkpoint"
      ) from error
    self.tally.add(record)
