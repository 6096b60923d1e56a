"""Video files, frame by frame, with the time stamp of every frame."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from llve_jax.errors import UserError
from llve_jax.io.video_color import ColorTags, tags_of, to_rgb
from llve_jax.shapes import Frame8

VIDEO_SUFFIXES = (
  *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
  *(".wmv", ".flv", ".3gp", ".ogv"),
)
_ATTACHED_PICTURE = av.stream.Disposition.attached_pic
_MP4, _MATROSKA, _AVI = "mp4", "matroska", "avi"
_MP4_BOXES = {
  b"ftyp",
  b"moov",
  b"mdat",
  b"moof",
  b"free",
  b"skip",
  b"wide",
  b"uuid",
  b"meta",
  b"udta",
}


@dataclasses.dataclass(frozen=True)
class VideoInfo:
  """What a video file says about its (first) video stream.

  Attributes:
    path: the file.
    width: columns of a frame as shown, that is after `rotation`.
    height: rows of a frame as shown.
    average_rate: frames per second, on average.
    time_base: seconds per unit of a time stamp.
    frame_count: frames, where the container knows; None where only decoding would tell.
    duration: seconds, where the container knows.
    start: seconds of the first time stamp of any stream.
    has_audio: whether there is sound.
    rotation: degrees counter-clockwise by which the stored frames are turned to be shown;
      `read_frames` has done it.
    pixel_aspect: width of a pixel by its height, as shown.
    color: matrix, range, primaries and transfer of the stored frames.
  """

  path: Path
  width: int
  height: int
  average_rate: Fraction
  time_base: Fraction
  frame_count: int | None
  duration: float | None
  start: Fraction
  has_audio: bool
  rotation: int
  pixel_aspect: Fraction
  color: ColorTags

  @property
  def expected_frames(self) -> int | None:
    """`frame_count`, or the duration times the rate, or None."""
    if self.frame_count is not None or self.duration is None:
      return self.frame_count
    return round(self.duration * self.average_rate)


@dataclasses.dataclass(frozen=True)
class VideoFrame:
  """One frame: sRGB `image`, uint8 [h, w, 3], shown from `pts * time_base` seconds on.

  `duration` is in the same unit; 0 where the file does not say.
  """

  image: Frame8
  pts: int
  time_base: Fraction
  duration: int = 0

  @property
  def time(self) -> float:
    """Seconds."""
    return float(self.pts * self.time_base)


def read_info(path: str | os.PathLike[str]) -> VideoInfo:
  """Opens a video and decodes its first frame.

  Raises:
    UserError: no such file, an unknown suffix, zero bytes, no video in it, no frame in it, or its
      index names frames beyond its end (truncated).
  """
  path = Path(path)
  with _opened(path) as (container, stream):
    whole, entries = _indexed_frames(path, stream)
    if whole < entries:
      raise _truncated(path, whole, entries)
    # FFmpeg makes do with a part of an index: frames or the sound would be lost without a word.
    if missing := _missing_bytes(path):
      raise UserError(f"{path}: cut off: the last {missing} bytes are missing; copy the file again")
    try:
      first = next(container.decode(stream), None)
    except av.FFmpegError as error:
      raise UserError(
        f"{path}: its first frame cannot be decoded ({error.strerror}); the file is damaged"
      ) from error
    if first is None:
      raise UserError(f"{path}: expected a video, found no frame in it")
    rotation = round(first.rotation / 90) * 90 % 360
    aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
    sideways = rotation in (90, 270)
    return VideoInfo(
      path=path,
      width=first.height if sideways else first.width,
      height=first.width if sideways else first.height,
      average_rate=_rate(stream),
      time_base=fraction(stream.time_base) or Fraction(1, 90000),
      frame_count=entries or None,
      duration=_duration(container, stream),
      start=Fraction(container.start_time or 0, av.time_base),
      has_audio=bool(container.streams.audio),
      rotation=rotation,
      pixel_aspect=1 / aspect if sideways else aspect,
      color=tags_of(first),
    )


def read_frames(path: str | os.PathLike[str]) -> Iterator[VideoFrame]:
  """Streams the frames of a video; one is in memory at a time.

  Colours become R'G'B' by the matrix and range of the file; other primaries and tone curves (HDR)
  are left as they are. Frames that a phone stored sideways are turned upright.

  Raises:
    UserError: at once, as `read_info`; while iterating, the data is damaged or ends early, or the
      size of the frames changes.
  """
  return _decoded(read_info(path))


def fraction(value: Any) -> Fraction | None:
  """PyAV's rational (a Fraction up to PyAV 18, its own type since) as a Fraction; None if unset."""
  return Fraction(value.numerator, value.denominator) if value else None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
  """Yields (container, its video stream)."""
  if not path.is_file():
    raise UserError(
      f"{path}: expected a video file, found {'a folder' if path.is_dir() else 'none'}"
    )
  if path.suffix.lower() not in VIDEO_SUFFIXES:
    raise UserError(
      f"{path}: unknown suffix {path.suffix!r} for a video; known: {' '.join(VIDEO_SUFFIXES)}"
    )
  if path.stat().st_size == 0:
    raise UserError(f"{path}: expected a video, found an empty file (zero bytes); copy it again")
  missing = _missing_bytes(path)
  cut = f"; its last {missing} bytes are missing" if missing else ""
  try:
    container = av.open(str(path))
  except av.FFmpegError as error:
    raise UserError(
      f"{path}: expected a video, but it cannot be opened as one ({error.strerror})"
      + (cut or "; it is damaged or no video")
    ) from error
  with container:
    streams = [s for s in container.streams.video if not s.disposition & _ATTACHED_PICTURE]
    if not streams:
      raise UserError(f"{path}: expected a video, found a file without moving pictures{cut}")
    streams[0].thread_type = "AUTO"
    yield container, streams[0]


