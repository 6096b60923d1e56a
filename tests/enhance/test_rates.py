"""Three clocks: reading, computing, writing."""

import itertools

import pytest

from llve_jax.enhance import rates as module
from llve_jax.enhance.rates import Rates


def test_each_stage_counts_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
  """A clock that goes on by the cost of whatever is done."""
  now = 0.0
  monkeypatch.setattr(module.time, "monotonic", lambda: now)

  def costing(items, seconds):
    nonlocal now
    for item in items:
      now += seconds
      yield item
    now += 0.0

  def write(item: int) -> None:
    nonlocal now
    now += 4.0

  rates = Rates()
  read = rates.read(costing(range(10), 1.0))
  method = costing(rates.waited(read), 2.0)
  put = rates.written(write)
  for frame in rates.computed(method):
    put(frame)
  assert rates == Rates(reading=10.0, computing=20.0, writing=40.0)
  assert rates.of(10) == {"reading": 1.0, "computing": 0.5, "writing": 0.25}
  assert rates.told(10) == (
    "frames/s by themselves: reading 1.0, computing 0.5, writing 0.2; writing is the slowest"
  )


def test_whoever_stops_closes_what_is_read() -> None:
  closed = []

  def source():
    try:
      yield from itertools.count()
    finally:
      closed.append(True)

  read = Rates().read(source())
  assert next(read) == 0
  read.close()
  assert closed == [True]
  assert Rates().of(0)["reading"] == 0.0
