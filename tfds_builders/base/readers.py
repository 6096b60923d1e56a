"""Reads the files of a clip, a segment at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from tfds_builders.base import generate
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded

ReadImage = Callable[[Path], np.ndarray]


def read_image_files(
  clip: Clip,
  *,
  segment: int = 8,
  low: ReadImage = read_image,
  high: ReadImage = read_image,
) -> Iterator[generate.Example]:
  """Yields the examples of a clip that is one image file per frame.

  Args:
    clip: its facts may hold "fps" (0: unknown); the others become features.
    segment: frames per example.
    low: reads a dark frame.
    high: reads a bright frame.

  Raises:
    UserError: a file cannot be read, or frames differ in size.
  """
  generate.check_counts(clip, len(clip.low), len(clip.high), clip.low[0].parent)
  one_target = len(clip.high) == 1
  target = [high(clip.high[0])] if one_target else []
  size = None
  for part in generate.segments(len(clip.low), segment):
    dark = [low(path) for path in clip.low[part]]
    bright = target if one_target else [high(path) for path in clip.high[part]]
    size = size or dark[0].shape[:2]
    check_sizes(clip.low[part], dark, size)
    check_sizes(clip.high if one_target else clip.high[part], bright, size)
    yield {
      "low": encoded(dark),
      "high": encoded(bright),
      "clip": clip.name,
      "variant": 0,
      "start": part.start,
      "fps": 0.0,
      **clip.facts,
    }


def check_sizes(paths: tuple[Path, ...], frames: list[np.ndarray], size: tuple[int, ...]) -> None:
  """Refuses frames of another size (height, width).

  Raises:
    UserError: names the first such file.
  """
  for path, frame in zip(paths, frames, strict=True):
    if frame.shape[:2] != size:
      raise UserError(
        f"{path}: expected {size[1]}x{size[0]} pixels like the other frames of this clip, found "
        f"{frame.shape[1]}x{frame.shape[0]}"
      )
