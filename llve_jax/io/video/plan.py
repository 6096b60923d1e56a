"""What of a video goes into the file to be written, decided before the first frame.

Where the container cannot hold something, it is made anew (sound, subtitles) or left out, and each
is said once; where nothing can be done the plan is refused, and the work never begins.
"""

import contextlib
import dataclasses
import os
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av

from llve_jax.errors import UserError
from llve_jax.io.video import containers
from llve_jax.io.video.rational import fraction
from llve_jax.io.video.source import Track, VideoInfo, demuxed, opened

Sound = Literal["copy", "encode", "drop"]
SOUND = ["copy", "encode", "drop"]
_BITS_PER_PIXEL = 0.25  # of a noisy picture at the quality that is written
_SURE = 0.2  # of the estimate: what even a quiet film takes
_TRIED = 20  # packets of sound that are written to nowhere, to see whether they can be


@dataclasses.dataclass(frozen=True)
class TrackPlan:
  """What becomes of a track: `codec` None copies its packets, else it is encoded so."""

  track: Track
  codec: str | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
  """What will be written.

  Attributes:
    source: the video.
    target: the file.
    width: of a frame as written.
    height: likewise.
    depth: bits of a channel, 8 or 10.
    fields: see `VideoInfo`; "" where frames are written progressive.
    pictures: how they are stored.
    tracks: of the target, in order.
    chapters: whether they are kept.
    metadata: of the target.
    words: what differs from the source, a line each.
    size: bytes of the target, roughly.
    parts: bytes of its parts that are there already, see `make_plan`.
  """

  source: VideoInfo
  target: Path
  width: int
  height: int
  depth: int
  fields: str
  pictures: containers.Pictures
  tracks: tuple[TrackPlan, ...]
  chapters: bool
  metadata: dict[str, str]
  words: tuple[str, ...]
  size: int
  parts: int | None = None

  @property
  def deep(self) -> bool:
    """Whether frames are computed with more than 8 bits."""
    return self.source.bits > 8 or self.source.color.is_hdr or self.depth > 8

  def __str__(self) -> str:
    count = self.source.expected_frames
    lines = [
      f"{self.source.path} -> {self.target}",
      f"pictures: {self.width}x{self.height}, {float(self.source.average_rate):g} frames/s"
      + (f", {count} frames" if count else "")
      + f", {self.source.codec} -> {self.pictures.name}",
    ]
    for each in self.tracks:
      lines.append(f"{each.track}: {f'as {each.codec}' if each.codec else 'copied'}")
    if self.chapters:
      lines.append(f"chapters: {self.source.chapters}")
    lines += [f"{key}: {value}" for key, value in self.metadata.items()]
    parts = "" if self.parts is None else ", and as much again for its parts while it is written"
    lines.append(f"about {self.size / 1e6:.1f} MB{parts}")
    return "\n".join(lines + [f"note: {word}" for word in self.words])


def make_plan(
  info: VideoInfo,
  target: str | os.PathLike[str],
  *,
  width: int | None = None,
  height: int | None = None,
  sound: Sound = "copy",
  depth: int | None = None,
  keep_interlaced: bool = False,
  parts: int | None = None,
) -> Plan:
  """Decides what is written.

  Args:
    info: the source.
    target: the file to write.
    width: of the frames, where they are not as wide as the source.
    height: likewise.
    sound: "copy" where the container can hold it, else encode it; "encode"; or "drop".
    depth: 8 or 10; None: that of the source.
    keep_interlaced: the two fields of a frame stay interlaced.
    parts: bytes that are there already of the parts in which it is made; they stay on the same disk
      until the target is whole. None: it is made in one go.

  Raises:
    UserError: the plan cannot be carried out.
  """
  target = containers.check_output_suffix(target)
  if sound not in SOUND:
    raise UserError(f"--sound={sound}: expected one of {', '.join(SOUND)}")
  width, height = width or info.width, height or info.height
  depth, pictures = _pictures(info, target, width, height, depth)
  container = containers.format_of(target)
  if container == "avi":
    _check_constant(info, target)
  words = _words(info, keep_interlaced, depth)
  tracks = _tracks(info, target, container, sound, words)
  if info.chapters and not containers.holds_chapters(container):
    words.append(f"{info.chapters} chapters are left out: {target.suffix} cannot hold them")
  size = _size(info, width, height)
  _check_space(target, size if parts is None else max(size, 2 * size - parts), words)
  return Plan(
    source=info,
    target=target,
    width=width,
    height=height,
    depth=depth,
    fields=info.fields if keep_interlaced else "",
    pictures=pictures,
    tracks=tuple(tracks),
    chapters=bool(info.chapters) and containers.holds_chapters(container),
    metadata=containers.kept_metadata(info.metadata),
    words=tuple(words),
    size=size,
    parts=parts,
  )


def _pictures(
  info: VideoInfo, target: Path, width: int, height: int, depth: int | None
) -> tuple[int, containers.Pictures]:
  """The depth and how it is stored: 8 bits where more are not asked for and cannot be written."""
  if depth is None and info.bits > 8 and not info.color.is_hdr:
    with contextlib.suppress(UserError):
      return 10, containers.pictures(target, width, height, 10)
  return depth or 8, containers.pictures(target, width, height, depth or 8)


