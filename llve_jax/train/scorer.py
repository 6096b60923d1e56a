"""The evaluation of a run in progress: the held-out clips through the network, scored and shown."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array

from llve_jax.data.clips import EvalClip
from llve_jax.metrics import protocols
from llve_jax.metrics.strips import strip
from llve_jax.train.evaluate import clip_key, frame_method, score


def thin(clips: Iterable[EvalClip], max_frames: int) -> Iterator[EvalClip]:
  """At most `max_frames` frames of each clip, evenly spread; 0 keeps all."""
  for clip in clips:
    count = len(clip.low)
    if max_frames and count > max_frames:
      kept = np.linspace(0, count - 1, max_frames).round().astype(int)
      clip = dataclasses.replace(clip, low=clip.low[kept], high=clip.high[kept])
    yield clip


class Scorer:
  """Variables of a network -> its metrics on the held-out clips, and a picture of each clip."""

  def __init__(
    self,
    module: nn.Module,
    clips: Callable[[], Iterable[EvalClip]],
    *,
    protocol: str = "plain",
    batch: int = 8,
    max_frames: int = 0,
  ):
    """Prepares the evaluation; compiles at the first call.

    Args:
      module: the network; frames are given to it one by one.
      clips: gives the held-out clips anew each time.
      protocol: a name of `llve_jax.metrics.protocols.PROTOCOLS`.
      batch: frames at once.
      max_frames: frames of each clip that are scored, evenly spread; 0 for all.
    """

    def apply(variables: Any, clip: Array) -> Array:
      output: Any = module.apply(variables, clip)
      return output["clip"]

    self._apply = jax.jit(apply)
    self._clips, self._protocol = clips, protocols.get(protocol)
    self._batch, self._max_frames = batch, max_frames

  def __call__(self, variables: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics, and for each clip a uint8 strip of its middle frame: input, output, target."""
    variables = jax.device_get(variables)  # one device's copy, wherever training keeps it
    method = frame_method(lambda clip: self._apply(variables, clip), batch=self._batch)
    pictures: dict[str, np.ndarray] = {}

    def watched() -> Iterator[EvalClip]:
      for clip in thin(self._clips(), self._max_frames):
        middle = slice(len(clip.low) // 2, len(clip.low) // 2 + 1)
        frames = [clip.low[middle][0], method(clip.low[middle])[0], clip.high[middle][0]]
        pictures[clip_key(clip)] = strip([frames], ["input", "output", "target"])
        yield clip

    report = score({"network": lambda: method}, watched(), self._protocol)
    return report.means("network"), pictures
