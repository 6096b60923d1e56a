"""From a video to a video, through any method; and which files are of one kind."""

import collections
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.images import PICTURE_SUFFIXES, check_written_suffix
from llve_jax.io.video_reader import VIDEO_SUFFIXES, VideoFrame, VideoInfo, read_frames
from llve_jax.io.video_writer import VideoWriter, check_output_suffix
from llve_jax.methods.method import Method
from llve_jax.shapes import Frame8


@dataclasses.dataclass(frozen=True)
class Enhanced:
  """What was written, and how long it took."""

  path: Path
  frames: int
  width: int
  height: int
  seconds: float

  def __str__(self) -> str:
    count = "1 frame" if self.frames == 1 else f"{self.frames} frames"
    rate = self.frames / max(self.seconds, 1e-9)
    return (
      f"{count} of {self.width}x{self.height} in {self.seconds:.1f} s ({rate:.1f} frames/s)\n"
      f"wrote {self.path}"
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
  kind = _kind(source)
  if not source.exists():
    raise UserError(f"{source}: expected an image or a video, found no such file")
  if not target.suffix and target.is_dir():
    raise UserError(f"{target}: is a folder; name the file to write, say {target / source.name}")
  if _kind(target) != kind:
    raise UserError(
      f"{source} is a file of the kind {kind!r}, {target} one of the kind {_kind(target)!r}; write "
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


def enhance_video(
  info: VideoInfo,
  target: str | os.PathLike[str],
  method: Method,
  *,
  side_by_side: bool = False,
  progress: Callable[[Iterator[Frame8]], Iterator[Frame8]] = iter,
) -> Enhanced:
  """Enhances a video frame by frame, keeping count, time stamps, rate, colour tags and sound.

  Args:
    info: the source, as `read_info` says.
    target: the file to write; appears only when all of it is there.
    method: enhances the frames.
    side_by_side: twice the width, the original to the left of the result.
    progress: passes on the enhanced frames and may count them.

  Raises:
    UserError: the source is damaged or cut off, or the target cannot be written.
  """
  started = time.monotonic()
  waiting: collections.deque[VideoFrame] = collections.deque()

  def images() -> Iterator[Frame8]:
    for frame in read_frames(info.path):
      waiting.append(frame if side_by_side else dataclasses.replace(frame, image=_NOTHING))
      yield frame.image

  width = info.width * (2 if side_by_side else 1)
  count = 0
  with VideoWriter(target, width, info.height, source=info) as writer:
    for enhanced in progress(method.stream(images())):
      frame = waiting.popleft()
      if side_by_side:
        enhanced = np.concatenate([frame.image, enhanced], 1)
      writer.write(enhanced, frame.pts, frame.duration)
      count += 1
    if waiting:
      lost = f"{len(waiting)} of {count + len(waiting)}"
      raise RuntimeError(f"{info.path}: {lost} frames did not come out of {method.name}")
  return Enhanced(Path(target), count, width, info.height, time.monotonic() - started)


_NOTHING = np.zeros((0, 0, 3), np.uint8)


def _kind(path: Path) -> Literal["image", "video"]:
  suffix = path.suffix.lower()
  if suffix in PICTURE_SUFFIXES:
    return "image"
  if suffix in VIDEO_SUFFIXES:
    return "video"
  if path.is_dir():
    raise UserError(f"{path}: is a folder; give one image or video")
  raise UserError(
    f"{path}: unknown suffix {path.suffix!r}; known are images ({' '.join(PICTURE_SUFFIXES)}) and "
    f"videos ({' '.join(VIDEO_SUFFIXES)})"
  )
