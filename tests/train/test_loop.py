import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.job.interrupt import Interrupted
from llve_jax.train import loop
from llve_jax.train.clock import Clock


def count(step: int) -> Any:
  return lambda state, batch: (state + 1, {})


def keep(step: int, state: Any, *, last: bool) -> Any:
  return state


def run(state: Any, step_at: Any, batches: Any, **given: Any) -> loop.Outcome:
  """With nothing between the steps, unless given."""
  defaults: dict[str, Any] = {"hooks": [], "log": lambda *seen: None, "clock": Clock()}
  return loop.run(state, step_at, batches, **(defaults | given))


def test_the_order_of_events() -> None:
  events: list[Any] = []

  def batches() -> Any:
    for number in itertools.count(3):
      events.append(f"batch {number}")
      yield number

  def step_at(step: int) -> Any:
    return lambda state, batch: ([*state, (step, batch)], {"loss": batch})

  def hook(name: str) -> Any:
    def record(step: int, state: Any, *, last: bool) -> Any:
      events.append((name, step, last))
      return state

    return record

  def log(step: int, state: Any, scalars: Any) -> None:
    events.append(("log", step, state[-1], scalars["loss"]))

  hooks = [hook("evaluate"), hook("save")]
  outcome = run([], step_at, batches(), start=3, stop=5, hooks=hooks, log=log)
  assert outcome == loop.Outcome([(3, 3), (4, 4)], 5)
  assert events == [
    ("evaluate", 3, False),
    ("save", 3, False),
    "batch 3",
    ("log", 4, (3, 3), 3),
    ("evaluate", 4, False),
    ("save", 4, False),
    "batch 4",
    ("log", 5, (4, 4), 4),
    ("evaluate", 5, True),
    ("save", 5, True),
  ]


def test_a_run_that_is_complete_takes_no_step_but_may_make_up_for_what_is_missing() -> None:
  seen: list[tuple[int, bool]] = []

  def evaluate(step: int, state: Any, *, last: bool) -> Any:
    seen.append((step, last))
    return state

  assert run("s", None, iter(()), start=5, stop=5, hooks=[evaluate]) == loop.Outcome("s", 5)
  assert run("s", None, iter(()), start=7, stop=5, hooks=[evaluate]) == loop.Outcome("s", 7)
  assert seen == [(5, True), (7, True)]


def test_a_hook_that_has_seen_enough_ends_the_run_after_the_hooks_that_follow() -> None:
  enough: list[int] = []
  seen: list[tuple[str, int, bool]] = []

  def watch(step: int, state: int, *, last: bool) -> int:
    seen.append(("watch", step, last))
    if step == 2:
      enough.append(step)
    return state + 100 if step == 2 else state

  def save(step: int, state: int, *, last: bool) -> int:
    seen.append(("save", step, last))
    return state

  outcome = run(
    0,
    count,
    itertools.count(),
    start=1,
    stop=5,
    hooks=[watch, save],
    finished=lambda: bool(enough),
  )
  assert outcome == loop.Outcome(101, 2)  # what a hook returns is gone on with
  assert seen == [("watch", 1, False), ("save", 1, False), ("watch", 2, False), ("save", 2, True)]


def test_a_run_that_ended_early_stays_ended() -> None:
  outcome = run("s", None, iter(()), start=3, stop=5, finished=lambda: True)
  assert outcome == loop.Outcome("s", 3)


def test_a_run_that_is_asked_to_stop_ends_after_the_hooks_of_a_step() -> None:
  seen: list[int] = []

  def hook(step: int, state: int, *, last: bool) -> int:
    assert not last
    seen.append(step)
    return state

  batches = itertools.count()
  outcome = run(
    0,
    count,
    batches,
    start=0,
    stop=9,
    hooks=[hook],
    stopping=lambda: seen[-1] == 3,
  )
  assert outcome == loop.Outcome(3, 3, stopped=True)
  assert seen == [0, 1, 2, 3]
  assert next(batches) == 3  # the place in the data is that of the step


def test_who_is_asked_to_stop_at_the_end_is_done() -> None:
  asked = iter([False, True])
  given: dict[str, Any] = {"stop": 2, "stopping": lambda: next(asked)}
  assert run(0, count, itertools.count(), start=0, **given) == loop.Outcome(1, 1, stopped=True)
  given["stopping"] = lambda: True
  assert run(2, count, itertools.count(), start=2, **given) == loop.Outcome(2, 2)


def test_a_stop_before_the_first_step_takes_none() -> None:
  batches = itertools.count()
  outcome = run(0, count, batches, start=0, stop=2, stopping=lambda: True)
  assert outcome == loop.Outcome(0, 0, stopped=True)
  assert next(batches) == 0


def test_a_stop_while_compiling_takes_no_batch() -> None:
  def step_at(step: int) -> Any:
    if step == 4:
      raise Interrupted("asked")
    return count(step)

  batches = itertools.count(2)
  outcome = run(2, step_at, batches, start=2, stop=9, hooks=[keep])
  assert outcome == loop.Outcome(4, 4, stopped=True)
  assert next(batches) == 4


@pytest.mark.parametrize("stop", [5, 9])
def test_a_stop_within_a_hook_ends_the_run_there_and_going_on_enters_there(stop: int) -> None:
  calls: list[tuple[str, int]] = []
  asked = [True, False]

  def evaluate(step: int, state: int, *, last: bool) -> int:
    if step == 5:
      calls.append(("evaluate", step))
      if asked.pop(0):
        raise Interrupted("asked")
    return state

  def save(step: int, state: int, *, last: bool) -> int:
    calls.append(("save", step))
    return state

  hooks, batches = [evaluate, save], itertools.count(4)
  outcome = run(4, count, batches, start=4, stop=stop, hooks=hooks)
  assert outcome == loop.Outcome(5, 5, stopped=True)
  assert calls == [("save", 4), ("evaluate", 5)]  # no save of a step that is not complete
  outcome = run(5, count, batches, start=5, stop=stop, hooks=hooks)
  assert outcome == loop.Outcome(stop, stop)
  assert calls[2:4] == [("evaluate", 5), ("save", 5)]
  assert next(batches) == stop


def test_waiting_for_data_is_measured() -> None:
  now = [0.0]

  def batches() -> Iterator[int]:
    while True:
      now[0] += 3.0
      yield 0

  clock = Clock(now=lambda: now[0])
  run(0, count, batches(), start=0, stop=4, hooks=[keep], clock=clock)
  assert clock.totals["data"] == 12.0


def test_no_value_crosses_to_the_devices_unseen() -> None:
  add = jax.jit(lambda state, batch: (state + batch, {}))
  given = {"start": 0, "stop": 1}
  placed = jax.device_put(np.float32(2))
  assert run(jnp.float32(1), lambda step: add, iter([placed]), **given).state == 3
  with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
    run(jnp.float32(1), lambda step: add, iter([np.float32(2)]), **given)


def test_each_step_stands_in_a_trace_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
  annotated: list[tuple[str, int, int]] = []
  taken: list[int] = []

  class Annotation:
    def __init__(self, name: str, *, step_num: int):
      self.entry = (name, step_num)

    def __enter__(self) -> None:
      self.before = len(taken)

    def __exit__(self, *error: object) -> None:
      annotated.append((*self.entry, len(taken) - self.before))

  monkeypatch.setattr(jax.profiler, "StepTraceAnnotation", Annotation)

  def step_at(step: int) -> Any:
    return lambda state, batch: (taken.append(step) or state, {})

  run(0, step_at, itertools.count(), start=6, stop=8)
  assert annotated == [("train", 6, 1), ("train", 7, 1)]
