"""Reads two clips side by side, each a video or a folder of images, a segment at a time."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.images import read_image, read_image16
from llve_jax.io.video import read_frames, read_info
from tfds_builders.base import generate
from tfds_builders.base.readers import check_sizes
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded
from tfds_builders.paired_video.layout import is_video


def read(clip: Clip, *, segment: int = 8, deep: bool = False) -> Iterator[generate.Example]:
  """Yields the examples of a clip; no more than `segment` frames of each side are in memory.

  Args:
    clip: each side one video, or the images of a folder; one bright image is the target of all.
    segment: frames per example.
    deep: images of 16 bits per channel instead of 8.

  Raises:
    UserError: a file cannot be read, or the sides differ in their frames' size or number: before
      anything is yielded where both numbers are known, else at the end.
  """
  one_target = len(clip.high) == 1 and not is_video(clip.high[0])
  counts = [_count(clip.low), _count(clip.high)]
  if not one_target and None not in counts and counts[0] != counts[1]:
    raise _mismatch(clip, *counts)
  low, high = _frames(clip.low, deep), _frames(clip.high, deep)
  fps = _rate(clip.low) or _rate(clip.high) or clip.facts.get("fps", 0.0)
  target = list(high) if one_target else []
  size: tuple[int, ...] = ()
  start = 0
  while dark := list(itertools.islice(low, segment)):
    bright = target or list(itertools.islice(high, len(dark)))
    size = size or dark[0].shape[:2]
    if not one_target and len(bright) < len(dark):
      raise _mismatch(clip, start + len(dark) + _rest(low), start + len(bright))
    for files, frames in ((clip.low, dark), (clip.high, bright)):
      check_sizes(_paths(files, start, len(frames)), frames, size)
    yield {
      "low": encoded(dark),
      "high": encoded(bright),
      "clip": clip.name,
      "variant": 0,
      "start": start,
      "fps": fps,
    }
    start += len(dark)
  if surplus := 0 if one_target else _rest(high):
    raise _mismatch(clip, start, start + surplus)


def _frames(files: tuple[Path, ...], deep: bool) -> Iterator[np.ndarray]:
  if is_video(files[0]):
    return (frame.image for frame in read_frames(files[0]))
  return map(read_image16 if deep else read_image, files)


def _count(files: tuple[Path, ...]) -> int | None:
  """Frames; None where only decoding would tell."""
  return read_info(files[0]).frame_count if is_video(files[0]) else len(files)


def _rate(files: tuple[Path, ...]) -> float:
  """Frames per second on average; 0 for images."""
  return float(read_info(files[0]).average_rate) if is_video(files[0]) else 0.0


def _rest(frames: Iterator[Any]) -> int:
  return sum(1 for _ in frames)


def _paths(files: tuple[Path, ...], start: int, count: int) -> tuple[Path, ...]:
  """The file of each frame."""
  return files * count if len(files) == 1 else files[start : start + count]


def _mismatch(clip: Clip, low: int | None, high: int | None) -> UserError:
  dark, bright = (
    files[0] if is_video(files[0]) else files[0].parent for files in (clip.low, clip.high)
  )
  return UserError(
    f"{dark} has {low} frames, {bright} {high}: expected as many; cut both to the same part of the "
    "scene, or give a folder with one bright image that is the target of all"
  )
