"""Every second is counted once, under its kind; with a clock that is set by hand."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llve_jax.train.clock import KINDS, Clock


class Hand:
  """A clock that is moved on by hand."""

  def __init__(self) -> None:
    self.time = 100.0

  def __call__(self) -> float:
    return self.time


@pytest.fixture
def hand() -> Hand:
  return Hand()


def nonzero(seconds: dict[str, float]) -> dict[str, float]:
  assert seconds.keys() == set(KINDS)
  return {kind: value for kind, value in seconds.items() if value}


def test_what_is_not_measured_is_compute(hand: Hand) -> None:
  clock = Clock(hand)
  hand.time += 2
  with clock.measure("data"):
    hand.time += 0.5
  hand.time += 3
  assert nonzero(clock.lap()) == {"other": 5, "data": 0.5}


def test_inner_time_is_not_counted_twice(hand: Hand) -> None:
  clock = Clock(hand)
  with clock.measure("evaluation"):
    hand.time += 1
    with clock.measure("compile"):
      hand.time += 10
      with clock.measure("compile"):
        hand.time += 5
    hand.time += 2
  assert nonzero(clock.lap()) == {"evaluation": 3, "compile": 15}


def test_a_lap_starts_at_the_last_one_and_totals_go_on(hand: Hand) -> None:
  clock = Clock(hand)
  hand.time += 1
  assert nonzero(clock.lap()) == {"other": 1}
  with clock.measure("save"):
    hand.time += 4
    assert nonzero(clock.lap()) == {"save": 4}  # in the midst of it
    hand.time += 2
  hand.time += 8
  assert nonzero(clock.lap()) == {"save": 2, "other": 8}
  assert nonzero(clock.lap()) == {}
  assert nonzero(clock.totals) == {"other": 9, "save": 6}


def test_what_fails_is_counted_and_what_follows_is_compute_again(hand: Hand) -> None:
  clock = Clock(hand)

  def fail() -> None:
    with clock.measure("restore"):
      hand.time += 3
      raise RuntimeError

  with pytest.raises(RuntimeError):
    fail()
  hand.time += 1
  assert nonzero(clock.lap()) == {"restore": 3, "other": 1}


def test_a_clock_that_goes_backwards_takes_nothing_away(hand: Hand) -> None:
  clock = Clock(hand)
  hand.time += 5
  with clock.measure("data"):
    hand.time -= 60
  hand.time += 2
  assert nonzero(clock.lap()) == {"other": 7}


def test_unknown_kinds_are_refused(hand: Hand) -> None:
  with pytest.raises(ValueError, match="no kind of time is called 'coffee'; known: compute, data"):
    Clock(hand).measure("coffee").__enter__()


@given(st.lists(st.tuples(st.sampled_from([*KINDS, "out", "lap"]), st.integers(0, 9))))
def test_all_laps_and_kinds_together_are_the_time_that_passed(
  events: list[tuple[str, int]],
) -> None:
  hand = Hand()
  clock = Clock(hand)
  opened, laps = [], []
  for event, seconds in events:
    hand.time += seconds
    if event == "lap":
      laps.append(clock.lap())
    elif event != "out":
      opened.append(clock.measure(event))
      opened[-1].__enter__()
    elif opened:
      opened.pop().__exit__(None, None, None)
  laps.append(clock.lap())
  passed = sum(seconds for _, seconds in events)
  assert sum(itertools.chain(*(lap.values() for lap in laps))) == passed
  assert {kind: sum(lap[kind] for lap in laps) for kind in KINDS} == clock.totals


def test_the_real_clock_runs() -> None:
  clock = Clock()
  with clock.measure("compute"):
    sum(range(10_000))
  assert clock.totals["compute"] > 0
