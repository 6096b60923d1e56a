"""What the page takes from strangers, and what it refuses in a sentence before any work."""

import contextlib
import dataclasses
import os
import shutil
from pathlib import Path
from typing import Literal

from llve_jax.errors import UserError
from llve_jax.io.images import PICTURE_SUFFIXES, read_picture
from llve_jax.io.video import VIDEO_SUFFIXES, read_info

Kind = Literal["picture", "video"]


@dataclasses.dataclass(frozen=True)
class Limits:
  """How much one visitor may ask for, and all together.

  Attributes:
    megabytes: megabytes of an upload.
    seconds: seconds of a video.
    megapixels: million pixels of a picture, or of a frame.
    minutes: minutes that the work on one file may take.
    waiting: visitors whose files wait for their turn, or are sent just now.
    memory: gigabytes of memory that the work may hold.
    disk: gigabytes of all files that are kept for a while.
    keep: minutes after which a file is removed.
  """

  megabytes: float = 200.0
  seconds: float = 120.0
  megapixels: float = 34.0
  minutes: float = 10.0
  waiting: float = 8
  memory: float = 8.0
  disk: float = 4.0
  keep: float = 15.0

  def __post_init__(self) -> None:
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if not value > 0:
        raise UserError(f"--max_{field.name}={value}: expected a number above 0")
    if self.keep < self.minutes:
      raise UserError(
        f"--max_keep={self.keep:g}: files would be removed while they are worked on; expected at "
        f"least --max_minutes={self.minutes:g}"
      )


def suffix_of(name: str) -> str:
  """The suffix of an uploaded file, which alone is kept of its name.

  Raises:
    UserError: it is none of a picture or a video.
  """
  suffix = Path(name).suffix.lower()
  if suffix not in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES):
    raise UserError(
      f"This is no picture and no video that can be read: its name ends with {suffix[:12] or '?'}. "
      "Try .mp4, .mov, .mkv, .webm, .avi, .jpg or .png."
    )
  return suffix


def check_size(path: Path, limits: Limits) -> None:
  """Before the file is opened.

  Raises:
    UserError: it is empty or too large.
  """
  size = path.stat().st_size / 1e6
  if size == 0:
    raise UserError("The file is empty. Was the upload cut off?")
  if size > limits.megabytes:
    raise UserError(
      f"The file has {size:.0f} MB; this page takes up to {limits.megabytes:.0f}. Cut out a part, "
      "or use `llve enhance` on your own machine, which has no such limit."
    )


def check_content(path: Path, limits: Limits) -> Kind:
  """What the file is, from its header; to be called where a crash of a decoder does no harm.

  Raises:
    UserError: it is damaged, too long or has too many pixels.
  """
  if path.suffix in VIDEO_SUFFIXES and path.suffix not in PICTURE_SUFFIXES:
    info = read_info(path)
    _check_pixels(info.width, info.height, limits)
    length = info.duration or float((info.expected_frames or 0) / info.average_rate)
    if length > limits.seconds:
      raise UserError(
        f"The video is {length:.0f} s long; this page takes up to {limits.seconds:.0f} s. Cut out "
        "a part, or use `llve enhance` on your own machine, which has no such limit."
      )
    return "video"
  height, width = read_picture(path).shape[:2]
  _check_pixels(width, height, limits)
  return "picture"


def disk_used(folder: Path) -> float:
  """Gigabytes of all files below a folder."""
  total = 0
  for place, _, names in os.walk(folder):  # which passes over folders that are removed meanwhile
    for name in names:
      with contextlib.suppress(FileNotFoundError):
        total += os.stat(os.path.join(place, name)).st_size
  return total / 1e9


def check_room(folder: Path, wanted: float, limits: Limits) -> None:
  """Whether so many further gigabytes may be written.

  Raises:
    UserError: what is kept would get too large, or the disk is nearly full.
  """
  free = shutil.disk_usage(folder).free / 1e9
  if disk_used(folder) + wanted > limits.disk or free < 2 * wanted + 0.2:
    raise UserError("This page has no room for further files just now. Try again in some minutes.")


def _check_pixels(width: int, height: int, limits: Limits) -> None:
  if width * height > limits.megapixels * 1e6:
    raise UserError(
      f"It has {width} x {height} pixels; this page takes up to {limits.megapixels:.0f} million. "
      "Make it smaller, or use `llve enhance` on your own machine."
    )
