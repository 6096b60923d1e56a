"""A camera or a stream as it comes: the newest frame; what nobody had time for is dropped."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import av
from av.video.reformatter import VideoReformatter

from llve_jax.errors import UserError
from llve_jax.io.video.color import tags_of, to_rgb
from llve_jax.shapes import Frame8

_STREAM = re.compile(r"(rtsps?|https?|rtmps?|udp|tcp|srt)://", re.IGNORECASE)
_CAMERA = re.compile(r"/dev/video\d+")
_PATIENCE = 10.0  # seconds that a stream may be silent
_LATE = 1.0  # seconds by which a clock may be off before it is set anew


def is_live(source: str) -> bool:
  """Whether this is a camera (`/dev/video0`) or the address of a stream (`rtsp://...`)."""
  return bool(_CAMERA.fullmatch(source) or _STREAM.match(source))


class Live:
  """Reads in a thread, as fast as frames are to be shown; a context manager.

  Attributes:
    read: frames that came.
    dropped: of these, how many were never asked for.
  """

  def __init__(self, source: str, *, patience: float = _PATIENCE):
    """For a camera, a stream or a file, which is played at its own speed.

    Args:
      source: see above.
      patience: seconds that it may be silent.
    """
    self.source, self._patience = source, patience
    self.read = self.dropped = 0
    self._newest: Frame8 | None = None
    self._changed = threading.Condition()
    self._ended = False
    self._failed: BaseException | None = None
    self._thread = threading.Thread(target=self._run, name="live", daemon=True)

  def __enter__(self) -> Self:
    """Opens it.

    Raises:
      UserError: it cannot be opened, or shows nothing.
    """
    camera = _CAMERA.fullmatch(self.source)
    # Over UDP a lost packet garbles pictures; a stream that stands is to be noticed.
    options = {"rtsp_transport": "tcp"} if self.source.lower().startswith("rtsp") else {}
    try:
      self._container: Any = av.open(
        self.source,
        format="v4l2" if camera else None,
        options=options,
        timeout=None if camera else self._patience,
      )
    except (av.FFmpegError, ValueError, OSError) as error:
      what = "a camera" if camera else "a stream"
      raise UserError(
        f"{self.source}: expected {what}, but it cannot be opened "
        f"({getattr(error, 'strerror', None) or error}); is it on, and is the address right?"
      ) from error
    if not self._container.streams.video:
      self._container.close()
      raise UserError(f"{self.source}: expected moving pictures, found none")
    self._thread.start()
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    with self._changed:
      self._ended = True
    self._thread.join(self._patience)
    if not self._thread.is_alive():
      self._container.close()

  def frames(self) -> Iterator[Frame8]:
    """Yields the newest frame, sRGB [h, w, 3], whenever it is asked; ends with the stream.

    Raises:
      UserError: the stream is lost, or changes its size.
    """
    shape = None
    while (frame := self._next()) is not None:
      if shape not in (None, frame.shape):
        raise UserError(f"{self.source}: the size of the frames changed; start it again")
      shape = frame.shape
      yield frame

  def _next(self) -> Frame8 | None:
    with self._changed:
      self._changed.wait_for(lambda: self._newest is not None or self._ended)
      frame, self._newest = self._newest, None
    if frame is None and self._failed is not None:
      raise UserError(
        f"{self.source}: lost after {self.read} frames ({self._failed}); start it again"
      ) from self._failed
    return frame

  def _run(self) -> None:
    try:
      for frame in self._paced():
        with self._changed:
          if self._ended:
            return
          self.read += 1
          self.dropped += self._newest is not None
          self._newest = frame
          self._changed.notify()
    except (av.FFmpegError, OSError) as error:
      self._failed = error
    finally:
      with self._changed:
        self._ended = True
        self._changed.notify()

  def _paced(self) -> Iterator[Frame8]:
    """Every frame when it is due: a file would come all at once."""
    reformatter, start = VideoReformatter(), None
    for frame in self._container.decode(video=0):
      now = time.monotonic()
      if frame.time is not None:
        start = now - frame.time if start is None else start
        wait = start + frame.time - now
        if abs(wait) > _LATE:
          start, wait = now - frame.time, 0.0
        if wait > 0:
          time.sleep(wait)
      with contextlib.suppress(av.FFmpegError):
        yield to_rgb(frame, tags_of(frame), reformatter)