def _words(info: VideoInfo, keep_interlaced: bool, depth: int) -> list[str]:
  words = []
  if not info.tagged:
    side = "below" if info.height < 720 else "from"
    words.append(
      f"its colours are not tagged: read as {info.color.name}, as players do {side} 720 lines"
    )
  if info.color.is_hdr:
    words.append("HDR video: brought to the brightness of an ordinary display, its tags with it")
  if info.fields and keep_interlaced:
    words.append(f"interlaced, {info.fields} field first: kept, with its combs")
  elif info.fields:
    words.append(
      f"interlaced, {info.fields} field first: made progressive (bwdif; --keep_interlaced keeps it)"
    )
  if info.bits > depth and not info.color.is_hdr:
    words.append(f"{info.bits} bits a channel are written as {depth}")
  return words


def _tracks(
  info: VideoInfo, target: Path, container: str, sound: Sound, words: list[str]
) -> list[TrackPlan]:
  """What becomes of each track; what is lost goes to `words`."""
  kept = []
  for track in info.tracks:
    planned = None
    if track.codec is None and track.kind in ("audio", "subtitle", "video"):
      words.append(f"{track} is left out: FFmpeg does not know it")
    elif track.kind == "audio":
      planned = _sound(info, track, target, container, sound, words)
    elif track.kind == "subtitle":
      codec = containers.text_codec(container, str(track.codec))
      if codec is None:
        words.append(f"{track}: left out, {target.suffix} cannot hold them")
      else:
        planned = TrackPlan(track, None if codec == track.codec else codec)
    elif track.kind == "attachment" and containers.holds_attachments(container):
      planned = TrackPlan(track)
    elif track.kind == "attachment":
      words.append(f"{track} is left out: {target.suffix} cannot hold it")
    else:
      why = {"video": "the first film is the one that is written", "cover": "a picture of its own"}
      words.append(f"{track} is left out: {why.get(track.kind, 'it belongs to the old file')}")
    if planned is not None:
      kept.append(planned)
  lost = [each for each in kept if each.track.language or each.track.title]
  if lost and not containers.holds_languages(container):
    names = ", ".join(each.track.language or each.track.title for each in lost)
    words.append(f"languages and titles of tracks ({names}): {target.suffix} cannot hold them")
  return kept


def _sound(
  info: VideoInfo, track: Track, target: Path, container: str, sound: Sound, words: list[str]
) -> TrackPlan | None:
  if sound == "drop":
    return None
  encoder = containers.sound_encoder(container)
  codec = str(track.codec)
  if sound == "copy":
    if containers.copies_sound(container, codec) and _can_copy(info, track, container):
      return TrackPlan(track)
    name = {"aac": "AAC", "libopus": "Opus"}.get(encoder, "PCM")
    words.append(
      f"{track}: {target.suffix} cannot hold it, encoded as {name} (--sound=drop leaves it out)"
    )
  return TrackPlan(track, encoder)


def _can_copy(info: VideoInfo, track: Track, container: str) -> bool:
  """Tries it with the first packets, into a file that is nowhere."""
  tried = 0
  try:
    with (
      opened(info.path) as (source, _),
      av.open(os.devnull, "w", format=container) as out,
    ):
      stream = source.streams[track.index]
      copied = out.add_stream_from_template(stream)
      start: Fraction | None = None
      for packet in demuxed(source, stream):
        if packet.dts is None or not packet.size:
          continue
        start = packet.dts if start is None else start
        packet.dts -= start
        packet.pts = packet.dts
        packet.stream = copied
        out.mux(packet)
        tried += 1
        if tried == _TRIED:
          break
  except (av.FFmpegError, ValueError):
    return False
  return True


def _check_constant(info: VideoInfo, target: Path) -> None:
  """Refuses stamps that lie on no grid of the rate, for a container that has none."""
  rate = info.average_rate
  stamps = []
  try:
    with opened(info.path) as (container, stream):
      for packet in demuxed(container, stream):
        if packet.size and packet.pts is not None:
          stamps.append(packet.pts * (fraction(packet.time_base) or 0))
  except av.FFmpegError:
    return  # the reader says what is wrong
  first = min(stamps, default=Fraction(0))
  for stamp in stamps:
    place = (stamp - first) * rate
    if abs(place - round(place)) > Fraction(1, 4):
      raise UserError(
        f"{target}: an AVI has one constant frame rate, but the time stamps of {info.path} vary "
        f"(frame at {float(stamp - info.start):.3f} s); write to a .mp4 or .mkv file"
      )


def _size(info: VideoInfo, width: int, height: int) -> int:
  frames = info.expected_frames or 1000
  return int(frames * width * height * _BITS_PER_PIXEL / 8) + 10**5


def _check_space(target: Path, size: int, words: list[str]) -> None:
  """Refuses a disk that cannot hold so many bytes more."""
  if not target.parent.is_dir():
    raise UserError(f"{target}: the folder {target.parent} does not exist; create it first")
  free = shutil.disk_usage(target.parent).free
  if free < _SURE * size:
    raise UserError(
      f"{target}: the disk has {free / 1e9:.2f} GB left, and the result takes about "
      f"{size / 1e9:.2f} GB while it is written; make room, or write to another disk"
    )
  if free < size:
    words.append(
      f"the disk may be too small: {free / 1e9:.2f} GB are left, about {size / 1e9:.2f} GB needed"
    )
