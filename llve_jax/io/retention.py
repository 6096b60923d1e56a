"""Which checkpoints of a run stay: the newest, every n-th, the best."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orbax.checkpoint.checkpoint_managers import (
  AnyPreservationPolicy,
  EveryNSteps,
  LatestN,
  PreservationPolicy,
)


class Best(PreservationPolicy):
  """Preserves the checkpoint of the highest score, the newest of those if there are several."""

  def __init__(self, scores: dict[int, float | None]):
    """`scores` by step; one that is not known (None, or not in it) is never the best."""
    self.scores = scores

  def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
    """Whether each checkpoint is the best; orbax asks for it, `context` says nothing yet."""
    del context
    scores = ((self.scores.get(info.step), info.step) for info in checkpoints)
    known = [(score, step) for score, step in scores if score is not None]
    best = max(known)[1] if known else None
    return [info.step == best for info in checkpoints]


def read_scores(notes: Mapping[int, Path]) -> dict[int, float | None]:
  """The "score" in the JSON file of each step; None where it cannot be read."""

  def read(path: Path) -> float | None:
    try:
      return json.loads(path.read_text())["score"]
    except (OSError, ValueError, KeyError, TypeError):
      return None

  return {step: read(path) for step, path in notes.items()}


def policy(newest: int, *, every: int, best: Best | None) -> PreservationPolicy:
  """Preserves the `newest` so many, those at multiples of `every` (0: none), and the best."""
  policies: list[PreservationPolicy] = [LatestN(newest)]
  if every:
    policies.append(EveryNSteps(every))
  if best is not None:
    policies.append(best)
  return AnyPreservationPolicy(policies)
