"""One file brightened for the page: what it needs to show before and after."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from llve_jax.demo.curves import Curves
from llve_jax.demo.limits import Kind, Limits, check_content
from llve_jax.enhance import command
from llve_jax.enhance.account import Account
from llve_jax.enhance.files import Enhanced
from llve_jax.errors import UserError
from llve_jax.io.images import read_image, write_image
from llve_jax.io.video import read_info
from llve_jax.methods.method import Frame

_SHOWN = 1600  # longest side in pixels of a picture on the page; the download is whole
_PLAYED = ("h264",)  # what every browser plays in .mp4
_SPARE = 30  # frames beyond the limit of length: rates are only roughly true
_BETWEEN = 0.2  # seconds between two words on how far it is


@dataclasses.dataclass(frozen=True)
class Job:
  """What one visitor asked for.

  Attributes:
    source: the upload, in a folder of its own where the results go, too.
    options: attributes of `command.Options`: model, strength, look, stabilise.
  """

  source: Path
  options: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Result:
  """What the page shows.

  Attributes:
    kind: of the file.
    before: the input as a browser can show it.
    after: the result, likewise.
    download: the result as it is.
    frames: how many.
    size: width and height in pixels.
    seconds: of work.
    said: what the tool found, chose and warns of, a line each.
    numbers: see `Account.numbers`.
    curves: brightness over time and the share of each level, before and after.
  """

  kind: Kind
  before: Path
  after: Path
  download: Path
  frames: int
  size: tuple[int, int]
  seconds: float
  said: tuple[str, ...]
  numbers: dict[str, Any]
  curves: Curves


Tell = Callable[[int, int | None], None]


def do(job: Job, limits: Limits, tell: Tell) -> Result:
  """Brightens the file.

  Args:
    job: what to do.
    limits: of the content.
    tell: gets how many frames are done, of how many, a few times a second.

  Raises:
    UserError: the file is refused or damaged; the message does not hold its path.
  """
  try:
    kind = check_content(job.source, limits)
    return _Work(job, limits, tell).video() if kind == "video" else _Work(job, limits, tell).still()
  except UserError as error:
    raise UserError(str(error).replace(str(job.source), "the file")) from error


class _Work:
  def __init__(self, job: Job, limits: Limits, tell: Tell):
    self._job, self._limits, self._tell = job, limits, tell
    self._folder = job.source.parent
    self._account, self._curves = Account(), Curves()
    self._said: list[str] = []
    self._told = 0.0

  def still(self) -> Result:
    target = self._folder / "bright.png"
    done = self._enhance(target)
    before, after = self._folder / "shown_before.jpg", self._folder / "shown_after.jpg"
    write_image(before, _shown(self._first))
    write_image(after, _shown(read_image(target)))
    return self._result("picture", before, after, done)

  def video(self) -> Result:
    source, target = self._job.source, self._folder / "bright.mp4"
    info = read_info(source)
    self._most = int(1.2 * self._limits.seconds * float(info.average_rate)) + _SPARE
    done = self._enhance(target, depth=8)
    before = self._folder / "shown_before.mp4"
    if source.suffix == ".mp4" and info.codec in _PLAYED and info.bits == 8:
      before.hardlink_to(source)
    else:
      command.run(source, before, model="input", depth=8, quiet=True)
    return self._result("video", before, target, done)

  def _enhance(self, target: Path, **further: Any) -> Enhanced:
    options = {**self._job.options, **further}
    done = command.run(
      self._job.source,
      target,
      hear=self._said.append,
      watch=self._watch,
      count=self._count,
      **options,
    )
    assert isinstance(done, Enhanced)
    return done

  def _watch(self, before: Frame, after: Frame) -> None:
    if not self._curves.frames:
      self._first = before
    self._account.add(before, after)
    self._curves.add(before, after)

  def _count(self, number: int, total: int | None) -> None:
    if number > self._most:
      raise UserError(f"The video is longer than it says: more than {self._most} frames.")
    if time.monotonic() - self._told > _BETWEEN:
      self._told = time.monotonic()
      self._tell(number, total)

  def _result(self, kind: Kind, before: Path, after: Path, done: Enhanced) -> Result:
    source = str(self._job.source)
    said = [line.replace(f"{source}: ", "").replace(source, "the file") for line in self._said]
    return Result(
      kind,
      before,
      after,
      done.path,
      done.frames,
      (done.width, done.height),
      done.seconds,
      (*said, *(f"damaged: {fault}" for fault in done.faults)),
      self._account.numbers(),
      self._curves,
    )


def _shown(frame: Frame) -> np.ndarray:
  """A picture as the page shows it: 8 bits, not larger than a screen."""
  small = np.asarray(frame if frame.dtype == np.uint8 else (frame / 257 + 0.5).astype(np.uint8))
  height, width = small.shape[:2]
  scale = _SHOWN / max(height, width)
  if scale >= 1:
    return small
  size = (max(1, round(width * scale)), max(1, round(height * scale)))
  return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA))
