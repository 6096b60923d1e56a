"""What a run costs while it goes on: time by kind, share of the peak, memory, goodput."""

from collections.abc import Callable, Mapping
from typing import Any

from tensorboardX import SummaryWriter

from llve_jax.train.clock import STEPS, Clock
from llve_jax.train.goodput import Journal
from llve_jax.train.hardware import memory_in_use, mfu


class Meter:
  """Turns the laps of a clock into TensorBoard scalars, a journal and a summary."""

  def __init__(
    self,
    writer: SummaryWriter,
    clock: Clock,
    *,
    journal: Journal | None = None,
    flops: Callable[[int], float] | None = None,
    chips: int = 1,
    peak: float | None = None,
  ):
    """Takes what it measures against.

    Args:
      writer: receives `time/*`, `memory/*`, `mfu` and `goodput`.
      clock: of this process.
      journal: of the run, over restarts; only the process that writes has one.
      flops: number of a step, counted from 0 -> its floating point operations over all chips.
      chips: how many.
      peak: operations per second of one; None where nobody knows.
    """
    self._writer, self._clock, self._journal = writer, clock, journal
    self._flops, self._chips, self._peak = flops, chips, peak
    self._steps = 0
    self._done = 0.0  # floating point operations

  def lap(self, step: int, steps: int) -> float:
    """Notes the last `steps` steps, the very last of which was number `step` from 1.

    Call it when a result of that step has been fetched.

    Returns:
      Seconds per step, what was not spent on steps left out; waiting for data counts.
    """
    lap = self._clock.lap()
    if self._journal is not None:
      self._journal.progress(step, lap)
      self._writer.add_scalar("goodput", self._goodput()["goodput"], step)
    for kind, seconds in lap.items():
      if seconds:
        self._writer.add_scalar(f"time/{kind}", seconds, step)
    for name, used in memory_in_use().items():
      self._writer.add_scalar(f"memory/{name}", used, step)
    each = (lap[STEPS] + lap["data"]) / max(1, steps)
    self._writer.add_scalar("time/step_seconds", each, step)
    self._steps += steps
    if self._flops is not None and steps:
      self._done += steps * self._flops(step - 1)
      share = mfu(self._flops(step - 1), each, chips=self._chips, peak=self._peak) if each else None
      if share is not None:
        self._writer.add_scalar("mfu", share, step)
    return each

  def _goodput(self) -> dict[str, Any]:
    assert self._journal is not None
    found = self._journal.tally.summary()
    return {
      "goodput": found.goodput,
      "restarts": found.restarts,
      "lost_steps": found.lost_steps,
      "downtime_seconds": found.downtime_seconds,
    }

  def summary(self) -> Mapping[str, Any]:
    """Of this process: seconds of each kind, seconds per step, share of the peak, memory; of the
    run over restarts: goodput."""
    totals = self._clock.totals
    busy = totals[STEPS] + totals["data"]
    found: dict[str, Any] = {"seconds": {kind: round(s, 3) for kind, s in totals.items() if s}}
    if self._steps:
      found["step_seconds"] = busy / self._steps
    if self._done and busy:
      found["tflops_per_second"] = self._done / busy / 1e12
      if (share := mfu(self._done, busy, chips=self._chips, peak=self._peak)) is not None:
        found["mfu"] = share
    found["memory"] = memory_in_use()
    return found | (self._goodput() if self._journal is not None else {})
