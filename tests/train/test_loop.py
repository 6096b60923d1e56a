import itertools
import time
from typing import Any

import pytest

from llve_jax.train import loop


def test_the_order_of_events() -> None:
  events: list[Any] = []

  def batches() -> Any:
    for number in itertools.count(3):
      events.append(f"batch {number}")
      yield number

  def step_at(step: int) -> Any:
    return lambda state, batch: ([*state, (step, batch)], {"loss": 0.0})

  def hook(name: str) -> Any:
    def record(step: int, state: Any, scalars: Any, *, last: bool) -> Any:
      events.append((name, step, last))
      return state

    return record

  state = loop.run([], step_at, batches(), start=3, stop=5, hooks=[hook("log"), hook("save")])
  assert state == [(3, 3), (4, 4)]
  assert events == [
    "batch 3",
    ("log", 4, False),
    ("save", 4, False),
    "batch 4",
    ("log", 5, True),
    ("save", 5, True),
  ]


def test_a_run_that_is_complete_takes_no_step() -> None:
  assert loop.run("done", lambda step: None, iter(()), start=5, stop=5, hooks=[]) == "done"


def test_a_hook_that_has_seen_enough_ends_the_run_after_the_hooks_that_follow() -> None:
  enough: list[int] = []
  seen: list[tuple[str, int, bool]] = []

  def watch(step: int, state: int, scalars: Any, *, last: bool) -> int:
    seen.append(("watch", step, last))
    if step == 2:
      enough.append(step)
    return state + 100 if step == 2 else state

  def save(step: int, state: int, scalars: Any, *, last: bool) -> int:
    seen.append(("save", step, last))
    return state

  state = loop.run(
    0,
    lambda step: lambda state, batch: (state + 1, {}),
    itertools.count(),
    start=0,
    stop=5,
    hooks=[watch, save],
    finished=lambda: bool(enough),
  )
  assert state == 102  # what a hook returns is gone on with
  assert seen == [("watch", 1, False), ("save", 1, False), ("watch", 2, False), ("save", 2, True)]


def test_a_run_that_ended_early_stays_ended() -> None:
  done = loop.run(
    "s", lambda step: None, iter(()), start=3, stop=5, hooks=[], finished=lambda: True
  )
  assert done == "s"


def test_the_stopwatch_leaves_out_what_was_paused(monkeypatch: pytest.MonkeyPatch) -> None:
  now = iter([0.0, 10.0, 12.0])
  monkeypatch.setattr(time, "perf_counter", lambda: next(now))
  watch = loop.Stopwatch()
  watch.pause(4.0)
  assert watch.lap() == 6.0
  assert watch.lap() == 2.0
