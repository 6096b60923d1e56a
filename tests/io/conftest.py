"""Video files written by PyAV alone, not by the code under test."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.codec.context import Flags

FORMATS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "avi": "avi", "ts": "mpegts"}


def _encode_sine(container, stream, seconds, start):
  samples = np.arange(int(stream.rate * seconds))
  sine = (0.3 * np.sin(2 * np.pi * 440 * samples / stream.rate)).astype(np.float32)
  integer = stream.format.name.startswith("s16")
  sine = (sine * 32767).astype(np.int16) if integer else sine
  size = stream.codec_context.frame_size or 1024
  for first in range(0, len(sine) - size + 1, size):
    block = np.ascontiguousarray(sine[None, first : first + size])
    frame = av.AudioFrame.from_ndarray(block, stream.format.name, "mono")
    frame.sample_rate = stream.rate
    frame.time_base = Fraction(1, stream.rate)
    frame.pts = first + int(start * stream.rate)
    container.mux(stream.encode(frame))
  container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def make_clip():
  """Returns a function that writes a clip.

  frames: RGB [t, h, w, 3], or planes [t, 3, h, w] of luma and chroma, stored losslessly.
  """

  def make(
    path,
    frames,
    *,
    pts=None,
    time_base=Fraction(1, 25),
    rate=25,
    audio="aac",
    audio_start=0.0,
    tags=None,
    rotation=0,
    faststart=True,
  ):
    options = {"movflags": "+faststart"} if faststart and path.suffix in (".mp4", ".mov") else {}
    planes = frames.shape[1] == 3 and frames.ndim == 4 and frames.shape[-1] != 3
    height, width = frames.shape[2:] if planes else frames.shape[1:3]
    pts = list(range(len(frames))) if pts is None else pts
    with av.open(str(path), "w", format=FORMATS[path.suffix[1:]], container_options=options) as out:
      stream = out.add_stream("libx264", rate=rate, options={"crf": "0", "preset": "ultrafast"})
      stream.width, stream.height = width, height
      stream.pix_fmt = "yuv444p"
      stream.codec_context.time_base = time_base
      stream.codec_context.flags |= Flags.frame_duration
      for name, value in (tags or {}).items():
        setattr(stream.codec_context, name, value)
      if rotation:
        stream.set_display_rotation(rotation)
      sound = out.add_stream(audio, rate=48000, layout="mono") if audio else None
      if sound is not None:
        out.start_encoding()
      for index, (picture, stamp) in enumerate(zip(frames, pts, strict=True)):
        if planes:
          frame = av.VideoFrame.from_ndarray(picture, "yuv444p")
        else:
          frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame.pts, frame.time_base = stamp, time_base
        following = pts[index + 1] if index + 1 < len(pts) else 2 * stamp - pts[index - 1]
        frame.duration = following - stamp
        out.mux(stream.encode(frame))
      out.mux(stream.encode(None))
      if sound is not None:
        length = float((pts[-1] - pts[0]) * time_base + Fraction(1, rate))
        _encode_sine(out, sound, max(length, 0.1), audio_start)
    return path

  return make


@pytest.fixture(scope="session")
def audio_packets():
  """Returns a function: path -> [(bytes, seconds)] of every audio packet."""

  def packets(path):
    with av.open(str(path)) as container:
      streams = container.streams.audio
      found = container.demux(*streams) if streams else []
      return [(bytes(p), float(p.pts * p.time_base)) for p in found if p.size]

  return packets


@pytest.fixture(scope="session")
def odd_frames():
  """Twelve 67x45 RGB frames: smooth colours that move."""
  t, y, x = np.mgrid[0:12, 0:45, 0:67].astype(np.float64)
  channels = [np.sin(x / 9 + t / 3), np.sin(y / 7 - t / 4), np.sin((x + y) / 11 + t / 5)]
  return np.round(80 + 60 * np.stack(channels, -1)).astype(np.uint8)
