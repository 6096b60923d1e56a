"""What happens between steps: logging with a check for non-finite losses, evaluation, saving."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array
from tensorboardX import SummaryWriter

from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.train.loop import Stopwatch
from llve_jax.train.state import State


def due(step: int, every: int, *, last: bool) -> bool:
  """True at multiples of `every` (0: never) and at the last step."""
  return last or (every > 0 and step % every == 0)


class Log:
  """A console line and TensorBoard scalars; stops the run at a non-finite value.

  Values are fetched from the device only every few steps, so steps can run ahead; then every
  single step since is checked, and always before an evaluation or a save.
  """

  def __init__(
    self,
    writer: SummaryWriter,
    stopwatch: Stopwatch,
    *,
    total: int,
    every: int,
    also: Sequence[int] = (),
  ):
    """Logs every `every` steps; also checks at multiples of each period in `also`."""
    self._writer, self._stopwatch = writer, stopwatch
    self._total, self._every, self._also = total, every, tuple(also)
    self._pending: list[tuple[int, dict[str, Array]]] = []
    self._seconds_per_step: float | None = None

  def __call__(self, step: int, state: State, scalars: dict[str, Array], *, last: bool) -> None:
    """Keeps the step's scalars; fetches, checks and writes those pending when it is time."""
    self._pending.append((step, scalars))
    if not any(due(step, every, last=last) for every in (self._every, *self._also)):
      return
    pending = [(number, jax.device_get(values)) for number, values in self._pending]
    self._pending.clear()
    for number, values in pending:
      check_finite(number, values)
    seconds = self._stopwatch.lap() / len(pending)
    # A phase may begin in between, so a term may be missing in some steps.
    means = {
      name: float(np.mean([values[name] for _, values in pending if name in values]))
      for name in pending[-1][1]
    }
    for name, value in means.items():
      self._writer.add_scalar(name, value, step)
    self._writer.add_scalar("time/step_seconds", seconds, step)
    left = duration(seconds * (self._total - step))
    terms = "  ".join(f"{name.removeprefix('loss/')} {value:.4g}" for name, value in means.items())
    print(f"step {step}/{self._total}  {seconds:.3g} s/step  {left} left  {terms}", flush=True)


def check_finite(step: int, scalars: dict[str, Any]) -> None:
  """Raises a UserError that names the terms of `step` that are not finite."""
  if wrong := {name: float(v) for name, v in scalars.items() if not np.all(np.isfinite(v))}:
    terms = ", ".join(f"{name} = {value}" for name, value in sorted(wrong.items()))
    raise UserError(
      f"step {step}: {terms}; expected finite numbers. The last checkpoint is from before that. "
      "Lower the learning rate, clip the gradient (optimizer.clip_norm) or look at the data"
    )


def duration(seconds: float) -> str:
  """Hours, minutes and seconds, as short as they can be said."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours} h {minutes:02d} min"
  return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Evaluate:
  """Scores the averaged weights, shows a few frames, and keeps the best weights."""

  def __init__(
    self,
    writer: SummaryWriter,
    stopwatch: Stopwatch,
    score: Callable[[Any], tuple[dict[str, float], dict[str, np.ndarray]]],
    keep_best: Callable[[Any, int, dict[str, float]], None],
    memory: dict[str, Any],
    *,
    every: int,
  ):
    """Evaluates every `every` steps and at the end.

    Args:
      writer: receives `eval/NAME` scalars and images.
      stopwatch: paused meanwhile.
      score: variables -> (metrics, uint8 pictures [h, w, 3] by name); must have "psnr".
      keep_best: called with (variables, step, metrics) when PSNR is the best so far.
      memory: outlives a restart; holds "best" and "last".
      every: steps between evaluations.
    """
    self._writer, self._stopwatch, self._score = writer, stopwatch, score
    self._keep_best, self._every, self.memory = keep_best, every, memory

  def __call__(self, step: int, state: State, scalars: dict[str, Array], *, last: bool) -> None:
    """Evaluates if it is time."""
    if not due(step, self._every, last=last):
      return
    start = time.perf_counter()
    metrics, pictures = self._score(state.average)
    for name, value in metrics.items():
      self._writer.add_scalar(f"eval/{name}", value, step)
    for name, picture in pictures.items():
      self._writer.add_image(f"eval/{name}", picture, step, dataformats="HWC")
    self._writer.flush()
    self.memory["last"] = {"step": step, **metrics}
    best = self.memory.get("best")
    if best is None or metrics["psnr"] > best["psnr"]:
      self.memory["best"] = {"step": step, **metrics}
      self._keep_best(state.average, step, metrics)
    seconds = time.perf_counter() - start
    self._stopwatch.pause(seconds)
    shown = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    print(f"step {step}  evaluation: {shown}  ({duration(seconds)})", flush=True)


class Save:
  """Checkpoints the state, the data iterator and the memory of the hooks."""

  def __init__(
    self,
    checkpoints: Checkpoints,
    iterator: Any,
    stopwatch: Stopwatch,
    memory: dict[str, Any],
    *,
    every: int,
  ):
    """Saves every `every` steps and at the end."""
    self._checkpoints, self._iterator = checkpoints, iterator
    self._stopwatch, self._memory, self._every = stopwatch, memory, every

  def __call__(self, step: int, state: State, scalars: dict[str, Array], *, last: bool) -> None:
    """Saves if it is time."""
    if due(step, self._every, last=last):
      start = time.perf_counter()
      self._checkpoints.save(
        step, dataclasses.replace(state, frozen=()), self._iterator, dict(self._memory)
      )
      self._stopwatch.pause(time.perf_counter() - start)
