"""What happens between steps: logging with a check for non-finite losses, evaluation, saving."""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array
from tensorboardX import SummaryWriter

from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.train.clock import Clock
from llve_jax.train.meter import Meter
from llve_jax.train.state import State
from llve_jax.train.tensorboard import show


def due(step: int, every: int, *, last: bool) -> bool:
  """True at multiples of `every` (0: never), but not before the first step, and at the last one."""
  return last or (every > 0 and step > 0 and step % every == 0)


class Log:
  """A console line and TensorBoard scalars; stops the run at a non-finite value.

  Values are fetched from the device only every few steps, so steps can run ahead; then every
  single step since is checked, and always before an evaluation or a save.
  """

  def __init__(
    self,
    writer: SummaryWriter,
    meter: Meter,
    *,
    total: int,
    every: int,
    also: Sequence[int] = (),
    rate: Callable[[int], Any] | None = None,
    explain: Callable[[int], str] = lambda step: "",
  ):
    """Logs every `every` steps; also checks at multiples of each period in `also`.

    Args:
      writer: receives the scalars, and `learning_rate`.
      meter: is told of every line.
      total: steps of the whole run; the last one is always logged.
      every: steps to a line.
      also: further periods, those of evaluating and saving.
      rate: number of a step, counted from 0 -> learning rate by schedule; None: not written.
      explain: called with the number of a step whose values are not finite, counted from 1; what
        it returns ends the message.
    """
    self._writer, self._meter, self._explain, self._rate = writer, meter, explain, rate
    self._total, self._every, self._also = total, every, tuple(also)
    self._pending: list[tuple[int, dict[str, Array]]] = []

  def __call__(self, step: int, state: State, scalars: dict[str, Array]) -> None:
    """Keeps the step's scalars; fetches, checks and writes those pending when it is time."""
    self._pending.append((step, scalars))
    last = step >= self._total
    if any(due(step, every, last=last) for every in (self._every, *self._also)):
      self.flush(step, state)

  def flush(self, step: int, state: State) -> None:
    """Fetches, checks and writes what is pending, up to `step`; `state` is that after it."""
    pending = [(number, jax.device_get(values)) for number, values in self._pending]
    self._pending.clear()
    if not pending:
      return
    for number, values in pending:
      check_finite(number, values, self._explain)
    seconds = self._meter.lap(step, len(pending))
    # A phase may begin in between, so a term may be missing in some steps.
    means = {
      name: float(np.mean([values[name] for _, values in pending if name in values]))
      for name in pending[-1][1]
    }
    for name, value in means.items():
      self._writer.add_scalar(name, value, step)
    if self._rate is not None:  # as the step took it: what plateaus have halved, too
      rate = float(self._rate(step - 1)) * float(jax.device_get(state.rate))
      self._writer.add_scalar("learning_rate", rate, step)
    left = duration(seconds * (self._total - step))
    terms = "  ".join(f"{name.removeprefix('loss/')} {value:.4g}" for name, value in means.items())
    print(f"step {step}/{self._total}  {seconds:.3g} s/step  {left} left  {terms}", flush=True)


def check_finite(
  step: int, scalars: dict[str, Any], explain: Callable[[int], str] = lambda step: ""
) -> None:
  """Raises a UserError that names the terms of `step` that are not finite, and explains."""
  if wrong := {name: float(v) for name, v in scalars.items() if not np.all(np.isfinite(v))}:
    terms = ", ".join(f"{name} = {value}" for name, value in sorted(wrong.items()))
    raise UserError(
      f"step {step}: {terms}; expected finite numbers. The last checkpoint is from before that. "
      "Lower the learning rate, clip the gradient (optimizer.clip_norm) or look at the data"
      + explain(step)
    )


