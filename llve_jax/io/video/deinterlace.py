"""Interlaced frames made progressive: FFmpeg's bwdif, one frame for each (no doubled rate)."""

import collections
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph

# Frames that are not marked interlaced pass as they are.
_OPTIONS = "mode=send_frame:parity=auto:deint=interlaced"

Shown = tuple[Any, int, int]
"""A decoded frame, its time stamp and its duration."""


def deinterlaced(frames: Iterable[Shown], time_base: Fraction) -> Iterator[Shown]:
  """The frames, as many, with their time stamps and durations, and no combs.

  Args:
    frames: of one size and pixel format.
    time_base: seconds per unit of their stamps.
  """
  graph: Any = None
  waiting: collections.deque[tuple[int, int]] = collections.deque()
  for frame, pts, duration in frames:
    if graph is None:
      graph = _graph(frame, time_base)
    frame.pts, frame.time_base = pts, time_base
    waiting.append((pts, duration))
    graph.vpush(frame)
    yield from _out(graph, waiting)
  if graph is not None:
    graph.vpush(None)
    yield from _out(graph, waiting)


def _graph(frame: Any, time_base: Fraction) -> Any:
  graph = Graph()
  buffer = graph.add_buffer(
    width=frame.width, height=frame.height, format=frame.format, time_base=time_base
  )
  graph.link_nodes(buffer, graph.add("bwdif", _OPTIONS), graph.add("buffersink")).configure()
  return graph


def _out(graph: Any, waiting: collections.deque[tuple[int, int]]) -> Iterator[Shown]:
  while waiting:
    try:
      frame = graph.vpull()
    except (av.BlockingIOError, av.EOFError):
      return
    yield frame, *waiting.popleft()
