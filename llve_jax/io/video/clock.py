"""Time stamps that start at 0 and go on, whatever those of the file do.

What is joined (a second transport stream behind the first) begins to count anew: it is continued,
by the same amount for picture, sound and text, so that they stay in step. Pictures without a stamp,
or with that of another, are spread between their neighbours.
"""

import collections
import heapq
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, TypeVar

from llve_jax.io.video.rational import fraction

T = TypeVar("T")

_LEAST_BACK = Fraction(1, 10)  # seconds by which a track runs back where something was joined
_LEAST_AHEAD = 10  # seconds by which it jumps ahead, in what is broadcast
_MOST_HELD = 8  # pictures that wait for a good stamp
_WARM_UP = Fraction(-1, 10)  # seconds before 0: sound of an encoder's warm-up, which is not heard
JUMPING = {"mpegts", "mpeg", "flv"}
"""Formats in which a jump ahead is no pause."""


def start_of(container: Any, first: Fraction | None) -> Fraction:
  """Seconds of the first picture or sound of an open file: the moment that becomes 0.

  Args:
    container: of PyAV.
    first: seconds of the first picture, where the file says; FFmpeg only guesses the start of its
      track.
  """
  starts = [] if first is None else [first]
  for stream in container.streams.audio:
    base = fraction(stream.time_base)
    if stream.start_time is not None and base is not None:
      start = stream.start_time * base
      starts.append(Fraction(0) if _WARM_UP < start < 0 else start)
  return min(starts, default=Fraction(0))


class Clock:
  """Moves the time stamps of the packets of one file, in the order in which they are read."""

  def __init__(self, start: Fraction, video: int, *, jumping: bool):
    """A clock for a file.

    Args:
      start: seconds that become 0.
      video: index of the track of the pictures.
      jumping: whether a jump ahead is a join, too, and no pause.
    """
    self._offsets = [-start]  # seconds, of each part of what was joined
    self._video, self._jumping = video, jumping
    self._part: dict[int, int] = {}
    self._last: dict[int, Fraction] = {}  # decoding time of the last packet, as read
    self._ends: dict[int, Fraction] = {}  # where a track is to go on, moved
    self._longest: dict[int, Fraction] = {}

  def move(self, packet: Any) -> None:
    """Changes `pts` and `dts` of the next packet."""
    base = fraction(packet.time_base)
    if base is None or (packet.pts is None and packet.dts is None):
      return
    track = packet.stream_index
    if packet.dts is not None:
      dense = packet.stream.type in ("video", "audio")
      self._follow(track, packet.dts * base, (packet.duration or 0) * base, dense)
    offset = round(self._offsets[self._part.get(track, 0)] / base)
    packet.pts = None if packet.pts is None else packet.pts + offset
    packet.dts = None if packet.dts is None else packet.dts + offset

  def _follow(self, track: int, time: Fraction, duration: Fraction, dense: bool) -> None:
    last = self._last.get(track)
    step = duration or (time - last if last is not None and time > last else Fraction(0))
    if last is not None and self._is_join(track, time, last, dense):
      part = self._part[track] = self._part.get(track, 0) + 1
      if part == len(self._offsets):
        # Pictures go on evenly; where sound comes first, nothing may overlap.
        end = self._ends[track] if track == self._video else max(self._ends.values())
        self._offsets.append(end - time)
      step = duration or self._longest.get(track, Fraction(0))
    self._last[track] = time
    self._longest[track] = step
    self._ends[track] = time + self._offsets[self._part.get(track, 0)] + step

  def _is_join(self, track: int, time: Fraction, last: Fraction, dense: bool) -> bool:
    part = self._part.get(track, 0)
    if dense and part + 1 < len(self._offsets):  # another track came there before
      here, there = (
        abs(time + self._offsets[index] - self._ends[track]) for index in (part, part + 1)
      )
      return there < here
    return time - last < -_LEAST_BACK or (self._jumping and time - last > _LEAST_AHEAD)


class Slots:
  """Stamps for a file that stores none, such as AVI: pictures in turn take those of packets.

  An AVI counts frames in the order of decoding; with B-frames the pictures come in another.
  """

  def __init__(self) -> None:
    self._stamps: list[int] = []

  def add(self, stamp: int | None) -> None:
    """A packet that holds a picture."""
    if stamp is not None:
      heapq.heappush(self._stamps, stamp)

  def drop(self) -> None:
    """A packet held none."""
    self.take()

  def take(self) -> int | None:
    """The stamp of the next picture."""
    return heapq.heappop(self._stamps) if self._stamps else None


def spread(items: Iterable[tuple[int | None, T]], step: int) -> Iterator[tuple[int, T]]:
  """Gives every picture a stamp later than that of the one before.

  Args:
    items: pictures with the stamps of the file, if any.
    step: from one to the next where nothing tells.
  """
  last: int | None = None
  held: collections.deque[T] = collections.deque()
  for stamp, item in items:
    if stamp is None or (last is not None and stamp <= last):
      held.append(item)
      if len(held) > _MOST_HELD:
        last = 0 if last is None else last + step
        yield last, held.popleft()
      continue
    count = len(held)
    start = stamp - (count + 1) * step if last is None else last
    for index in range(1, count + 1):
      yield start + (stamp - start) * index // (count + 1), held.popleft()
    yield stamp, item
    last = stamp
  while held:
    last = 0 if last is None else last + step
    yield last, held.popleft()
