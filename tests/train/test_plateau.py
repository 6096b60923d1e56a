from typing import Any

import jax.numpy as jnp
import pytest

from llve_jax.train.plateau import Plateau
from llve_jax.train.state import State, Trainable


def state() -> State:
  network = Trainable({}, {}, ())
  return State(
    step=jnp.int32(0),
    key=jnp.zeros(2),
    generator=network,
    critics={},
    average={},
    memory={},
    rate=jnp.float32(1),
    frozen=(),
  )


def rates(hook: Plateau, memory: dict[str, Any], scores: list[float]) -> list[float]:
  """The rate after an evaluation with each score, one every second step."""
  current, found = state(), []
  for step, psnr in enumerate(scores, start=1):
    memory["last"] = {"step": 2 * step, "psnr": psnr}
    if psnr > memory.get("best", {"psnr": -1})["psnr"]:
      memory["best"] = memory["last"]
    current = hook(2 * step, current, last=False)
    assert hook(2 * step + 1, current, last=False) is current  # no evaluation, no count
    found.append(float(current.rate))
  return found


def test_the_rate_halves_after_two_evaluations_without_a_better_one() -> None:
  memory: dict[str, Any] = {}
  hook = Plateau(memory, halve_after=2)
  assert rates(hook, memory, [1, 2, 2, 2, 2, 1, 3, 1]) == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]
  assert not hook.finished


def test_a_run_stops_after_three_evaluations_without_a_better_one(
  capsys: pytest.CaptureFixture,
) -> None:
  memory: dict[str, Any] = {}
  hook = Plateau(memory, stop_after=3)
  assert rates(hook, memory, [1, 2, 1, 2]) == [1, 1, 1, 1]
  assert not hook.finished
  memory["last"] = {"step": 99, "psnr": 0.0}
  hook(99, state(), last=False)
  assert hook.finished
  assert "stopping" in capsys.readouterr().out
  assert Plateau(memory, stop_after=3).finished  # also after a restart


def test_nothing_happens_unless_asked() -> None:
  memory: dict[str, Any] = {}
  assert rates(Plateau(memory), memory, [3, 2, 1, 0, 0, 0]) == [1.0] * 6


def test_an_evaluation_is_counted_once_however_often_the_run_is_started_again() -> None:
  memory: dict[str, Any] = {"best": {"step": 2}, "last": {"step": 4, "psnr": 0.0}}
  for _ in range(5):
    Plateau(memory, stop_after=3)(4, state(), last=True)
  assert memory["plateau"]["since_best"] == 1


def test_the_rate_is_the_one_remembered_also_where_the_state_was_saved_before_it_was_halved() -> (
  None
):
  """A stop in the evaluation saves the state; what comes of it later is added to the memory."""
  memory: dict[str, Any] = {}
  assert rates(Plateau(memory, halve_after=1), memory, [2, 1]) == [1, 0.5]
  old = Plateau(memory, halve_after=1)
  assert float(old(4, state(), last=False).rate) == 0.5
  current = old(5, state(), last=False)
  assert float(current.rate) == 1  # it looks once
