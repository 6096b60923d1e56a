"""H.264 files with the time stamps, colours and sound of the video they were made from.

4:2:0 cannot hold an odd width or height, so a clip with an odd side is stored as 4:4:4 ("High 4:4:4
Predictive": ffmpeg, mpv, VLC, Chrome and Firefox play it, some television sets do not) at exactly
its size. Luma and chroma have limited range whatever the source had. AVI stores no time stamps: it
is written without B-frames, and only for a constant rate.
"""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorRange, VideoReformatter

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.io.video_color import default_tags, from_rgb
from llve_jax.io.video_reader import VideoInfo, fraction
from llve_jax.shapes import Frame8

OUTPUT_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi"}
_FINEST_TIME_BASE = Fraction(1, 2**31 - 1)
# A file that starts later is a piece of a broadcast, whose clock started long before: its time
# stamps are counted from its start.
_LATEST_START = 10  # seconds
_AVI_TOLERANCE = Fraction(1, 4)  # of a frame


def check_output_suffix(path: str | os.PathLike[str]) -> Path:
  """Returns the path.

  Raises:
    UserError: no container of `OUTPUT_FORMATS` has this suffix.
  """
  path = Path(path)
  if path.suffix.lower() not in OUTPUT_FORMATS:
    raise UserError(
      f"{path}: cannot write a video with the suffix {path.suffix!r}; use one of "
      f"{' '.join(OUTPUT_FORMATS)}"
    )
  return path


