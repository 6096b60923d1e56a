"""A long video part by part, so that a run that is killed goes on where it was.

What is computed does not depend on where one part ends and the next begins: a method takes its
memory along. The encoder does begin anew with each, at places that are settled beforehand, so the
file that comes of a run that was stopped is that of one that nobody disturbed.
"""

import collections
import dataclasses
import itertools
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

import numpy as np

from llve_jax.enhance.files import Enhanced
from llve_jax.enhance.kept_parts import KeptParts
from llve_jax.enhance.overlap import Behind, ahead
from llve_jax.enhance.rates import Rates
from llve_jax.enhance.videos import beside
from llve_jax.errors import UserError
from llve_jax.io.video import Plan, Tracks, VideoFrame, VideoInfo, VideoReader
from llve_jax.io.video.parts import Joiner, PartWriter
from llve_jax.io.video.source import OnError
from llve_jax.methods.method import Frame, Memory, Method

_STEP = 48  # frames: batches of every usual size fit it
_PIXELS = 2**28  # of all frames of a part
_MOST_STEPS = 20


class Progress(Protocol):
  """Passes items on and may count them."""

  def __call__(self, items: Iterator[Frame], *, done: int) -> Iterator[Frame]:
    """`done` of them were before."""


def part_length(info: VideoInfo, width: int) -> int | None:
  """Frames of a part of a film that gets so wide; None where it is too short to be worth it."""
  length = _STEP * min(_MOST_STEPS, max(1, _PIXELS // (width * info.height * _STEP)))
  expected = info.expected_frames
  return length if expected is not None and expected > 2 * length else None


def enhance_in_parts(
  plan: Plan,
  method: Method,
  length: int,
  run: dict[str, Any],
  *,
  say: Callable[[str], None],
  on_error: OnError = "stop",
  side_by_side: bool = False,
  watch: Callable[[Frame, Frame], None] | None = None,
  progress: Progress,
) -> Enhanced:
  """Enhances a video as `videos.enhance_video` does, `length` frames at a time.

  The parts lie in a hidden folder beside the result until that is written; they stay there where a
  run is killed or stopped, or the disk is full.

  Args:
    plan: see `videos.enhance_video`; likewise `on_error`, `side_by_side`, `watch`.
    method: enhances the frames.
    length: frames of a part.
    run: settings that the result depends on; with other ones it begins anew.
    say: is told if it goes on with parts that are there.
    on_error: see above.
    side_by_side: see above.
    watch: see above; of the frames that this process does.
    progress: counts frames.

  Raises:
    UserError: as `videos.enhance_video`, or another process writes this result.
  """
  started = time.monotonic()
  run = run | {"plan": _told(plan), "length": length, "side_by_side": side_by_side}
  with KeptParts(plan.target, run) as kept:
    work = _Work(plan, method, length, kept, side_by_side, watch)
    before = work.written
    if kept.count:
      say(f"{plan.target}: goes on behind {work.written} frames that are done")
    try:
      count = 0 if work.ended else sum(1 for _ in progress(work.run(on_error), done=work.written))
      faults = kept.state["faults"]
      _join(plan, kept)
    except OSError as error:
      raise UserError(
        f"{plan.target}: cannot be written ({error.strerror}); make room, and type the same "
        "command again: it goes on behind the parts that are done"
      ) from error
    except UserError as error:
      if not work.ended:  # damaged: it will be so again
        kept.remove()
        raise
      raise UserError(
        f"{error}; the pictures are done and kept in {kept.folder}: the same command goes on with "
        "them, also with another --sound"
      ) from error
    kept.remove()
  return Enhanced(
    plan.target,
    work.written,
    plan.width,
    plan.height,
    time.monotonic() - started,
    faults=tuple(faults),
    notes=(work.rates.told(count),) if count else (),
    rates=work.rates.of(count) if count else None,
    before=before,
  )


class _Work:
  """The parts that are left.

  Attributes:
    written: frames that came out of the method.
    ended: whether the source has ended.
    rates: of this process.
  """

  def __init__(
    self,
    plan: Plan,
    method: Method,
    length: int,
    kept: KeptParts,
    side_by_side: bool,
    watch: Callable[[Frame, Frame], None] | None,
  ):
    """Takes up the state of the last part."""
    self._plan, self._method, self._length, self._kept = plan, method, length, kept
    self._side_by_side, self._watch, self.rates = side_by_side, watch, Rates()
    state = kept.state or {"read": 0, "written": 0, "ended": False, "memory": {}}
    self._read, self.written, self.ended = state["read"], state["written"], state["ended"]
    self._memory = state["memory"]
    self._past = state.get("encoder")
    self._waiting: collections.deque[tuple[int, int, Any]] = collections.deque(
      tuple(each) for each in state.get("waiting", [])
    )

  def run(self, on_error: OnError) -> Iterator[Frame]:
    """Does part by part; yields every result, behind which it is written."""
    plan = self._plan
    reader = VideoReader(
      plan.source, deep=plan.deep, keep_interlaced=bool(plan.fields), on_error=on_error, aside=False
    )
    with reader:
      frames = ahead(self.rates.read(reader.frames(skip=self._read)))
      try:
        following = next(frames, None)
        while following is not None:
          following = yield from self._part(following, frames, reader)
      finally:
        frames.close()
    if not self.ended:  # of a source that grew shorter by itself
      raise UserError(f"{plan.source.path}: expected more than {self._read} frames, found no more")

  def _part(
    self, first: VideoFrame, frames: Iterator[VideoFrame], reader: VideoReader
  ) -> Generator[Frame, None, VideoFrame | None]:
    """Does one part; returns the first frame of the next, None at the end."""
    plan, memory = self._plan, Memory(self._memory)
    following: VideoFrame | None = None

    def images() -> Iterator[Frame]:
      nonlocal following
      for frame in itertools.islice(itertools.chain([first], frames), self._length):
        shown = frame.image if self._side_by_side or self._watch is not None else None
        self._waiting.append((frame.pts, frame.duration, shown))
        self._read += 1
        yield frame.image
      following = next(frames, None)
      memory.more = following is not None

    writer = PartWriter(
      plan.target,
      plan.width,
      plan.height,
      source=plan.source,
      depth=plan.depth,
      fields=plan.fields,
      past=self._past,
    )
    results = self._method.stream(
      self.rates.waited(images()), rounded=plan.depth == 8, memory=memory
    )
    with writer, Behind[Any](self.rates.written(lambda each: writer.write(*each))) as behind:
      for enhanced in self.rates.computed(results):
        pts, duration, image = self._waiting.popleft()
        if self._watch is not None and image is not None:
          self._watch(image, enhanced)
        shown = beside(image, enhanced) if self._side_by_side else enhanced
        behind.put((shown, pts, duration))
        self.written += 1
        yield enhanced
    self.ended = following is None
    if self.ended and self._waiting:
      lost = f"{len(self._waiting)} of {self._read}"
      raise RuntimeError(f"{plan.source.path}: {lost} frames did not come out of the method")
    self._memory, self._past = memory.kept, writer.left
    self._kept.add(
      writer.packets,
      {
        "read": self._read,
        "written": self.written,
        "ended": self.ended,
        "memory": memory.kept,
        "encoder": writer.left,
        "waiting": list(self._waiting),
        "faults": list(reader.faults),
      },
    )
    return following


def _join(plan: Plan, kept: KeptParts) -> None:
  """Writes the result of all parts, with sound and all the rest."""
  with VideoReader(plan.source, on_error="skip") as reader:
    joiner = Joiner(
      plan.target,
      plan.width,
      plan.height,
      source=plan.source,
      tracks=Tracks(plan, reader),
      depth=plan.depth,
      fields=plan.fields,
    )
    with joiner:
      joiner.join(kept.parts, reader)


def _told(plan: Plan) -> dict[str, Any]:
  """What of a plan its result depends on, and by which the source is known again."""
  stat = plan.source.path.stat()
  shown = dataclasses.asdict(plan.pictures) | {
    key: getattr(plan, key) for key in ("width", "height", "depth", "fields")
  }
  return shown | {
    "source": str(plan.source.path.resolve()),
    "bytes": stat.st_size,
    "changed": stat.st_mtime_ns,
    "numpy": np.__version__,
  }
