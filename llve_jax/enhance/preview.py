"""A look at what a run would give: moments of a video, input above output, and what it takes."""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from llve_jax.enhance.files import check_png
from llve_jax.errors import UserError
from llve_jax.io.images import write_image
from llve_jax.io.video import Plan, VideoWriter, glimpse
from llve_jax.methods.method import Frame, Method
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.shapes import Frame8

_RUN = 8  # frames before each moment, so that a memory has something to remember
_WIDTH = 480  # of a moment in the strip, in pixels at most
_GAP = 4  # between two


@dataclasses.dataclass(frozen=True)
class Preview:
  """What was written, and what a full run would take.

  Attributes:
    path: of the strip.
    moments: seconds in the video of each.
    seconds: that a full run would take on this machine as busy as it is; None where the video does
      not say how long it is.
  """

  path: Path
  moments: tuple[float, ...]
  seconds: float | None

  def __str__(self) -> str:
    times = ", ".join(f"{moment:.2f}" for moment in self.moments)
    takes = "how long a full run takes is not known: the video does not say how many frames it has"
    if self.seconds is not None:
      takes = f"a full run would take about {self.seconds:.0f} s here"
    return f"input above output at {times} s; {takes}\nwrote {self.path}"


def preview(plan: Plan, method: Method, count: int, target: str | os.PathLike[str]) -> Preview:
  """Writes a strip of `count` moments of a video; nothing else is left behind.

  The time is that of reading, computing and writing the frames that it takes, one after the other,
  without compilation: a full run overlaps them, where the machine has room for that.

  Args:
    plan: of the full run.
    method: brightens frames.
    count: of moments, spread evenly.
    target: a PNG file.

  Raises:
    UserError: a count below 1, no frame can be read, or the file cannot be written.
  """
  if count < 1:
    raise UserError(f"--preview={count}: expected how many moments to show, 1 at least")
  target = check_png(target)
  info = plan.source
  length = info.duration or float((info.expected_frames or 0) / info.average_rate)
  step = float(info.step * info.time_base)
  moments = [length * (index + 0.5) / count for index in range(count)]
  columns: list[Frame8] = []
  spent, frames_seen = 0.0, 0
  with tempfile.TemporaryDirectory() as folder:
    for index, moment in enumerate(moments):
      started = time.monotonic()
      frames = glimpse(info, max(0.0, moment - (_RUN - 1) * step), _RUN)
      if not frames:
        continue
      if not columns:  # compiles
        _brightened(method, frames, plan)
      read = time.monotonic()
      results = _brightened(method, frames, plan)
      _write(results, plan, Path(folder) / f"{index}{plan.target.suffix}")
      took = time.monotonic() - read + (read - started if columns else 0)
      spent, frames_seen = spent + took, frames_seen + len(frames)
      columns.append(_column(frames[-1], results[-1]))
  if not columns:
    raise UserError(f"{info.path}: expected frames to show, found none that can be decoded")
  rows = max(column.shape[0] for column in columns)
  gap = np.zeros((rows, _GAP, 3), np.uint8)
  strip = [part for column in columns for part in (gap, column)][1:]
  write_image(target, np.concatenate(strip, axis=1))
  total = info.expected_frames
  return Preview(
    target,
    tuple(round(moment, 3) for moment in moments),
    None if total is None else total * spent / frames_seen,
  )


def _brightened(method: Method, frames: list[Frame], plan: Plan) -> list[Frame]:
  return list(method.stream(iter(frames), rounded=plan.depth == 8))


def _write(frames: list[Frame], plan: Plan, path: Path) -> None:
  """To see how long that takes."""
  height, width = frames[0].shape[:2]
  with VideoWriter(path, width, height, rate=plan.source.average_rate, depth=plan.depth) as writer:
    for frame in frames:
      writer.write(frame)


def _column(before: Frame, after: Frame) -> Frame8:
  """The two, one above the other, each at most 480 pixels wide."""
  height, width = before.shape[:2]
  scale = min(1.0, _WIDTH / width)
  size = (max(1, round(width * scale)), max(1, round(height * scale)))
  shown = [
    np.asarray(cv2.resize(to_8_bit(to_unit(frame)), size, interpolation=cv2.INTER_AREA))
    for frame in (before, after)
  ]
  return np.concatenate([shown[0], np.zeros((_GAP, size[0], 3), np.uint8), shown[1]])
