"""Video files, frame by frame, with the time stamp of every frame."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Self

import av
from av.video.reformatter import VideoReformatter

from llve_jax.errors import UserError
from llve_jax.io.video import hdr, whole
from llve_jax.io.video.clock import JUMPING, Clock, Slots, spread
from llve_jax.io.video.color import to_rgb
from llve_jax.io.video.deinterlace import Shown, deinterlaced
from llve_jax.io.video.gaps import Gaps
from llve_jax.io.video.source import OnError, VideoInfo, damaged, demuxed, opened, read_info
from llve_jax.shapes import Frame8, Frame16


@dataclasses.dataclass(frozen=True)
class VideoFrame:
  """One frame: sRGB `image` [h, w, 3], uint8 or uint16, shown from `pts * time_base` seconds on.

  `duration` is in the same unit; 0 where the file does not say.
  """

  image: Frame8 | Frame16
  pts: int
  time_base: Fraction
  duration: int = 0

  @property
  def time(self) -> float:
    """Seconds."""
    return float(self.pts * self.time_base)


def read_frames(
  path: str | os.PathLike[str],
  *,
  deep: bool = False,
  keep_interlaced: bool = False,
  on_error: OnError = "stop",
) -> Iterator[VideoFrame]:
  """Streams the frames of a video; one is in memory at a time.

  Colours become sRGB: by the matrix and range of the file, HDR is brought to the brightness of a
  display; other primaries and tone curves are left as they are. Frames that a phone stored sideways
  are turned upright, interlaced ones are made progressive. Time begins with 0.

  Args:
    path: the file.
    deep: frames as uint16.
    keep_interlaced: leaves the two fields of a frame interlaced.
    on_error: "skip" goes on behind damage, and shows the last good frame for each one missing.

  Raises:
    UserError: at once, as `read_info`; while iterating, the data is damaged or ends early (unless
      `on_error` is "skip"), or the size of the frames changes.
  """
  info = read_info(path, on_error=on_error)
  return _streamed(info, deep, keep_interlaced, on_error)


def _streamed(
  info: VideoInfo, deep: bool, keep_interlaced: bool, on_error: OnError
) -> Iterator[VideoFrame]:
  with VideoReader(
    info, deep=deep, keep_interlaced=keep_interlaced, on_error=on_error, aside=False
  ) as reader:
    yield from reader.frames()


class VideoReader:
  """An open video: a context manager.

  Attributes:
    info: see `read_info`.
    container: of PyAV, once entered.
    aside: packets of the other tracks, their time counted from 0, as they came by.
    faults: what was missing, where `on_error` is "skip"; complete behind the last frame.
  """

  def __init__(
    self,
    info: VideoInfo,
    *,
    deep: bool = False,
    keep_interlaced: bool = False,
    on_error: OnError = "stop",
    aside: bool = True,
  ):
    """As `read_frames`.

    Args:
      info: of the file.
      deep: see `read_frames`.
      keep_interlaced: see `read_frames`.
      on_error: see `read_frames`.
      aside: whether packets of the other tracks are wanted.
    """
    self.info, self._deep, self._on_error = info, deep, on_error
    self._deinterlace = bool(info.fields) and not keep_interlaced
    self._wants_aside = aside
    self.container: Any = None
    self.aside: collections.deque[Any] = collections.deque()
    self.faults: list[str] = []
    self._reformatter = VideoReformatter()

  def __enter__(self) -> Self:
    self._opened = opened(self.info.path)
    self.container, self._stream = self._opened.__enter__()
    return self

  def __exit__(self, *error: Any) -> None:
    self.aside.clear()
    self._opened.__exit__(*error)

  def frames(self, skip: int = 0) -> Iterator[VideoFrame]:
    """Yields every frame, once, but the first `skip`; raises as `read_frames`."""
    info = self.info
    shown: Iterator[Shown] = self._evened()
    if self._deinterlace:
      shown = deinterlaced(shown, info.time_base)
    for frame, pts, duration in itertools.islice(shown, skip, None):
      yield VideoFrame(self.image(frame), pts, info.time_base, duration)

  def _evened(self) -> Iterator[Shown]:
    """Decoded frames with stamps that increase."""
    for count, (pts, (frame, duration)) in enumerate(spread(self._decoded(), self.info.step)):
      self._check_size(frame, count)
      yield frame, pts, duration

  def _decoded(self) -> Iterator[tuple[int | None, tuple[Any, int]]]:
    """Yields (stamp, (frame, duration)), and for each that is missing the one before again."""
    info = self.info
    slots = Slots() if info.family == whole.AVI else None
    gaps, last, end = Gaps(info), None, Fraction(0)
    for packet in self.packets(gaps):
      if packet.size and not packet.is_discard:
        gaps.promise(packet.pts if slots is None else packet.dts)
        if slots is not None:
          slots.add(packet.dts)
      try:
        frames = packet.decode()
      except av.FFmpegError:
        gaps.damage()  # of which frame, those that come next tell
        continue
      for frame in frames:
        stamp = frame.pts if slots is None else slots.take()
        duration = frame.duration or 0
        for missing in gaps.until(stamp):
          self._stop(gaps, missing * info.time_base)
          if last is not None:
            yield missing, (last, info.step)
        gaps.good += 1
        last = frame
        yield stamp, (frame, duration)
        end = max(end, ((stamp or 0) + duration) * info.time_base)
    for missing in gaps.until(None):
      self._stop(gaps, missing * info.time_base)
      if last is not None:
        yield missing, (last, info.step)
    self.faults += gaps.faults()
    if self.faults:
      self._stop(gaps, end)

  def packets(self, gaps: Gaps) -> Iterator[Any]:
    """Packets of the pictures, the empty one that asks for the last frames among them."""
    info, container, stream = self.info, self.container, self._stream
    clock = Clock(info.start, stream.index, jumping=container.format.name in JUMPING)
    damage, count, end = False, 0, 0.0
    flush: Any = None
    try:
      for packet in demuxed(container):
        damage |= packet.is_corrupt and bool(info.family)
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
          end = max(end, float((stamp + (packet.duration or 0)) * packet.time_base))
        clock.move(packet)
        if packet.stream.index != stream.index:  # `stream_index` of an empty one says nothing
          if self._wants_aside and packet.size:
            self.aside.append(packet)
          continue
        count += bool(packet.size) and not packet.is_discard
        if packet.size:
          yield packet
        elif stamp is None:
          flush = packet  # else a picture that is as the one before
    except (av.FFmpegError, IndexError):  # PyAV does not know a track that begins later
      damage = True
    if flush is None:
      flush = av.Packet()
      flush.stream = stream
    # Packets, not frames: pictures that lean on some before a cut are skipped by every player.
    promised = whole.promised_end(container, stream)
    short = max(3 / float(info.average_rate), 0.1)
    if damage or count < (info.frame_count or 0) or end < promised - short:
      gaps.cut_off(end - float(info.start), promised - float(info.start))
    yield flush

  def _stop(self, gaps: Gaps, time: Any) -> None:
    """Raises, unless damage is to be skipped; `time`: seconds at which it is."""
    if self._on_error == "stop":
      raise damaged(self.info.path, gaps.good, gaps.expected, time)

  def image(self, frame: Any) -> Frame8 | Frame16:
    """A decoded frame of this file as sRGB, upright."""
    color = self.info.color
    image: Any = to_rgb(frame, color, self._reformatter, deep=self._deep or color.is_hdr)
    if color.is_hdr:
      image = hdr.to_sdr(image, color.transfer, color.primaries, deep=self._deep)
    return self.info.turn(image)

  def _check_size(self, frame: Any, index: int) -> None:
    info = self.info
    found = (frame.height, frame.width) if info.turn.exchanged else (frame.width, frame.height)
    if found != (info.width, info.height):
      raise UserError(
        f"{info.path}: frame {index} is {found[0]}x{found[1]}, those before it "
        f"{info.width}x{info.height}; cut the file where the size changes"
      )
