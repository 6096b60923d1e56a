"""Sound that is encoded anew, sample for sample in step with the pictures."""

from fractions import Fraction
from typing import Any

import av
import numpy as np

from llve_jax.io.video.rational import fraction

_HOLE = 0.02  # seconds by which sound may be late or early before silence fills the hole
_LONGEST_HOLE = 3600  # seconds; a stamp that is later is a damaged one
_BITS = 96_000  # a second and channel
_RATES = {"libopus": (48000, 24000, 16000, 12000, 8000)}
_MOST_CHANNELS = 8


class EncodedSound:
  """Decodes packets of a track and encodes what they hold.

  Time is counted in samples from 0: holes are filled with silence, and what overlaps is cut, so
  that sound stays in step whatever the stamps of the file do. What cannot be decoded is silence.

  Attributes:
    output: the track of the target.
  """

  def __init__(self, container: Any, stream: Any, encoder: str):
    """Adds the track to an output container of PyAV."""
    context = stream.codec_context
    rates = _RATES.get(encoder)
    rate = context.sample_rate if not rates or context.sample_rate in rates else rates[0]
    layout = _layout(context.layout)
    if not _named(context.layout):
      context.layout = layout  # PCM in AVI does not say which channel is which
    self.output = container.add_stream(encoder, rate=rate, layout=layout)
    self.output.bit_rate = _BITS * len(self.output.layout.channels)
    self._stream, self._rate = stream, rate
    self._resampler: Any = None
    self._form: tuple[Any, ...] | None = None  # of the sound that it takes
    self._place = 0  # in samples
    self._fifo = av.AudioFifo()

  def packets(self, packet: Any) -> list[Any]:
    """As `_Track`."""
    try:
      frames = packet.decode()
    except av.FFmpegError:
      return []
    return self._encoded(frames)

  def finish(self) -> list[Any]:
    """As `_Track`."""
    try:
      frames = self._stream.codec_context.decode(None)
    except av.FFmpegError:
      frames = []
    made = self._encoded(frames)
    if self._resampler is not None:
      made += self._encode(self._resampler.resample(None))
    made += self._drain(partial=True)
    return made + self._stamped(self.output.encode(None))

  def _encoded(self, frames: list[Any]) -> list[Any]:
    made = []
    for frame in frames:
      time = frame.pts * (fraction(frame.time_base) or 0) if frame.pts is not None else None
      frame.pts = None
      late = 0 if time is None else round(float(time) * self._rate) - self._place
      if _HOLE * self._rate < late < _LONGEST_HOLE * self._rate:
        made += self._silence(late)
      elif late < -_HOLE * self._rate and -late >= frame.samples * self._rate // frame.sample_rate:
        continue
      made += self._encode(self._resampled(frame))
    return made

  def _resampled(self, frame: Any) -> list[Any]:
    """The frame as the encoder takes it; where the sound changes its form, what was left before."""
    form = (frame.format.name, frame.layout.name, frame.sample_rate)
    before: list[Any] = []
    if self._form not in (None, form):
      before, self._resampler = self._resampler.resample(None), None
    if self._resampler is None:
      context = self.output.codec_context
      self._resampler = av.AudioResampler(context.format, context.layout, self._rate)
    self._form = form
    return before + list(self._resampler.resample(frame))

  def _silence(self, samples: int) -> list[Any]:
    context, made = self.output.codec_context, []
    for start in range(0, samples, self._rate):  # a second at a time, however long it is
      frame = av.AudioFrame(context.format, context.layout, min(self._rate, samples - start))
      frame.sample_rate = self._rate
      for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 0
      made += self._encode([frame])
    return made

  def _encode(self, frames: list[Any]) -> list[Any]:
    made = []
    for frame in frames:
      # Of silence, and of sound that changed its form, units of time differ; the queue takes one.
      frame.pts, frame.time_base = None, Fraction(1, self._rate)
      self._place += frame.samples
      self._fifo.write(frame)
      made += self._drain()
    return made

  def _drain(self, *, partial: bool = False) -> list[Any]:
    made: list[Any] = []
    size = self.output.codec_context.frame_size or 1024
    while True:
      start = self._fifo.samples_read
      frame = self._fifo.read(size, partial) if self._fifo.samples else None
      if frame is None:
        return made
      frame.pts, frame.time_base = start, Fraction(1, self._rate)
      made += self._stamped(self.output.encode(frame))

  def _stamped(self, packets: list[Any]) -> list[Any]:
    return [packet for packet in packets if packet.dts is not None]


def _layout(layout: Any) -> str:
  count = layout.nb_channels
  if count > _MOST_CHANNELS:
    return "stereo"
  return layout.name if _named(layout) else {1: "mono", 2: "stereo"}.get(count, "stereo")


def _named(layout: Any) -> bool:
  return "channels" not in layout.name
