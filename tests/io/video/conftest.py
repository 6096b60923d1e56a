"""Files that go wrong in real life, made small."""

from fractions import Fraction

import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def frames():
  """Twelve 64x48 frames, each of a grey of its own, with a mark that tells how they are turned."""
  made = np.zeros((12, 48, 64, 3), np.uint8)
  made += (40 + 12 * np.arange(12, dtype=np.uint8))[:, None, None, None]
  made[:, :16, :24] = (230, 40, 40)
  made[:, -12:, :12] = (40, 40, 230)
  return made


@pytest.fixture(scope="session")
def encode():
  """Returns a function that writes frames with any codec and container, and sound if wanted."""

  def make(
    path, frames, codec="libx264", pixels="yuv420p", *, sound=None, layout="stereo", **given
  ):
    options = given.pop("options", {"crf": "4", "preset": "veryfast"} if "x26" in codec else {})
    container = given.pop("container", {})
    with av.open(f"file:{path}", "w", container_options=container) as out:
      stream = out.add_stream(codec, rate=25, options=options)
      stream.height, stream.width = frames.shape[1:3]
      stream.pix_fmt = pixels
      flags = given.pop("flags", 0)
      stream.codec_context.flags |= flags
      for name, value in given.items():
        setattr(stream.codec_context, name, value)
      track = out.add_stream(sound, rate=8000 if "amr" in sound else 48000) if sound else None
      if track is not None:
        track.layout = "mono" if "amr" in sound else layout
        track.bit_rate = 0 if "pcm" in sound or "amr" in sound else 96_000
      out.start_encoding()
      if track is not None:
        beep(out, track, len(frames) / 25)
      kind = "rgb48le" if frames.dtype == np.uint16 else "rgb24"
      for index, picture in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(picture, kind).reformat(format=pixels)
        frame.pts, frame.time_base = index, Fraction(1, 25)
        out.mux(stream.encode(frame))
      out.mux(stream.encode(None))
    return path

  return make


def beep(out, track, seconds):
  """A tone that begins in the middle, so that its place can be found."""
  context = track.codec_context
  rate = track.rate
  tone = np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate) * 0.5
  tone[: len(tone) // 2] = 0
  channels = len(track.layout.channels)
  samples = np.repeat((tone * 32767).astype(np.int16)[None], channels, 0)
  frame = av.AudioFrame.from_ndarray(
    np.ascontiguousarray(samples.T.reshape(1, -1)), "s16", track.layout.name
  )
  frame.sample_rate, frame.pts = rate, 0
  resampler = av.AudioResampler(context.format, context.layout, rate, context.frame_size or 1024)
  for part in (*resampler.resample(frame), *resampler.resample(None)):
    out.mux(track.encode(part))
  out.mux(track.encode(None))


@pytest.fixture(scope="session")
def onset():
  """Returns a function: path -> seconds at which the tone begins, as a player hears it."""

  def find(path, track=0):
    with av.open(str(path)) as container:
      stream = container.streams.audio[track]
      for frame in container.decode(stream):
        loud = np.abs(frame.to_ndarray().astype(np.float64))
        loud = loud / (32768 if loud.max() > 8 else 1)
        loud = loud.reshape(len(frame.layout.channels), -1, order="F").max(0)
        if loud.max() > 0.15:
          return frame.time + int(np.argmax(loud > 0.15)) / frame.sample_rate
    return None

  return find


@pytest.fixture(scope="session")
def remux():
  """Returns a function that copies the packets of a file, with other stamps or other tracks."""

  def make(source, target, move=lambda packet: packet, metadata=None):
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
      out.metadata.update(metadata or {})
      tracks = {
        s.index: out.add_stream_from_template(s, opaque=True)
        for s in container.streams
        if s.type in ("video", "audio")
      }
      for packet in container.demux():
        if packet.size and (moved := move(packet)) is not None:
          moved.stream = tracks[packet.stream.index]
          out.mux(moved)
    return target

  return make


@pytest.fixture(scope="session")
def times():
  """Returns a function: path -> seconds of every frame, as PyAV alone decodes them."""

  def read(path):
    with av.open(str(path)) as container:
      return [frame.time for frame in container.decode(video=0)]

  return read


@pytest.fixture(scope="session")
def copied():
  """Returns a function that reads and writes a video as planned, without any method."""
  from llve_jax.io.video import Tracks, VideoReader, VideoWriter, make_plan, read_info

  def copy(source, target, *, on_error="stop", **options):
    plan = make_plan(read_info(source, on_error=on_error), target, **options)
    with (
      VideoReader(
        plan.source, deep=plan.deep, keep_interlaced=bool(plan.fields), on_error=on_error
      ) as reader,
      VideoWriter(
        target, plan.width, plan.height, source=plan.source, tracks=Tracks(plan, reader),
        depth=plan.depth, fields=plan.fields,
      ) as writer,
    ):  # fmt: skip
      for frame in reader.frames():
        writer.write(frame.image, frame.pts, frame.duration)
    return plan, reader

  return copy
