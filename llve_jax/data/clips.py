"""Whole clips for evaluation, joined from the segments of a data set."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from llve_jax.data.frames import Frames, decode_window
from llve_jax.data.source import Source
from llve_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class EvalClip:
  """One clip under one degradation.

  Attributes:
    name: the source clip.
    variant: which degradation of it, from 0.
    fps: frames per second.
    low: the dark clip, uint8 or uint16 [t, h, w, c].
    high: the bright clip, same length; a single bright frame stands for all.
  """

  name: str
  variant: int
  fps: float
  low: Frames
  high: Frames


def test_clips(source: Source) -> Iterator[EvalClip]:
  """Yields every clip and variant of a split from first to last frame, one at a time in memory.

  Clips come in the order of their names, variants in ascending order, whatever the order of the
  examples.

  Raises:
    UserError: segments of a clip are missing or overlap, or have no bright frames.
  """
  segments: dict[tuple[str, int], list[tuple[int, int]]] = {}
  for index in range(len(source)):
    example = source[index]
    key = (example["clip"].decode(), example["variant"])
    segments.setdefault(key, []).append((example["start"], index))
  for (name, variant), parts in sorted(segments.items()):
    low: list[Frames] = []
    high: list[Frames] = []
    end, fps = 0, 0.0
    for start, index in sorted(parts):
      if start != end:
        raise UserError(
          f"{name}, variant {variant}: expected a segment that starts at frame {end}, found one at "
          f"{start}; the data set is damaged, build it again"
        )
      example = source[index]
      dark, bright = decode_window(example, 0, len(example["low"]))
      low.append(dark)
      high.append(bright)
      end, fps = end + len(example["low"]), float(example["fps"])
    yield EvalClip(name, variant, fps, np.concatenate(low), np.concatenate(high))
