"""Video files with the time stamps, colours and tracks of the video they were made from.

H.264 (VP9 in .webm); luma and chroma have limited range whatever the source had. AVI stores no time
stamps: it is written without B-frames, and only for a constant rate.
"""

import contextlib
import dataclasses
import functools
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
from llve_jax.io.video import containers
from llve_jax.io.video.color import BT709, SRGB_TRANSFER, ColorTags, default_tags, from_rgb
from llve_jax.io.video.rational import fraction
from llve_jax.io.video.source import VideoInfo, url
from llve_jax.io.video.tracks import Tracks
from llve_jax.ops.frames import to_8_bit, to_16_bit
from llve_jax.shapes import Frame8

_FINEST_TIME_BASE = Fraction(1, 2**31 - 1)
_AVI_TOLERANCE = Fraction(1, 4)  # of a frame


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
    tracks: Tracks | None = None,
    depth: int = 8,
    fields: str = "",
    crf: int = 16,
    preset: str = "medium",
  ) -> None:
    """Describes the file; nothing is written yet.

    Args:
      path: ends in one of `containers.OUTPUT_FORMATS`.
      width: columns of a frame.
      height: rows of a frame.
      rate: frames per second; taken from `source` if it is not given.
      source: the video the frames come from: its time base, colour tags and pixel aspect are taken
        over.
      tracks: sound, subtitles, chapters and the rest to be written, too.
      depth: bits of a channel: 8 or 10.
      fields: "top" or "bottom" where frames are interlaced, see `VideoInfo`.
      crf: x264's constant rate factor: 0 is lossless (4:2:0 aside), 23 its own default.
      preset: x264's speed, "ultrafast" to "veryslow".

    Raises:
      UserError: unknown suffix or depth. On entering: the folder does not exist. While writing: the
        container cannot hold the time stamps, or the disk is full.
    """
    self.path = containers.check_output_suffix(path)
    if rate is None and source is None:
      raise ValueError("VideoWriter needs a rate or a source")
    self._size = (width, height)
    self._rate = Fraction(rate if rate is not None else source.average_rate)  # type: ignore[union-attr]
    self._source, self._tracks, self._fields = source, tracks, fields
    self._pictures = containers.pictures(self.path, width, height, depth)
    self._tags = written_tags(source.color) if source else default_tags(height)
    self._options = encoder_options(self._pictures.encoder, crf=crf, preset=preset, fields=fields)
    self._is_avi = containers.format_of(self.path) == "avi"
    self.time_base = source.time_base if source else 1 / self._rate
    self._written_base = 1 / self._rate if self._is_avi else max(self.time_base, _FINEST_TIME_BASE)
    self._origin = Fraction(0)
    self._last_pts: int | None = None
    self._next_pts = 0
    self._encoded = False  # whether the encoder may hold frames
    self._reformatter = VideoReformatter()

  def __enter__(self) -> Self:
    with contextlib.ExitStack() as stack:
      temporary = stack.enter_context(replacing(self.path))
      with self._explained():
        self._container: Any = av.open(
          url(temporary),
          "w",
          format=containers.format_of(self.path),
          container_options=self._container_options(),
        )
        stack.callback(self._close_quietly)
        self._stream = self._add_video()
        if self._tracks is not None:
          self._tracks.declare(self._container)
        self._container.start_encoding()
      self._stack = stack.pop_all()
    return self

  def write(
    self,
    image: np.ndarray,
    pts: int | None = None,
    duration: int = 0,
  ) -> None:
    """Encodes the next frame [h, w, 3], shown from `pts * time_base` seconds on.

    Without `pts` it follows the frame before. A stamp that is not later than the one before (files
    of broken recorders) is moved to the next free unit, so that no frame is lost. `duration` is in
    units of `time_base`; 0 takes the rate's.

    Args:
      image: uint8, uint16, or float32 in [0, 1].
      pts: see above.
      duration: see above.
    """
    width, height = self._size
    if image.shape != (height, width, 3) or image.dtype not in (np.uint8, np.uint16, np.float32):
      raise ValueError(
        f"{self.path}: expected a uint8, uint16 or float32 frame [{height}, {width}, 3], found "
        f"{image.dtype} {list(image.shape)}"
      )
    if image.dtype == np.float32:
      deep = "10" in self._pictures.pixels
      image = to_16_bit(image) if deep else to_8_bit(image)
    pts = self._next_pts if pts is None else pts
    duration = duration or max(1, round(1 / (self._rate * self.time_base)))
    self._next_pts = pts + duration
    frame = from_rgb(image, self._stream.pix_fmt, self._tags.matrix, self._reformatter)
    frame.pts = self._on_written_base(pts)
    frame.duration = max(1, round(duration * self.time_base / self._written_base))
    frame.time_base = self._written_base
    frame.pict_type = 0
    self._encoded = True
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
        if self._encoded:
          self._mux(self._stream.encode(None))
        self._mux_tracks(None)
        self._container.close()

  def _container_options(self) -> dict[str, str]:
    if self.path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
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
    stream: Any = self._container.add_stream(
      self._pictures.encoder, rate=self._rate, options=self._options
    )
    stream.width, stream.height = width, height
    stream.pix_fmt = self._pictures.pixels
    context = stream.codec_context
    context.time_base = self._written_base
    stream.time_base = self._written_base
    context.flags |= Flags.frame_duration
    if self._fields:
      context.flags |= Flags.interlaced_dct | Flags.interlaced_me
    context.colorspace = self._tags.matrix
    context.color_range = ColorRange.MPEG
    context.color_primaries = self._tags.primaries
    context.color_trc = self._tags.transfer
    if self._is_avi:
      context.max_b_frames = 0
    if self._source:
      context.sample_aspect_ratio = self._source.pixel_aspect
    return stream

  def _on_written_base(self, pts: int) -> int:
    """A time stamp in the units that are encoded; strictly later than the one before."""
    if self._is_avi and self._last_pts is None:
      # The first frame must lie on the grid of frames, as far after the sound as it was.
      time = pts * self.time_base
      # Less than a frame is none: FFmpeg reads what is empty before the first frame as that frame.
      wait = time * self._rate if self._source and time * self._rate >= 1 else Fraction(0)
      self._origin = time - round(wait) / self._rate
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
        self._mux_tracks(packet.dts * (fraction(packet.time_base) or 0))
      self._container.mux(packet)

  def _mux_tracks(self, end: Fraction | None) -> None:
    """Muxes what the other tracks have up to `end` seconds, or all that is left."""
    if self._tracks is not None:
      for packet in self._tracks.until(end):
        self._container.mux(packet)

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