def duration(seconds: float) -> str:
  """Hours, minutes and seconds, as short as they can be said."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours} h {minutes:02d} min"
  return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Evaluate:
  """Scores the averaged weights, shows frames and clips, keeps the best weights and a history."""

  def __init__(
    self,
    writer: SummaryWriter,
    clock: Clock,
    score: Callable[[Any], tuple[dict[str, float], dict[str, np.ndarray]]],
    keep_best: Callable[[Any, int, dict[str, float]], None],
    memory: dict[str, Any],
    *,
    every: int,
    since: int = 0,
    publish: Callable[[Sequence[dict[str, float]]], None] = lambda history: None,
    fetch: Callable[[Any], Any] = jax.device_get,
  ):
    """Evaluates every `every` steps and at the end.

    Args:
      writer: receives `eval/NAME` scalars and images.
      clock: measures "evaluation".
      score: variables -> (metrics, uint8 pictures [h, w, 3] or clips [t, h, w, 3] by name); the
        metrics must have "psnr".
      keep_best: called with (variables, step, metrics) when PSNR is the best so far.
      memory: outlives a restart; holds "best", "last" and "history", the metrics of every
        evaluation in turn. What "last" says of its step is not evaluated again.
      every: steps between evaluations.
      since: the step that the last phase of training begins behind. Its weights are what the run is
        for: the first evaluation in it is the best so far, whatever came before.
      publish: called with the history after each.
      fetch: from variables on devices to a copy on this host.
    """
    self._writer, self._clock, self._score = writer, clock, score
    self._keep_best, self._every, self.memory = keep_best, every, memory
    self._since = since
    self._publish, self._fetch = publish, fetch

  def __call__(self, step: int, state: State, *, last: bool) -> State:
    """Evaluates if it is time, and has not been done."""
    done = self.memory.get("last", {}).get("step") == step
    if due(step, self._every, last=last) and not done:
      before = self._clock.totals["evaluation"]
      with self._clock.measure("evaluation"):
        metrics = self._evaluate(step, state)
      seconds = self._clock.totals["evaluation"] - before
      shown = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
      print(f"step {step}  evaluation: {shown}  ({duration(seconds)})", flush=True)
    return state

  def _evaluate(self, step: int, state: State) -> dict[str, float]:
    variables = self._fetch(state.average)
    metrics, pictures = self._score(variables)
    for name, value in metrics.items():
      self._writer.add_scalar(f"eval/{name}", value, step)
    for name, picture in pictures.items():
      show(self._writer, f"eval/{name}", picture, step)
    self._writer.flush()
    self.memory["last"] = {"step": step, **metrics}
    self.memory.setdefault("history", []).append(self.memory["last"])
    self._publish(self.memory["history"])
    best = self.memory.get("best")
    if best is None or best["step"] <= self._since < step or metrics["psnr"] > best["psnr"]:
      self.memory["best"] = {"step": step, **metrics}
      self._keep_best(variables, step, metrics)
    return metrics


class Save:
  """Checkpoints the state, the data iterator and the memory of the hooks."""

  def __init__(
    self,
    checkpoints: Checkpoints,
    iterator: Any,
    clock: Clock,
    memory: dict[str, Any],
    *,
    start: int,
    every: int,
  ):
    """Saves every `every` steps and at the end.

    Args:
      checkpoints: of the run.
      iterator: of its batches.
      clock: measures "save".
      memory: of all hooks.
      start: the step at which the run goes on; that and `memory` as it is now need no saving: they
        come from a checkpoint, or from the seed.
      every: steps between checkpoints.
    """
    self._checkpoints, self._iterator = checkpoints, iterator
    self._clock, self._memory, self._every = clock, memory, every
    self._kept = (start, copy.deepcopy(memory))

  def __call__(self, step: int, state: State, *, last: bool) -> State:
    """Saves if it is time.

    Raises:
      UserError: this save failed, or the one before.
    """
    if due(step, self._every, last=last):
      self.now(step, state)
    else:
      self._checkpoints.check()  # a full disk is noticed before hours have passed
    return state

  def now(self, step: int, state: State) -> None:
    """Saves, unless just this was; a checkpoint's score is that of an evaluation of its step."""
    if self._kept == (step, self._memory):
      return
    evaluated = self._memory.get("last", {})
    score = evaluated.get("psnr") if evaluated.get("step") == step else None
    memory = copy.deepcopy(self._memory)
    with self._clock.measure("save"):
      self._checkpoints.save(
        step, dataclasses.replace(state, frozen=()), self._iterator, memory, score=score
      )
    self._kept = (step, memory)
