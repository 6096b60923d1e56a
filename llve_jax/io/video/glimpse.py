"""A few frames from somewhere in a video, without reading all that is before them."""

import contextlib
from typing import Any

import av

from llve_jax.io.video.rational import fraction
from llve_jax.io.video.reader import VideoReader
from llve_jax.io.video.source import VideoInfo, opened
from llve_jax.shapes import Frame8, Frame16


def glimpse(info: VideoInfo, seconds: float, count: int = 1) -> list[Frame8 | Frame16]:
  """Frames that follow each other, as `VideoReader` gives them, but interlaced ones with combs.

  Damage is passed over: as many as can be had, up to `count`; none where nothing can be decoded.

  Args:
    info: of the file.
    seconds: where the first is shown; the last frame is given for what is behind the end.
    count: how many.
  """
  reader = VideoReader(info, deep=info.bits > 8, aside=False)
  found: list[Frame8 | Frame16] = []
  before: Any = None
  with opened(info.path) as (container, stream), contextlib.suppress(av.FFmpegError):
    base = fraction(stream.time_base) or info.time_base
    with contextlib.suppress(av.FFmpegError):  # some containers cannot: then from the start
      container.seek(int((info.start + max(seconds, 0)) / base), stream=stream)
    earliest = seconds - float(info.step * info.time_base) / 2
    for frame in container.decode(stream):
      time = None if frame.pts is None else float(frame.pts * base - info.start)
      if not found and time is not None and time < earliest:
        before = frame
        continue
      found.append(reader.image(frame))
      if len(found) == count:
        break
  return found or ([] if before is None else [reader.image(before)])
