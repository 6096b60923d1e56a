"""From a video file to another through any method; reading, computing and writing overlap."""

import collections
import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llve_jax.enhance.files import Enhanced
from llve_jax.enhance.overlap import Behind, ahead
from llve_jax.enhance.rates import Rates
from llve_jax.io.video import Plan, Tracks, VideoFrame, VideoReader, VideoWriter
from llve_jax.io.video.source import OnError
from llve_jax.methods.method import Frame, Method
from llve_jax.ops.frames import to_unit


def enhance_video(
  plan: Plan,
  method: Method,
  *,
  on_error: OnError = "stop",
  side_by_side: bool = False,
  watch: Callable[[Frame, Frame], None] | None = None,
  progress: Callable[[Iterator[Frame]], Iterator[Frame]] = iter,
) -> Enhanced:
  """Enhances a video frame by frame, keeping count, time stamps, rate, colour tags and tracks.

  Frames of more than 8 bits are given to the method as uint16; where more than 8 bits are written,
  its result is not rounded to fewer.

  Args:
    plan: what to read and to write; its file appears only when all of it is there.
    method: enhances the frames.
    on_error: "skip" goes on behind damage, see `read_frames`.
    side_by_side: the original to the left of the result; the plan is for twice the width.
    watch: gets every frame before and after.
    progress: passes on the enhanced frames and may count them.

  Raises:
    UserError: the source is damaged or cut off, or the target cannot be written.
  """
  info, started, count = plan.source, time.monotonic(), 0
  waiting: collections.deque[VideoFrame] = collections.deque()
  keeps, rates = side_by_side or watch is not None, Rates()

  def images() -> Iterator[Frame]:
    for frame in read:
      waiting.append(frame if keeps else dataclasses.replace(frame, image=_NOTHING))
      yield frame.image

  with VideoReader(
    info, deep=plan.deep, keep_interlaced=bool(plan.fields), on_error=on_error
  ) as reader:
    writer = VideoWriter(
      plan.target,
      plan.width,
      plan.height,
      source=info,
      tracks=Tracks(plan, reader),
      depth=plan.depth,
      fields=plan.fields,
    )
    read = ahead(rates.read(reader.frames()))
    results = method.stream(rates.waited(images()), rounded=plan.depth == 8)
    try:
      with writer, Behind[Any](rates.written(lambda each: writer.write(*each))) as behind:
        for enhanced in progress(rates.computed(results)):
          frame = waiting.popleft()
          if watch is not None:
            watch(frame.image, enhanced)
          if side_by_side:
            enhanced = beside(frame.image, enhanced)
          behind.put((enhanced, frame.pts, frame.duration))
          count += 1
        if waiting:
          lost = f"{len(waiting)} of {count + len(waiting)}"
          raise RuntimeError(f"{info.path}: {lost} frames did not come out of {method.name}")
    finally:
      read.close()
  seconds = time.monotonic() - started
  return Enhanced(
    plan.target,
    count,
    plan.width,
    plan.height,
    seconds,
    faults=tuple(reader.faults),
    notes=(rates.told(count),),
    rates=rates.of(count),
  )


_NOTHING = np.zeros((0, 0, 3), np.uint8)


def beside(image: Any, enhanced: Any) -> Any:
  """The two as one frame, of 8 bits if the second is."""
  if image.dtype == enhanced.dtype:
    return np.concatenate([image, enhanced], 1)
  return np.concatenate([to_unit(image), to_unit(enhanced)], 1)
