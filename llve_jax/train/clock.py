"""Where the time of a run goes, by kind."""

import contextlib
import time
from collections.abc import Callable, Iterator

STEPS, OTHER = "compute", "other"
KINDS = (STEPS, "data", "compile", "evaluation", "save", "restore", OTHER)


class Clock:
  """Splits the time since it was made into `KINDS`; what is not measured is "other".

  Every second counts once: what is measured within a measurement is no part of the outer one. The
  seconds of all laps and kinds together are those that have passed.

  Steps are dispatched and run on while the host goes ahead, so a lap says something about steps
  only where the host has just fetched a result of the last one. Even then "data" is how long the
  host waited, at most some of which the device stood still.

  To be used by one thread.
  """

  def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
    """Starts at once; `now` gives seconds, and should not go backwards."""
    self._now = now
    self._since = now()
    self._kinds = [OTHER]
    self._totals = dict.fromkeys(KINDS, 0.0)
    self._lap = dict.fromkeys(KINDS, 0.0)

  @contextlib.contextmanager
  def measure(self, kind: str) -> Iterator[None]:
    """What happens within is of that kind, also if it fails.

    Raises:
      ValueError: an unknown kind.
    """
    if kind not in KINDS:
      raise ValueError(f"no kind of time is called {kind!r}; known: {', '.join(KINDS)}")
    self._count()
    self._kinds.append(kind)
    try:
      yield
    finally:
      self._count()
      self._kinds.pop()

  def lap(self) -> dict[str, float]:
    """Seconds of each kind since the last lap, zeros included."""
    self._count()
    lap, self._lap = self._lap, dict.fromkeys(KINDS, 0.0)
    return lap

  @property
  def totals(self) -> dict[str, float]:
    """Seconds of each kind since the beginning, zeros included."""
    self._count()
    return dict(self._totals)

  def _count(self) -> None:
    """Counts the time since the last look for what is going on now."""
    now = self._now()
    seconds = max(0.0, now - self._since)
    self._since = now
    for counter in (self._totals, self._lap):
      counter[self._kinds[-1]] += seconds
