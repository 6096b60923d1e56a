"""Sound, subtitles, attachments, chapters and titles on their way from a file into another."""

import collections
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

from llve_jax.io.video import containers
from llve_jax.io.video.plan import Plan, TrackPlan
from llve_jax.io.video.rational import fraction
from llve_jax.io.video.reader import VideoReader
from llve_jax.io.video.sound import EncodedSound
from llve_jax.io.video.text import Text

_LONGEST_WARM_UP = Fraction(-1, 10)  # seconds from the start


class _Track(Protocol):
  """Turns packets of the source into packets of the target."""

  def packets(self, packet: Any) -> list[Any]:
    """Those that the next packet of the source gives."""

  def finish(self) -> list[Any]:
    """Those that are left at the end."""


class Tracks:
  """All of a plan but the pictures; fed by the packets that its reader puts aside."""

  def __init__(self, plan: Plan, reader: VideoReader):
    """Of an open reader."""
    self._plan, self._reader = plan, reader
    self._tracks: dict[int, _Track] = {}
    self._ready: collections.deque[Any] = collections.deque()

  def declare(self, container: Any) -> None:
    """Adds the tracks to an output container of PyAV, before its header is written."""
    source = self._reader.container
    container.metadata.update(self._plan.metadata)
    if self._plan.chapters:
      container.set_chapters(_moved(source.chapters(), self._plan.source.start))
    name = container.format.name
    for each in self._plan.tracks:
      stream = source.streams[each.track.index]
      if each.track.kind == "attachment":
        container.add_attachment(*each.track.file, stream.data)
      else:
        self._tracks[each.track.index] = _track(container, name, stream, each)

  def until(self, end: Fraction | None) -> Iterator[Any]:
    """Packets to be written up to `end` seconds, or all that are left."""
    aside = self._reader.aside
    while True:
      while self._ready:
        packet = self._ready[0]
        if end is not None and packet.dts * (fraction(packet.time_base) or 0) > end:
          return
        yield self._ready.popleft()
      if not aside:
        break
      packet = aside.popleft()
      if packet.stream_index in self._tracks:
        self._ready.extend(self._tracks[packet.stream_index].packets(packet))
    if end is None:
      for track in self._tracks.values():
        yield from track.finish()
      self._tracks.clear()


def _track(container: Any, name: str, stream: Any, plan: TrackPlan) -> _Track:
  made: Any
  if plan.codec is None:
    made = _Copied(container.add_stream_from_template(stream), name)
  elif plan.track.kind == "audio":
    made = EncodedSound(container, stream, plan.codec)
  else:
    made = Text(container, stream, plan.codec)
  if containers.holds_languages(name):
    metadata = {"language": plan.track.language, "title": plan.track.title}
    made.output.metadata.update({key: value for key, value in metadata.items() if value})
    if plan.track.title and name in ("mp4", "mov"):
      made.output.metadata["handler_name"] = plan.track.title  # where players of MP4 look
  made.output.disposition = plan.track.disposition
  return made


class _Copied:
  """Packet for packet.

  What an edit list cuts off is left out, and so is what lies under sound that was written already,
  where files are joined. What an encoder needs before the start to warm up, or has filled up behind
  the end, is no cut.
  """

  def __init__(self, output: Any, container: str):
    self.output, self._container = output, container
    self._before: list[Any] = []
    self._after: list[Any] = []
    self._begun = False
    self._end: int | None = None

  def packets(self, packet: Any) -> list[Any]:
    if packet.is_discard:
      (self._after if self._begun else self._before).append(packet)
      del self._after[2:]
      return []
    duration = packet.duration or 0
    if packet.dts is None:
      packet.dts = packet.pts if packet.pts is not None else self._end or 0
    if packet.pts is None:
      packet.pts = packet.dts
    is_sound = self.output.type == "audio"
    if self._end is not None and packet.dts < self._end - duration // 2 - 1 and is_sound:
      return []
    if self._container == "avi" and packet.pts < 0 and packet.pts + duration / 2 <= 0:
      return []
    given = [*self._warm_up(), packet]
    self._before, self._begun = [], True
    self._end = packet.dts + duration
    for each in given:
      each.stream = self.output
    return given

  def _warm_up(self) -> list[Any]:
    """What is to be written of the packets before the start.

    MP4 says from where on they are heard, so one serves a decoder behind a cut. Others play what is
    before 0, of which only an encoder's own warm-up is silence; AVI plays that late.
    """
    if not self._before or self._container == "avi":
      return []
    first = self._before[0]
    is_cut = first.dts * (fraction(first.time_base) or 0) < _LONGEST_WARM_UP
    if is_cut:
      return self._before[-1:] if self._container in ("mp4", "mov") else []
    return self._before

  def finish(self) -> list[Any]:
    if len(self._after) != 1:
      return []
    self._after[0].stream = self.output
    return self._after


def _moved(chapters: list[Any], start: Fraction) -> list[Any]:
  """Chapters as counted from the start of the film."""
  moved = []
  for number, chapter in enumerate(chapters, 1):
    base = fraction(chapter["time_base"]) or Fraction(1, 1000)
    offset = round(start / base)
    times = {key: max(0, chapter[key] - offset) for key in ("start", "end")}
    moved.append({**chapter, "id": number, "time_base": base, **times})
  return moved
