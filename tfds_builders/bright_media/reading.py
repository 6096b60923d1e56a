"""Makes bright clips of a photograph or a film."""

import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.io.video import read_frames, read_info
from llve_jax.ops.virtual_camera import film
from llve_jax.shapes import Frame8, Frames8
from tfds_builders.base import generate
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded
from tfds_builders.bright_media.layout import is_film

LEAST = 64  # pixels: shorter sides are refused


def read(
  clip: Clip, *, frames: int = 16, side: int = 384, segments: int = 24, seed: int = 0
) -> Iterator[generate.Example]:
  """Yields the examples of a file: bright frames, and none that are dark.

  Args:
    clip: its bright side is the file; a photograph is filmed by a virtual camera.
    frames: of each example.
    side: longer side of the frames, in pixels; larger ones are shrunk, smaller ones stay.
    segments: how many examples of a film, spread evenly from its beginning to its end.
    seed: of the camera's moves, with the clip's name.

  Raises:
    UserError: the file cannot be read, is too small, or is a film of fewer frames.
  """
  (path,) = clip.high
  if not is_film(path):
    shots = _filmed(path, clip.name, frames, side, seed)
    yield _example(clip.name, 0, 0.0, shots)
    return
  info = read_info(path)
  _check_size(path, (info.height, info.width))
  starts = _starts(_count(path), frames, segments, path)
  stream, place = read_frames(path), 0
  for start in starts:
    wanted = itertools.islice(stream, start - place, start - place + frames)
    taken = [_shrunk(frame.image, side) for frame in wanted]
    place = start + frames
    yield _example(clip.name, start, float(info.average_rate), np.stack(taken))


def _filmed(path: Path, name: str, frames: int, side: int, seed: int) -> Frames8:
  photo = read_image(path)
  height, width = photo.shape[:2]
  _check_size(path, (height, width))
  # Neither wider than 16:9 nor higher than 9:16; the camera needs some room to move.
  ratio = min(max(width / height, 9 / 16), 16 / 9)
  longer = min(side, 0.9 * max(height, width))
  size = (longer / ratio, longer) if ratio > 1 else (longer, longer * ratio)
  fit = min(1.0, height / size[0], width / size[1])
  rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
  return film(photo, rng, frames=frames, size=(int(size[0] * fit), int(size[1] * fit)))


def _count(path: Path) -> int:
  """Frames of a film; one whose container does not say is read once for that."""
  count = read_info(path).frame_count
  return count if count is not None else sum(1 for _ in read_frames(path))


def _starts(count: int, frames: int, segments: int, path: Path) -> list[int]:
  """First frames of the segments: none overlaps, and they lie as far apart as they can."""
  if count < frames:
    raise UserError(
      f"{path}: expected at least {frames} frames, found {count}; leave it out, or build with "
      f'--config=\'{{"name": "short", "frames": {count}}}\''
    )
  number = min(segments, count // frames)
  return [round(place * (count - frames) / max(1, number - 1)) for place in range(number)]


def _check_size(path: Path, size: tuple[int, int]) -> None:
  if min(size) < LEAST:
    raise UserError(
      f"{path}: expected at least {LEAST} pixels on each side, found {size[1]}x{size[0]}"
    )


def _shrunk(frame: Frame8, side: int) -> Frame8:
  longer = max(frame.shape[:2])
  if longer <= side:
    return frame
  height, width = (max(1, round(length * side / longer)) for length in frame.shape[:2])
  return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))


def _example(name: str, start: int, fps: float, high: Frames8) -> generate.Example:
  return {
    "low": [],
    "high": encoded(high),
    "clip": name,
    "variant": 0,
    "start": start,
    "fps": fps,
  }
