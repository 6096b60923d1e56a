"""What a video file says about itself: pictures, tracks, colours, time."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av

from llve_jax.errors import UserError
from llve_jax.io.video import turn, whole
from llve_jax.io.video.clock import start_of
from llve_jax.io.video.color import ColorTags, bits_of, is_tagged, tags_of
from llve_jax.io.video.rational import fraction

VIDEO_SUFFIXES = (
  *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
  *(".wmv", ".flv", ".3gp", ".ogv", ".gif"),
)
OnError = Literal["stop", "skip"]
_ATTACHED_PICTURE = av.stream.Disposition.attached_pic


@dataclasses.dataclass(frozen=True)
class Track:
  """One track of a file beside its pictures.

  Attributes:
    index: of the track in the file.
    kind: "audio", "subtitle", "attachment", "video" (another one, or a cover) or "data".
    codec: as FFmpeg calls it; None where it does not know it.
    language: three letters (ISO 639-2), or nothing.
    title: what a player shows.
    disposition: FFmpeg's flags, among them 1 for the default track of its kind.
    file: (name, type) of an attachment.
  """

  index: int
  kind: str
  codec: str | None
  language: str = ""
  title: str = ""
  disposition: int = 0
  file: tuple[str, str] = ("", "")

  def __str__(self) -> str:
    if self.kind == "attachment":
      return f"attachment {self.file[0]}"
    about = [part for part in (self.codec or "of a codec that is not known", self.language) if part]
    kind = {"audio": "sound", "subtitle": "subtitles"}.get(self.kind, self.kind)
    return f"{kind}, track {self.index} ({', '.join(about)})"


@dataclasses.dataclass(frozen=True)
class VideoInfo:
  """What a video file says about its (first) video stream, and what else it holds.

  Attributes:
    path: the file.
    width: columns of a frame as shown, that is after `turn`.
    height: rows of a frame as shown.
    average_rate: frames per second, on average.
    time_base: seconds per unit of a time stamp.
    frame_count: frames, where the container knows; None where only decoding would tell.
    duration: seconds, where the container knows.
    start: seconds of the first picture or sound, as the file counts.
    turn: how the stored frames are turned to be shown; `read_frames` has done it.
    pixel_aspect: width of a pixel by its height, as shown.
    color: matrix, range, primaries and transfer of the stored frames.
    tagged: whether the file says so itself.
    bits: of a stored channel.
    fields: "" for progressive frames, else the field that is first in time: "top" or "bottom".
    codec: of the pictures, as FFmpeg calls it.
    tracks: all others.
    chapters: how many.
    metadata: of the whole file: title, creation_time and the like.
    family: of its container, see `whole.family`.
  """

  path: Path
  width: int
  height: int
  average_rate: Fraction
  time_base: Fraction
  frame_count: int | None
  duration: float | None
  start: Fraction
  turn: turn.Turn
  pixel_aspect: Fraction
  color: ColorTags
  tagged: bool
  bits: int
  fields: str
  codec: str
  tracks: tuple[Track, ...]
  chapters: int
  metadata: dict[str, str]
  family: str

  @property
  def expected_frames(self) -> int | None:
    """`frame_count`, or the duration times the rate, or None."""
    if self.frame_count is not None or self.duration is None:
      return self.frame_count
    return round(self.duration * self.average_rate)

  @property
  def has_audio(self) -> bool:
    """Whether there is sound."""
    return any(track.kind == "audio" for track in self.tracks)

  @property
  def step(self) -> int:
    """From one frame to the next, in units of `time_base`."""
    return max(1, round(1 / (self.average_rate * self.time_base)))


def read_info(path: str | os.PathLike[str], *, on_error: OnError = "stop") -> VideoInfo:
  """Opens a video and decodes its first frame.

  Args:
    path: the file.
    on_error: "skip" takes a file that is cut off, too.

  Raises:
    UserError: no such file, an unknown suffix, zero bytes, no video in it, no frame in it, or its
      index names frames beyond its end (truncated).
  """
  path = Path(path)
  with opened(path) as (container, stream):
    there, entries = whole.indexed_frames(path, stream)
    if on_error == "stop":
      if there < entries:
        raise damaged(path, there, entries, there / _rate(stream))
      # FFmpeg makes do with a part of an index: frames or the sound would be lost without a word.
      if missing := whole.missing_bytes(path):
        raise UserError(
          f"{path}: cut off: the last {missing} bytes are missing; copy the file again, or take "
          "what is there with --on_error=skip"
        )
    return _info(path, container, stream, _first(path, container, stream, on_error), entries)


def _info(path: Path, container: Any, stream: Any, first: Any, entries: int) -> VideoInfo:
  matrix = first.side_data.get("DISPLAYMATRIX")
  shown = turn.of_matrix(bytes(matrix)) if matrix else turn.Turn()
  aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
  begins = None if first.pts is None else first.pts * (fraction(stream.time_base) or 0)
  if whole.family(container) == whole.AVI:
    begins = Fraction(0)
  return VideoInfo(
    path=path,
    width=first.height if shown.exchanged else first.width,
    height=first.width if shown.exchanged else first.height,
    average_rate=_rate(stream),
    time_base=fraction(stream.time_base) or Fraction(1, 90000),
    frame_count=entries or None,
    duration=_duration(container, stream),
    start=start_of(container, begins),
    turn=shown,
    pixel_aspect=1 / aspect if shown.exchanged else aspect,
    color=tags_of(first),
    tagged=is_tagged(first),
    bits=bits_of(first),
    fields=_fields(stream, first),
    codec=stream.codec_context.name,
    tracks=tuple(_track(other) for other in container.streams if other.index != stream.index),
    chapters=len(container.chapters()),
    metadata=dict(container.metadata),
    family=whole.family(container),
  )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
  """Yields (container, its video stream).

  Raises:
    UserError: as `read_info`.
  """
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
  missing = whole.missing_bytes(path)
  cut = f"; its last {missing} bytes are missing" if missing else ""
  try:
    container = av.open(url(path), metadata_errors="replace")
  except av.FFmpegError as error:
    raise UserError(
      f"{path}: expected a video, but it cannot be opened as one ({error.strerror})"
      + (cut or "; it is damaged or no video")
    ) from error
  with container:
    streams = [s for s in container.streams.video if not s.disposition & _ATTACHED_PICTURE]
    if not streams:
      raise UserError(f"{path}: expected a video, found a file without moving pictures{cut}")
    if streams[0].codec_context is None:
      raise UserError(
        f"{path}: cut off: the last {missing} bytes are missing; copy the file again"
        if missing
        else f"{path}: its pictures are of a codec that is not known here; convert it to H.264"
      )
    streams[0].thread_type = "AUTO"
    yield container, streams[0]


def url(path: Path) -> str:
  """What FFmpeg opens: it would take what is before a colon in a name for a protocol."""
  return f"file:{path}"


def damaged(path: Path, readable: int, expected: int | None, time: Any) -> UserError:
  """The error for a file whose frames cannot all be read; `time`: seconds of the first missing."""
  of = f" of {expected}" if expected else ""
  return UserError(
    f"{path}: damaged or cut off at {float(time):.2f} s: {readable}{of} frames could be read; copy "
    "the file again, or keep the good frames with --on_error=skip"
  )


def demuxed(container: Any, *streams: Any) -> Iterator[Any]:
  """Packets of a container as PyAV gives them, and nothing of streams that begin within it.

  Behind the last packet PyAV (18) asks each stream for what it holds back, and does not know those
  that FFmpeg found on the way, as it does in damaged MPEG files.
  """
  with contextlib.suppress(IndexError):
    yield from container.demux(*streams)


def _first(path: Path, container: Any, stream: Any, on_error: OnError) -> Any:
  """The first frame that can be decoded."""
  try:
    for packet in demuxed(container, stream):
      if not packet.size and packet.dts is not None:
        continue
      try:
        frames = packet.decode()
      except av.FFmpegError:
        if on_error == "stop":
          raise
        continue
      if frames:
        return frames[0]
  except av.FFmpegError as error:
    raise UserError(
      f"{path}: its first frame cannot be decoded ({error.strerror}); the file is damaged"
    ) from error
  raise UserError(f"{path}: expected a video, found no frame in it")


def _fields(stream: Any, first: Any) -> str:
  order = stream.codec_context.field_order  # FFmpeg: 2 and 4 have the top field first, 3 and 5 not
  if not first.interlaced_frame:
    return ""
  return "bottom" if order in (3, 5) else "top"


def _track(stream: Any) -> Track:
  codec = stream.codec_context
  names = {key.lower(): value for key, value in stream.metadata.items()}
  is_cover = stream.type == "video" and stream.disposition & _ATTACHED_PICTURE
  language = names.get("language", "")
  return Track(
    index=stream.index,
    kind="cover" if is_cover else stream.type,
    codec=codec.codec.canonical_name if codec is not None else None,
    language="" if language == "und" else language,
    title=names.get("title", ""),
    disposition=int(stream.disposition),
    file=(names.get("filename", ""), names.get("mimetype", "")),
  )


def _rate(stream: Any) -> Fraction:
  rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
  return next((rate for rate in map(fraction, rates) if rate), Fraction(25))


def _duration(container: Any, stream: Any) -> float | None:
  if stream.duration:
    return float(stream.duration * (fraction(stream.time_base) or 0))
  return container.duration / av.time_base if container.duration else None
