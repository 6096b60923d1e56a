"""The order of events of a run, and nothing else."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from jaxtyping import Array

from llve_jax.train.state import State


class Hook(Protocol):
  """Something that happens after steps."""

  def __call__(self, step: int, state: State, scalars: dict[str, Array], *, last: bool) -> State:
    """Called after every step with the steps taken so far and the new state.

    `last` is true after the last step of the run. The state's arrays are reused by the next step:
    a hook that keeps them must copy. Returns the state to go on with, mostly the one it was given.
    """


def run(
  state: State,
  step_at: Callable[[int], Callable[[State, Any], tuple[State, dict[str, Array]]]],
  batches: Iterator[Any],
  *,
  start: int,
  stop: int,
  hooks: Sequence[Hook],
  finished: Callable[[], bool] = lambda: False,
) -> State:
  """Takes the steps `start` .. `stop - 1`, fewer if a hook has found that it is enough.

  For each: next batch, step, then the hooks in their order (log and check, evaluate, save). The
  batch iterator is never ahead of the step, so a checkpoint made by a hook resumes at the very
  next batch.

  Args:
    state: the run so far; its memory is given away.
    step_at: the compiled step function to use for a step number (phases).
    batches: global batches on devices.
    start: steps already taken.
    stop: steps to have taken at the end.
    hooks: what happens after each step.
    finished: asked before each hook and each step: true makes this step the last one, also for the
      hooks that follow.

  Returns:
    The state after the last step.
  """
  for step in range(start, stop):
    if finished():
      break
    state, scalars = step_at(step)(state, next(batches))
    for hook in hooks:
      state = hook(step + 1, state, scalars, last=step + 1 == stop or finished())
  return state


class Stopwatch:
  """Seconds per step since the last look, without the seconds that hooks took."""

  def __init__(self) -> None:
    self._since = time.perf_counter()
    self._paused = 0.0

  def pause(self, seconds: float) -> None:
    """Seconds that count for no step."""
    self._paused += seconds

  def lap(self) -> float:
    """Seconds since the last lap, less what was paused."""
    now = time.perf_counter()
    seconds = now - self._since - self._paused
    self._since, self._paused = now, 0.0
    return seconds
