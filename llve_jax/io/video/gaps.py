"""Which pictures of a damaged video are missing, and when they were to be shown."""

import heapq
from collections.abc import Iterator

from llve_jax.io.video.source import VideoInfo


class Gaps:
  """Compares the packets that were read with the frames that came of them.

  Attributes:
    good: frames that came.
    expected: frames that the file promises, where it does.
  """

  def __init__(self, info: VideoInfo):
    """Of one file."""
    self._info = info
    self._promised: list[int] = []
    self._damaged = False
    self._missing: list[int] = []
    self._notes: list[str] = []
    self.good = 0
    self.expected = info.expected_frames

  def promise(self, stamp: int | None) -> None:
    """A packet with a picture to be shown then."""
    if stamp is not None:
      heapq.heappush(self._promised, stamp)

  def damage(self) -> None:
    """Something could not be decoded; frames in flight are affected, too."""
    self._damaged = True

  def until(self, stamp: int | None) -> Iterator[int]:
    """The next frame has come, or None for the end: yields the stamps of those missing before it.

    Without damage a packet may hold no picture that is shown: that is none missing.
    """
    while self._promised and (stamp is None or self._promised[0] < stamp):
      missing = heapq.heappop(self._promised)
      if self._damaged:
        self._missing.append(missing)
        yield missing
    if self._promised and self._promised[0] == stamp:
      heapq.heappop(self._promised)

  def cut_off(self, end: float, promised: float) -> None:
    """The file ends before its header says so; seconds."""
    if promised > end:
      self.expected = self._info.frame_count or round(promised * self._info.average_rate)
      self._notes.append(f"ends at {end:.2f} s, {promised - end:.2f} s are missing")
    else:
      self._notes.append("some of its data is damaged or missing")

  def faults(self) -> list[str]:
    """A line for every run of missing frames, and for a missing end."""
    base, step = self._info.time_base, self._info.step
    runs: list[list[int]] = []
    for stamp in self._missing:
      if runs and stamp - runs[-1][-1] < 2 * step:
        runs[-1].append(stamp)
      else:
        runs.append([stamp])
    lines = [
      f"{float(run[0] * base):.2f} to {float((run[-1] + step) * base):.2f} s: "
      f"{len(run)} {'frame' if len(run) == 1 else 'frames'} could not be read; the last good "
      "one is shown"
      for run in runs
    ]
    if self._damaged and not runs:
      lines.append("some of its data could not be read")
    return lines + self._notes
