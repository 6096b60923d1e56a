from pathlib import Path

import pytest
from tensorboardX import SummaryWriter

from llve_jax.train.clock import Clock
from llve_jax.train.goodput import Journal
from llve_jax.train.meter import Meter


class Writer(SummaryWriter):
  """Remembers what it should write."""

  def __init__(self) -> None:
    super().__init__(write_to_disk=False)
    self.scalars: dict[tuple[str, int], float] = {}

  def add_scalar(self, name: str, value: float, step: int) -> None:
    self.scalars[name, step] = value


class Time:
  """A clock that is set by hand."""

  def __init__(self) -> None:
    self.now = 100.0

  def __call__(self) -> float:
    return self.now


def test_a_lap_is_told_by_kind_and_as_a_share_of_the_peak() -> None:
  time, writer = Time(), Writer()
  clock = Clock(now=time)
  meter = Meter(writer, clock, flops=lambda step: 30.0 if step < 4 else 60.0, chips=2, peak=10.0)
  with clock.measure("compile"):
    time.now += 50.0
  with clock.measure("data"):
    time.now += 2.0
  with clock.measure("compute"):
    time.now += 6.0
  assert meter.lap(4, 4) == 2.0  # data and compute of four steps
  assert writer.scalars["time/step_seconds", 4] == 2.0
  assert writer.scalars["time/compile", 4] == 50.0
  assert writer.scalars["time/data", 4] == 2.0
  assert writer.scalars["time/compute", 4] == 6.0
  assert writer.scalars["mfu", 4] == pytest.approx(30 / (2.0 * 2 * 10))
  assert any(name.startswith("memory/") for name, _ in writer.scalars)

  with clock.measure("compute"):
    time.now += 10.0
  meter.lap(6, 2)  # another phase, with twice the work
  assert writer.scalars["mfu", 6] == pytest.approx(60 / (5.0 * 2 * 10))
  summary = meter.summary()
  assert summary["seconds"] == {"compute": 16.0, "data": 2.0, "compile": 50.0}
  assert summary["step_seconds"] == 3.0
  assert summary["mfu"] == pytest.approx((4 * 30 + 2 * 60) / (18.0 * 2 * 10))
  assert summary["memory"]


def test_without_a_known_peak_there_is_no_share() -> None:
  time, writer = Time(), Writer()
  clock = Clock(now=time)
  meter = Meter(writer, clock, flops=lambda step: 1e12)
  with clock.measure("compute"):
    time.now += 2.0
  meter.lap(1, 1)
  assert "mfu" not in meter.summary()
  assert meter.summary()["tflops_per_second"] == pytest.approx(0.5)


def test_goodput_counts_over_restarts(tmp_path: Path) -> None:
  path = tmp_path / "journal.jsonl"
  for start, wall in ((0, 1000.0), (4, 1020.0)):
    time, writer = Time(), Writer()
    day = Time()
    day.now = wall
    clock = Clock(now=time)
    meter = Meter(writer, clock, journal=Journal(path, step=start, wall=day))
    with clock.measure("compute"):
      time.now += 10.0
    day.now += 10.0
    meter.lap(start + 8, 8)
  # Ten seconds each and ten between; of the first eight steps four did not count.
  assert writer.scalars["goodput", 12] == pytest.approx(15 / 30)
  found = meter.summary()
  assert (found["restarts"], found["lost_steps"]) == (1, 4)
  assert found["downtime_seconds"] == pytest.approx(10.0)
