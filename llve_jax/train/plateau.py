"""What follows when evaluations stop getting better: a lower learning rate, or the end."""

import dataclasses
from typing import Any

from llve_jax.train.state import State


class Plateau:
  """Watches the PSNR of the held-out clips, as `Evaluate` leaves it in the memory.

  MBLLEN halves its rate after 2 evaluations without a better one; System B stops after 3. The
  report of B watches the validation loss.
  """

  def __init__(self, memory: dict[str, Any], *, halve_after: int = 0, stop_after: int = 0):
    """Comes after `Evaluate` in the list of hooks.

    Args:
      memory: the one of `Evaluate`; outlives a restart. "plateau" holds what is kept here.
      halve_after: evaluations without a better one after which the rate is halved, and the count
        begins anew; 0: never.
      stop_after: evaluations without a better one after which the run ends; 0: never.
    """
    self._memory, self._halve_after, self._stop_after = memory, halve_after, stop_after
    self._entered = False

  @property
  def finished(self) -> bool:
    """Whether the run has ended early, now or before a restart."""
    return self._memory.get("plateau", {}).get("stopped", False)

  def __call__(self, step: int, state: State, *, last: bool) -> State:
    """Counts an evaluation of this step, if there was one that has not been counted."""
    if not self._entered:
      state, self._entered = self._settled(state), True
    counted = self._memory.get("plateau", {}).get("step")
    if self._memory.get("last", {}).get("step") != step or counted == step:
      return state
    first = {"since_halved": 0, "since_best": 0, "rate": float(state.rate)}
    seen = self._memory.setdefault("plateau", first)
    seen["step"] = step
    better = self._memory["best"]["step"] == step
    for count in ("since_halved", "since_best"):
      seen[count] = 0 if better else seen[count] + 1
    if self._stop_after and seen["since_best"] >= self._stop_after:
      seen["stopped"] = True
      print(f"step {step}  no better evaluation for {seen['since_best']}: stopping", flush=True)
    elif self._halve_after and seen["since_halved"] >= self._halve_after:
      seen["since_halved"] = 0
      state = dataclasses.replace(state, rate=state.rate * 0.5)
      seen["rate"] = float(state.rate)
      print(f"step {step}  no better evaluation: learning rate halved", flush=True)
    return state

  def _settled(self, state: State) -> State:
    """With the rate that the memory says.

    A run that was stopped in an evaluation has saved the state before it. What is found out when
    it goes on is added to that checkpoint, the state is not written again.
    """
    rate, found = self._memory.get("plateau", {}).get("rate"), float(state.rate)
    if rate is None or rate == found:
      return state
    return dataclasses.replace(state, rate=state.rate * (rate / found))  # exact: powers of two
