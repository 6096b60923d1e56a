"""Which files are of one kind, and what is told of a file that was written."""

import dataclasses
import os
from pathlib import Path
from typing import Literal

from llve_jax.errors import UserError
from llve_jax.io.images import PICTURE_SUFFIXES, check_written_suffix
from llve_jax.io.video import VIDEO_SUFFIXES
from llve_jax.io.video.containers import check_output_suffix


@dataclasses.dataclass(frozen=True)
class Enhanced:
  """What was written, and how.

  Attributes:
    path: the file.
    frames: how many.
    width: of them.
    height: of them.
    seconds: that it took.
    faults: what was missing in the input, a line each.
    notes: what else there is to say, a line each.
    rates: of a video, see `rates.Rates.of`.
    before: of the frames, how many an earlier run did, whose seconds are not counted.
  """

  path: Path
  frames: int
  width: int
  height: int
  seconds: float
  faults: tuple[str, ...] = ()
  notes: tuple[str, ...] = ()
  rates: dict[str, float] | None = None
  before: int = 0

  @property
  def rate(self) -> float:
    """Frames per second of this run."""
    return (self.frames - self.before) / max(self.seconds, 1e-9)

  def __str__(self) -> str:
    count = "1 frame" if self.frames == 1 else f"{self.frames} frames"
    earlier = f", {self.before} of them before" if self.before else ""
    return (
      f"{count} of {self.width}x{self.height}{earlier} in {self.seconds:.1f} s "
      f"({self.rate:.1f} frames/s)\n"
      + "".join(f"{note}\n" for note in self.notes)
      + "".join(f"damaged: {fault}\n" for fault in self.faults)
      + f"wrote {self.path}"
    )


def check_paths(
  source: str | os.PathLike[str], target: str | os.PathLike[str]
) -> Literal["image", "video"]:
  """The kind of both files, before anything is opened.

  Raises:
    UserError: an unknown suffix, no such source, the kinds differ, the target's folder is missing,
      or the target is the source (by whatever path) or a folder.
  """
  source, target = Path(source), Path(target)
  kind = _kind(source, target.suffix)
  if not source.exists():
    raise UserError(f"{source}: expected an image or a video, found no such file")
  if not target.suffix and target.is_dir():
    raise UserError(f"{target}: is a folder; name the file to write, say {target / source.name}")
  if _kind(target, source.suffix) != kind:
    other = _kind(target, source.suffix)
    raise UserError(
      f"{source} is a file of the kind {kind!r}, {target} one of the kind {other!r}; write "
      f"to a file of the same kind"
    )
  if kind == "image":
    check_written_suffix(target)
  else:
    check_output_suffix(target)
  if target.is_dir():
    raise UserError(f"{target}: is a folder; name the file to write")
  if not target.parent.is_dir():
    raise UserError(f"{target}: the folder {target.parent} does not exist; create it first")
  same = target.exists() and os.path.samefile(source, target)
  if same or source.resolve() == target.resolve():
    raise UserError(f"{target}: is the input itself; write to another file")
  return kind


def preview_paths(
  source: str | os.PathLike[str], target: str | os.PathLike[str]
) -> tuple[Path, Path]:
  """(what a full run would write, the picture of a preview), where one of the two is named."""
  source, target = Path(source), Path(target)
  if target.suffix.lower() in PICTURE_SUFFIXES and source.suffix.lower() in VIDEO_SUFFIXES:
    return target.with_suffix(".mkv"), target  # it holds whatever there is
  return target, target.with_name(f"{target.stem}_preview.png")


def check_png(path: str | os.PathLike[str]) -> Path:
  """Returns the path of a picture that is to be written without loss.

  Raises:
    UserError: it is no .png file, its folder is missing, or it is a folder.
  """
  path = Path(path)
  if path.suffix.lower() != ".png":
    raise UserError(f"{path}: a preview is a .png file, found the suffix {path.suffix!r}")
  if path.is_dir() or not path.parent.is_dir():
    raise UserError(f"{path}: expected a file in a folder that exists; create it first")
  return path


def _kind(path: Path, other: str) -> Literal["image", "video"]:
  """By its suffix; one that can be either (.gif) is what the other file is."""
  suffix = path.suffix.lower()
  if suffix in PICTURE_SUFFIXES and not (
    suffix in VIDEO_SUFFIXES and other.lower() in VIDEO_SUFFIXES
  ):
    return "image"
  if suffix in VIDEO_SUFFIXES:
    return "video"
  if path.is_dir():
    raise UserError(f"{path}: is a folder; give one image or video")
  raise UserError(
    f"{path}: unknown suffix {path.suffix!r}; known are images ({' '.join(PICTURE_SUFFIXES)}) and "
    f"videos ({' '.join(VIDEO_SUFFIXES)})"
  )