def _family(container: Any) -> str:
  names = container.format.name.split(",")
  return next((name for name in (_MP4, _MATROSKA, _AVI) if name in names), "")


def _indexed_frames(path: Path, stream: Any) -> tuple[int, int]:
  """(frames whose bytes are in the file, frames in its index); zeros without a full index."""
  if _family(stream.container) != _MP4 or stream.frames != len(stream.index_entries):
    return 0, 0
  size = path.stat().st_size
  shown = [entry.pos + entry.size for entry in stream.index_entries if not entry.is_discard]
  return sum(end <= size for end in shown), len(shown)


def _missing_bytes(path: Path) -> int:
  """Bytes that the top-level boxes of an MP4 announce beyond the end of the file.

  0 for other files. ISO/IEC 14496-12, section 4.2: size, type, then for size 1 a 64-bit size; size
  0 means up to the end.
  """
  size, position = path.stat().st_size, 0
  with path.open("rb") as file:
    while position + 8 <= size:
      file.seek(position)
      header = file.read(16)
      length = int.from_bytes(header[:4], "big")
      if header[4:8] not in _MP4_BOXES:
        break
      length = int.from_bytes(header[8:16], "big") if length == 1 else length
      if length < 8:
        break
      position += length
  return max(0, position - size)


def _rate(stream: Any) -> Fraction:
  rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
  return next((rate for rate in map(fraction, rates) if rate), Fraction(25))


def _duration(container: Any, stream: Any) -> float | None:
  if stream.duration:
    return float(stream.duration * fraction(stream.time_base))
  return container.duration / av.time_base if container.duration else None


def _promised_end(container: Any, stream: Any) -> float:
  """Seconds until which the header of the file promises data; 0 where it does not.

  An MP4 has an index instead; streams for broadcasting promise nothing.
  """
  family = _family(container)
  if family == _AVI:
    return float(stream.frames * fraction(stream.time_base))
  return (container.duration or 0) / av.time_base if family == _MATROSKA else 0.0


def _decoded(info: VideoInfo) -> Iterator[VideoFrame]:
  count, packets, end, damaged = 0, 0, 0.0, False
  reformatter = VideoReformatter()
  with _opened(info.path) as (container, stream):
    promised_end, family = _promised_end(container, stream), _family(container)
    next_pts = 0
    try:
      for packet in container.demux():
        damaged |= packet.is_corrupt and bool(family)
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
          end = max(end, float((stamp + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
          continue
        packets += bool(packet.size) and not packet.is_discard
        for frame in packet.decode():
          pts = next_pts if frame.pts is None else frame.pts
          yield VideoFrame(
            _image(frame, info, reformatter, count), pts, info.time_base, frame.duration or 0
          )
          next_pts = pts + (frame.duration or round(1 / (info.average_rate * info.time_base)))
          count += 1
    except av.FFmpegError as error:
      raise _truncated(info.path, count, info.expected_frames) from error
  short = max(3 / float(info.average_rate), 0.1)
  # Packets, not frames: pictures that lean on some before a cut are skipped by every player.
  if damaged or packets < (info.frame_count or 0) or end < promised_end - short:
    expected = info.frame_count or round(promised_end * info.average_rate)
    raise _truncated(info.path, count, expected)


def _image(frame: Any, info: VideoInfo, reformatter: VideoReformatter, index: int) -> Frame8:
  image = to_rgb(frame, info.color, reformatter)
  if info.rotation:
    image = np.ascontiguousarray(np.rot90(image, info.rotation // 90))
  if image.shape[:2] != (info.height, info.width):
    raise UserError(
      f"{info.path}: frame {index} is {image.shape[1]}x{image.shape[0]}, those before it "
      f"{info.width}x{info.height}; cut the file where the size changes"
    )
  return image


def _truncated(path: Path, readable: int, expected: int | None) -> UserError:
  of = f" of {expected}" if expected else ""
  return UserError(
    f"{path}: damaged or cut off: {readable}{of} frames could be read; copy the file again, or cut "
    "it to its whole part first"
  )
