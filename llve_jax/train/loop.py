"""The order of events of a run, and nothing else."""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import jax
from jaxtyping import Array

from llve_jax.job.interrupt import Interrupted
from llve_jax.train.clock import Clock
from llve_jax.train.state import State

# Steps that may have been dispatched and not be finished. More would not make it faster, and a run
# that is asked to stop has to wait for all of them.
_AHEAD = 2


class Hook(Protocol):
  """Something that happens after steps."""

  def __call__(self, step: int, state: State, scalars: dict[str, Array], *, last: bool) -> State:
    """Called after every step with the steps taken so far and the new state.

    `last` is true after the last step of the run. The state's arrays are reused by the next step:
    a hook that keeps them must copy. Returns the state to go on with, mostly the one it was given.
    """


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How far a run came.

  Attributes:
    state: after the last step that was taken.
    step: how many that are.
    stopped: whether it was asked to stop before its end.
    pending: whether hooks of that step have not been called to their end.
  """

  state: State
  step: int
  stopped: bool = False
  pending: bool = False


def run(
  state: State,
  step_at: Callable[[int], Callable[[State, Any], tuple[State, dict[str, Array]]]],
  batches: Iterator[Any],
  *,
  start: int,
  stop: int,
  hooks: Sequence[Hook],
  clock: Clock,
  cut_short: Sequence[Hook] = (),
  finished: Callable[[], bool] = lambda: False,
  stopping: Callable[[], bool] = lambda: False,
) -> Outcome:
  """Takes the steps `start` .. `stop - 1`, fewer if a hook has found that it is enough.

  For each: compile if need be, next batch, step, then the hooks in their order (log and check,
  evaluate, save). The batch iterator is never ahead of the step, so a checkpoint made by a hook
  resumes at the very next batch.

  Args:
    state: the run so far; its memory is given away.
    step_at: the compiled step function to use for a step number (phases); may compile it.
    batches: global batches on devices.
    start: steps already taken.
    stop: steps to have taken at the end.
    hooks: what happens after each step.
    clock: measures "data".
    cut_short: hooks of step `start` that were not called to their end when the run was stopped.
    finished: asked before each hook and each step: true makes this step the last one, also for the
      hooks that follow.
    stopping: asked after each step and its hooks: true ends the run there, though it is not over.
      `step_at` and the hooks may as well raise `Interrupted`.
  """
  running: collections.deque[Any] = collections.deque()
  try:
    for hook in cut_short:
      state = hook(start, state, {}, last=start == stop or finished())
  except Interrupted:
    return Outcome(state, start, stopped=True, pending=True)
  for step in range(start, stop):
    if finished():
      return Outcome(state, step)
    try:
      program = step_at(step)
    except Interrupted:
      return Outcome(state, step, stopped=True)
    with clock.measure("data"):
      batch = next(batches)
    with jax.transfer_guard("disallow"):  # nothing may cross to the devices unseen
      state, scalars = program(state, batch)
    running.append(scalars)
    if len(running) > _AHEAD:
      jax.block_until_ready(running.popleft())
    try:
      for hook in hooks:
        state = hook(step + 1, state, scalars, last=step + 1 == stop or finished())
    except Interrupted:
      return Outcome(state, step + 1, stopped=True, pending=True)
    if step + 1 < stop and not finished() and stopping():
      return Outcome(state, step + 1, stopped=True)
  return Outcome(state, max(start, stop))
