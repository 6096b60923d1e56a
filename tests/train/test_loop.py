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

  hooks = [hook("log"), hook("save")]
  outcome = loop.run([], step_at, batches(), start=3, stop=5, hooks=hooks, clock=Clock())
  assert outcome == loop.Outcome([(3, 3), (4, 4)], 5)
  assert events == [
    "batch 3",
    ("log", 4, False),
    ("save", 4, False),
    "batch 4",
    ("log", 5, True),
    ("save", 5, True),
  ]


def test_a_run_that_is_complete_takes_no_step() -> None:
  outcome = loop.run("s", lambda step: None, iter(()), start=5, stop=5, hooks=[], clock=Clock())
  assert outcome == loop.Outcome("s", 5)


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

  outcome = loop.run(
    0,
    lambda step: lambda state, batch: (state + 1, {}),
    itertools.count(),
    start=0,
    stop=5,
    hooks=[watch, save],
    clock=Clock(),
    finished=lambda: bool(enough),
  )
  assert outcome == loop.Outcome(102, 2)  # what a hook returns is gone on with
  assert seen == [("watch", 1, False), ("save", 1, False), ("watch", 2, False), ("save", 2, True)]


def test_a_run_that_ended_early_stays_ended() -> None:
  outcome = loop.run(
    "s",
    lambda step: None,
    iter(()),
    start=3,
    stop=5,
    hooks=[],
    clock=Clock(),
    finished=lambda: True,
  )
  assert outcome == loop.Outcome("s", 3)


def count(step: int) -> Any:
  return lambda state, batch: (state + 1, {})


def keep(step: int, state: Any, scalars: Any, *, last: bool) -> Any:
  return state


def test_a_run_that_is_asked_to_stop_ends_after_the_hooks_of_a_step() -> None:
  seen: list[int] = []

  def hook(step: int, state: int, scalars: Any, *, last: bool) -> int:
    assert not last
    seen.append(step)
    return state

  batches = itertools.count()
  outcome = loop.run(
    0,
    count,
    batches,
    start=0,
    stop=9,
    hooks=[hook],
    clock=Clock(),
    stopping=lambda: len(seen) == 3,
  )
  assert outcome == loop.Outcome(3, 3, stopped=True)
  assert seen == [1, 2, 3]
  assert next(batches) == 3  # the place in the data is that of the step


def test_who_is_asked_to_stop_at_the_end_is_done() -> None:
  outcome = loop.run(
    0, count, itertools.count(), start=0, stop=2, hooks=[], clock=Clock(), stopping=lambda: True
  )
  assert outcome == loop.Outcome(1, 1, stopped=True)
  outcome = loop.run(
    1, count, itertools.count(), start=1, stop=2, hooks=[], clock=Clock(), stopping=lambda: True
  )
  assert outcome == loop.Outcome(2, 2)


def test_a_stop_while_compiling_takes_no_batch() -> None:
  def step_at(step: int) -> Any:
    if step == 4:
      raise Interrupted("asked")
    return count(step)

  batches = itertools.count(2)
  outcome = loop.run(2, step_at, batches, start=2, stop=9, hooks=[keep], clock=Clock())
  assert outcome == loop.Outcome(4, 4, stopped=True)
  assert next(batches) == 4


def test_hooks_that_were_cut_short_are_called_when_the_run_goes_on() -> None:
  calls: list[tuple[int, bool]] = []
  asked = [True, False]

  def evaluate(step: int, state: int, scalars: Any, *, last: bool) -> int:
    if step == 5:
      calls.append((step, last))
      if asked.pop(0):
        raise Interrupted("asked")
    return state

  outcome = loop.run(
    3, count, itertools.count(3), start=3, stop=5, hooks=[evaluate, keep], clock=Clock()
  )
  assert outcome == loop.Outcome(5, 5, stopped=True, pending=True)
  outcome = loop.run(
    5, count, iter(()), start=5, stop=5, hooks=[], cut_short=[evaluate], clock=Clock()
  )
  assert outcome == loop.Outcome(5, 5)
  assert calls == [(5, True), (5, True)]


def test_a_stop_during_hooks_that_were_cut_short_leaves_them_pending() -> None:
  def evaluate(step: int, state: int, scalars: Any, *, last: bool) -> int:
    raise Interrupted("asked")

  outcome = loop.run(
    5, count, iter(()), start=5, stop=9, hooks=[], cut_short=[evaluate], clock=Clock()
  )
  assert outcome == loop.Outcome(5, 5, stopped=True, pending=True)


def test_waiting_for_data_is_measured() -> None:
  now = [0.0]

  def batches() -> Iterator[int]:
    while True:
      now[0] += 3.0
      yield 0

  clock = Clock(now=lambda: now[0])
  loop.run(0, count, batches(), start=0, stop=4, hooks=[keep], clock=clock)
  assert clock.totals["data"] == 12.0


def test_no_value_crosses_to_the_devices_unseen() -> None:
  add = jax.jit(lambda state, batch: (state + batch, {}))
  run = {"start": 0, "stop": 1, "hooks": [], "clock": Clock()}
  placed = jax.device_put(np.float32(2))
  assert loop.run(jnp.float32(1), lambda step: add, iter([placed]), **run).state == 3
  with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
    loop.run(jnp.float32(1), lambda step: add, iter([np.float32(2)]), **run)