class VideoWriter:
  """Writes frames to a video file; a context manager. The file appears when it ends without error.

  Attributes:
    path: the file to write.
    time_base: seconds per unit of `write`'s time stamps.
  """

  def __init__(
    self,
    path: str | os.PathLike[str],
    width: int,
    height: int,
    *,
    rate: Fraction | int | None = None,
    source: VideoInfo | None = None,
    crf: int = 16,
    preset: str = "medium",
  ) -> None:
    """Describes the file; nothing is written yet.

    Args:
      path: ends in one of `OUTPUT_FORMATS`.
      width: columns of a frame.
      height: rows of a frame.
      rate: frames per second; taken from `source` if it is not given.
      source: the video the frames come from: its time base, colour tags, pixel aspect and audio
        streams (packet for packet) are taken over.
      crf: x264's constant rate factor: 0 is lossless (4:2:0 aside), 23 its own default.
      preset: x264's speed, "ultrafast" to "veryslow".

    Raises:
      UserError: unknown suffix. On entering: the folder does not exist, the container cannot hold
        the sound. While writing: the container cannot hold the time stamps, or the disk is full.
    """
    self.path = check_output_suffix(path)
    if rate is None and source is None:
      raise ValueError("VideoWriter needs a rate or a source")
    self._size = (width, height)
    self._rate = Fraction(rate if rate is not None else source.average_rate)  # type: ignore[union-attr]
    self._source = source
    tags = source.color if source else default_tags(height)
    self._tags = dataclasses.replace(tags, full_range=False)
    self._options = {"crf": str(crf), "preset": preset}
    self._is_avi = self.path.suffix.lower() == ".avi"
    self.time_base = source.time_base if source else 1 / self._rate
    self._written_base = 1 / self._rate if self._is_avi else max(self.time_base, _FINEST_TIME_BASE)
    self._origin = source.start if source and source.start > _LATEST_START else Fraction(0)
    self._last_pts: int | None = None
    self._next_pts = 0
    self._held_audio: tuple[Any, Any] | None = None
    self._reformatter = VideoReformatter()

  def __enter__(self) -> Self:
    with contextlib.ExitStack() as stack:
      temporary = stack.enter_context(replacing(self.path))
      with self._explained():
        self._container: Any = av.open(
          str(temporary),
          "w",
          format=OUTPUT_FORMATS[self.path.suffix.lower()],
          container_options=self._container_options(),
        )
        stack.callback(self._close_quietly)
        self._stream = self._add_video()
        self._audio = self._add_audio(stack)
        self._container.start_encoding()
      self._stack = stack.pop_all()
    return self

  def write(
    self,
    image: Frame8,
    pts: int | None = None,
    duration: int = 0,
  ) -> None:
    """Encodes the next frame, uint8 [h, w, 3], shown from `pts * time_base` seconds on.

    Without `pts` it follows the frame before. A stamp that is not later than the one before (files
    of broken recorders) is moved to the next free unit, so that no frame is lost. `duration` is in
    units of `time_base`; 0 takes the rate's.
    """
    width, height = self._size
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
      raise ValueError(
        f"{self.path}: expected a uint8 frame [{height}, {width}, 3], found {image.dtype} "
        f"{list(image.shape)}"
      )
    pts = self._next_pts if pts is None else pts
    duration = duration or max(1, round(1 / (self._rate * self.time_base)))
    self._next_pts = pts + duration
    frame = from_rgb(image, self._stream.pix_fmt, self._tags.matrix, self._reformatter)
    frame.pts = self._on_written_base(pts)
    frame.duration = max(1, round(duration * self.time_base / self._written_base))
    frame.time_base = self._written_base
    frame.pict_type = 0
    with self._explained():
      self._mux(self._stream.encode(frame))

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    if error is not None:
      self._stack.__exit__(kind, error, trace)
      return
    with self._stack:
      if self._last_pts is None:
        raise UserError(f"{self.path}: expected at least one frame to write, found none")
      with self._explained():
        self._mux(self._stream.encode(None))
        self._copy_audio_until(None)
        self._container.close()

  def _container_options(self) -> dict[str, str]:
    if self.path.suffix.lower() not in (".mp4", ".mov"):
      # Sound that starts before 0 (an encoder's warm-up) must not push the pictures back.
      return {"avoid_negative_ts": "disabled"}
    # When the pictures start is counted in another unit than their time stamps, by default 1/1000.
    units = self._written_base.denominator
    return {
      "movflags": "+faststart",  # the index at the front: plays while it is downloaded
      "movie_timescale": str(units * math.ceil(1000 / units)),
    }

  def _add_video(self) -> Any:
    width, height = self._size
    stream: Any = self._container.add_stream("libx264", rate=self._rate, options=self._options)
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    context = stream.codec_context
    context.time_base = self._written_base
    stream.time_base = self._written_base
    context.flags |= Flags.frame_duration
    context.colorspace = self._tags.matrix
    context.color_range = ColorRange.MPEG
    context.color_primaries = self._tags.primaries
    context.color_trc = self._tags.transfer
    if self._is_avi:
      context.max_b_frames = 0
    if self._source:
      context.sample_aspect_ratio = self._source.pixel_aspect
    return stream

  def _add_audio(self, stack: contextlib.ExitStack) -> Iterator[tuple[Any, Any]]:
    """Declares the source's audio streams; returns its (packet, output stream) pairs in order."""
    if self._source is None or not self._source.has_audio:
      return iter(())
    source: Any = stack.enter_context(av.open(str(self._source.path)))
    outputs = {}
    for stream in source.streams.audio:
      try:
        outputs[stream.index] = self._container.add_stream_from_template(stream)
      except ValueError as error:
        raise UserError(
          f"{self.path}: {self.path.suffix} cannot hold the sound of {self._source.path} "
          f"({stream.codec_context.name}); write to a .mkv file, which can"
        ) from error
    packets = source.demux(*source.streams.audio)
    return ((packet, outputs[packet.stream.index]) for packet in packets if packet.size)

  def _on_written_base(self, pts: int) -> int:
    """A time stamp in the units that are encoded; strictly later than the one before."""
    if self._is_avi and self._last_pts is None:
      # The first frame must lie on the grid of frames, as far after the sound as it was.
      time = pts * self.time_base
      wait = time - self._source.start if self._source else 0
      self._origin = time - max(0, round(wait * self._rate)) / self._rate
    exact = (pts * self.time_base - self._origin) / self._written_base
    stamp = round(exact)
    if self._is_avi and abs(exact - stamp) > _AVI_TOLERANCE:
      raise UserError(
        f"{self.path}: an AVI has one constant frame rate, but the time stamps of "
        f"{self._source.path if self._source else 'these frames'} vary (frame at "
        f"{float(pts * self.time_base):.3f} s); write to a .mp4 or .mkv file"
      )
    if self._last_pts is not None:
      stamp = max(stamp, self._last_pts + 1)
    self._last_pts = stamp
    return stamp

  def _mux(self, packets: Iterable[Any]) -> None:
    """Muxes video packets, each after the sound that comes before it."""
    for packet in packets:
      if packet.dts is not None:
        self._copy_audio_until(packet.dts * fraction(packet.time_base))
      self._container.mux(packet)

  def _copy_audio_until(self, end: Fraction | None) -> None:
    """Muxes the sound up to `end` seconds of the written file, or all that is left."""
    while True:
      if self._held_audio is None:
        self._held_audio = next(self._audio, None)
      if self._held_audio is None:
        return
      packet, output = self._held_audio
      base = fraction(packet.time_base) or Fraction(1)
      origin = round(self._origin / base)
      stamp = packet.pts if packet.dts is None else packet.dts
      if end is not None and stamp is not None and (stamp - origin) * base > end:
        return
      if origin:
        packet.pts = None if packet.pts is None else packet.pts - origin
        packet.dts = None if packet.dts is None else packet.dts - origin
      packet.stream = output
      self._container.mux(packet)
      self._held_audio = None

  @contextlib.contextmanager
  def _explained(self) -> Iterator[None]:
    """Turns an error of the encoder or the file system into one a user can read."""
    try:
      yield
    except av.FFmpegError as error:
      raise UserError(f"{self.path}: cannot be written: {error.strerror}") from error

  def _close_quietly(self) -> None:
    with contextlib.suppress(av.FFmpegError):
      self._container.close()


def write_video(
  path: str | os.PathLike[str], frames: Iterable[Frame8], rate: Fraction | int, *, crf: int = 16
) -> None:
  """Writes frames, uint8 [h, w, 3] each, at a constant rate and without sound.

  Raises:
    UserError: as `VideoWriter`; or there is no frame.
  """
  iterator = iter(frames)
  first = next(iterator, None)
  if first is None:
    raise UserError(f"{path}: expected at least one frame to write, found none")
  height, width = first.shape[:2]
  with VideoWriter(path, width, height, rate=rate, crf=crf) as writer:
    writer.write(first)
    for frame in iterator:
      writer.write(frame)