def written_tags(source: ColorTags) -> ColorTags:
  """The colour tags of a result: those of the source, those of sRGB where that was HDR."""
  if source.is_hdr:
    return ColorTags(BT709, primaries=BT709, transfer=SRGB_TRANSFER)
  return dataclasses.replace(source, full_range=False)


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


def encoder_options(
  encoder: str, *, crf: int = 16, preset: str = "medium", fields: str = ""
) -> dict[str, str]:
  """Options of FFmpeg's encoder; the arguments are those of `VideoWriter`."""
  if encoder == "libvpx-vp9":
    # Its scale of 0 to 63 has the same quality about 8 later; 0 bits/s lets it rule alone.
    quality = {"crf": str(crf + 8), "b": "0"} if crf else {"lossless": "1"}
    return quality | {"deadline": "good", "cpu-used": "4", "row-mt": "1"}
  further = {"top": ["tff=1"], "bottom": ["bff=1"]}.get(fields, [])
  if encoder == "libx264" and _has_avx512():
    further.append("asm=AVX2")  # with AVX-512 its mbtree gives other bits of the same frames
  options = {"crf": str(crf), "preset": preset}
  return options | ({"x264-params": ":".join(further)} if further else {})


@functools.cache
def _has_avx512(path: Path = Path("/proc/cpuinfo")) -> bool:
  """Whether this processor knows AVX-512, as far as the system says."""
  try:
    return "avx512" in path.read_text()
  except OSError:
    return False
