"""Keeps the batch on which a loss was not finite, so that it can be looked at."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from llve_jax.io.atomic import replacing


class DebugBatch:
  """Makes the batch of a step once more and saves it: the stream depends on seed and step alone."""

  def __init__(
    self,
    batch_at: Callable[[int], Mapping[str, np.ndarray]],
    folder: Path,
    *,
    process: int | None = None,
  ):
    """Takes a function from the number of a step, counted from 0, to this process's batch.

    `process` is the number of this process where there are several; each keeps its part.
    """
    self._batch_at, self._folder = batch_at, folder
    self._suffix = "" if process is None else f"_process_{process}"

  def __call__(self, step: int) -> str:
    """Writes `debug_step_STEP.npz` or `..._process_P.npz`; returns what to add to the message.

    `step` counts from 1, as messages do.
    """
    batch = self._batch_at(step - 1)
    path = self._folder / f"debug_step_{step}{self._suffix}.npz"
    with replacing(path) as temporary, temporary.open("wb") as file:
      np.savez(file, allow_pickle=False, **batch)
    ids = ", ".join(str(name) for name in batch.get("id", ()))
    return f". The batch of that step is in {path}; its clips (name/variant/first frame): {ids}"
