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
  """Something that happens between steps."""

  def __call__(self, step: int, state: State, *, last: bool) -> State:
    """Called between steps with the steps taken so far and the state after them.

    Also where a run goes on: it is for the hook to know what it has done for this step already.
    `last` is true where no step follows. The state's arrays are reused by the next step: a hook
    that keeps them must copy. Returns the state to go on with, mostly the one it was given.
    """


class Log(Protocol):
  """What sees the numbers of every step."""

  def __call__(self, step: int, state: State, scalars: dict[str, Array]) -> None:
    """Called right after step number `step`, counted from 1, with the new state."""


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How far a run came.

  Attributes:
    state: after the last step that was taken.
    step: how many that are.
    stopped: whether it was asked to stop before its end.
  """

  state: State
  step: int
  stopped: bool = False


def run(
  state: State,
  step_at: Callable[[int], Callable[[State, Any], tuple[State, dict[str, Array]]]],
  batches: Iterator[Any],
  *,
  start: int,
  stop: int,
  hooks: Sequence[Hook],
  log: Log,
  clock: Clock,
  finished: Callable[[], bool] = lambda: False,
  stopping: Callable[[], bool] = lambda: False,
) -> Outcome:
  """Takes the steps `start` .. `stop - 1`, fewer if a hook has found that it is enough.

  In turn: the hooks in their order (evaluate, look for a plateau, save), next batch, step, log. A
  run that goes on enters at the hooks, which skip what they have done for this step. The batch
  iterator is never ahead of the step, so a checkpoint made by a hook resumes at the very next
  batch.

  Args:
    state: the run so far; its memory is given away.
    step_at: the compiled step function to use for a step number (phases); may compile it.
    batches: global batches on devices.
    start: steps already taken.
    stop: steps to have taken at the end.
    hooks: what happens between steps.
    log: sees the numbers of each step.
    clock: measures "data".
    finished: asked around each hook: true ends the run after the hooks that follow.
    stopping: asked before each step: true ends the run there, though it is not over. `step_at` and
      the hooks may as well raise `Interrupted`.
  """
  step = start
  running: collections.deque[Any] = collections.deque()
  try:
    while True:
      for hook in hooks:
        state = hook(step, state, last=step >= stop or finished())
      if step >= stop or finished():
        return Outcome(state, step)
      if stopping():
        return Outcome(state, step, stopped=True)
      program = step_at(step)
      with jax.profiler.StepTraceAnnotation("train", step_num=step):
        with clock.measure("data"):
          batch = next(batches)
        with jax.transfer_guard("disallow"):  # nothing may cross to the devices unseen
          state, scalars = program(state, batch)
      step += 1
      log(step, state, scalars)
      running.append(scalars)
      if len(running) > _AHEAD:
        jax.block_until_ready(running.popleft())
  except Interrupted:
    return Outcome(state, step, stopped=True)
