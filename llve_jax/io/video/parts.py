"""A video that is encoded part by part, each to be kept, and joined to one file at the end.

Each part begins with a frame that needs none before it. Packets are kept as the encoder made them,
so that the file that they are joined to is the same whenever, and by however many processes, they
were made.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from llve_jax.io.video import containers
from llve_jax.io.video.gaps import Gaps
from llve_jax.io.video.rational import fraction
from llve_jax.io.video.reader import VideoReader
from llve_jax.io.video.writer import VideoWriter

_AHEAD = 1  # seconds by which sound and subtitles are read before the pictures that they go with


class PartWriter(VideoWriter):
  """Encodes one part; arguments and `write` are those of `VideoWriter`, but no file is written."""

  def __init__(self, *given: Any, past: list[Any] | None = None, **named: Any) -> None:
    """Goes on behind the part that left `past`, see `left`."""
    super().__init__(*given, **named)
    if past is not None:
      origin, self._last_pts, self._next_pts = past
      self._origin = Fraction(origin)
    self._packets: list[Any] = []

  def __enter__(self) -> Self:
    with self._explained():
      # What the encoder is told depends on the container, but nothing is written into it.
      self._container = av.open(os.devnull, "w", format=containers.format_of(self.path))
      self._stream = self._add_video()
    self._stack = contextlib.ExitStack()
    self._stack.callback(self._close_quietly)
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    with self._stack:
      if error is None and self._encoded:
        with self._explained():
          self._mux(self._stream.encode(None))

  def _mux(self, packets: Iterable[Any]) -> None:
    self._packets += [packet for packet in packets if packet.size]

  @property
  def packets(self) -> dict[str, Any]:
    """All of the part: a tree of arrays."""
    bases = {fraction(packet.time_base) for packet in self._packets}
    base = bases.pop() if bases else None
    rows = [
      (packet.pts, packet.duration or 0, packet.size, int(packet.is_keyframe))
      for packet in self._packets
    ]
    data = b"".join(bytes(packet) for packet in self._packets)
    return {
      "base": None if base is None else str(base),
      "rows": np.array(rows, np.int64).reshape(-1, 4),
      "data": np.frombuffer(data, np.uint8),
    }

  @property
  def left(self) -> list[Any]:
    """What the next part goes on with."""
    return [str(self._origin), self._last_pts, self._next_pts]


class Joiner(VideoWriter):
  """Writes a file of parts; arguments are those of `VideoWriter`, its tracks those of a reader."""

  def join(self, parts: Callable[[], Iterable[dict[str, Any]]], reader: VideoReader) -> None:
    """Writes the packets of all parts, with the other tracks beside them.

    Args:
      parts: gives them in order, as `PartWriter.packets`; asked twice.
      reader: open and not read yet; the other tracks come from there.
    """
    stamps = np.concatenate([part["rows"][:, 0] for part in parts()])
    decoded = iter(decoding_times(stamps).tolist())
    aside = _times(reader)
    reached: Fraction | None = Fraction(0)
    for part in parts():
      for packet in self._rebuilt(part):
        packet.dts = next(decoded)
        time = packet.dts * (fraction(packet.time_base) or 0)
        while reached is not None and reached < time + _AHEAD:
          reached = next(aside, None)
        with self._explained():
          self._mux([packet])
    for _ in aside:
      pass
    self._encoded = False

  def _rebuilt(self, part: dict[str, Any]) -> Iterator[Any]:
    data, place = part["data"], 0
    for pts, duration, size, is_key in part["rows"].tolist():
      packet = av.Packet(data[place : place + size].tobytes())
      packet.pts, packet.duration = pts, duration
      packet.time_base, packet.stream = Fraction(part["base"]), self._stream
      packet.is_keyframe = bool(is_key)
      self._last_pts = pts
      place += size
      yield packet


def decoding_times(stamps: np.ndarray) -> np.ndarray:
  """When pictures are to be decoded, for those that are shown at `stamps`, in order of decoding.

  Encoders count that for each part by itself, and a short one has no picture that waits. Of all:
  the times at which pictures are shown, as many pictures late as the one that waits longest.
  """
  shown = np.sort(stamps)
  rank = np.searchsorted(shown, stamps)
  late = int(np.max(np.arange(len(stamps)) - rank, initial=0))
  step = int(shown[1] - shown[0]) if len(shown) > 1 else 1
  before = shown[:1] - step * np.arange(late, 0, -1)
  return np.concatenate([before, shown])[: len(stamps)]


def _times(reader: VideoReader) -> Iterator[Fraction]:
  """Reads a file without decoding pictures; yields the seconds up to which it was read."""
  for packet in reader.packets(Gaps(reader.info)):
    if packet.size and packet.dts is not None:
      yield packet.dts * (fraction(packet.time_base) or 0)
