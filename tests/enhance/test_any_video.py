"""Videos of many kinds, whole, cut and garbled: every frame at its time, or one clear refusal.

LLVE_FUZZ=FIRST,LAST runs other seeds than those that every run of the suite does.
"""

import os
import random
from fractions import Fraction

import av
import numpy as np
import pytest

from llve_jax.enhance import command
from llve_jax.errors import UserError
from llve_jax.io.video import read_frames

FOUND = [1869, 3183, 3816]  # seeds with which there were tracebacks
SEEDS = [*range(*map(int, os.environ.get("LLVE_FUZZ", "0,101").split(","))), *FOUND]
SIZES = [(1, 1), (2, 2), (3, 5), (17, 9), (64, 48), (33, 64), (128, 72)]
KINDS = [
  *((".mp4", "libx264", "yuv444p"), (".mkv", "libx264", "yuv444p"), (".ts", "libx264", "yuv444p")),
  *((".flv", "libx264", "yuv444p"), (".avi", "mjpeg", "yuvj444p"), (".mov", "mpeg4", "yuv420p")),
  *((".webm", "libvpx-vp9", "yuv420p"), (".mkv", "ffv1", "yuv420p10le"), (".gif", "gif", "rgb8")),
  (".mpg", "mpeg2video", "yuv420p"),
]
SOUND = [None, "aac", "pcm_s16le", "libopus", "libmp3lame"]
RATES = [Fraction(25), Fraction(30000, 1001), Fraction(5)]


def make(path, codec, pixels, sound, size, count, rate):
  """Writes such a video; raises what FFmpeg does where there is none of the kind."""
  with av.open(str(path), "w") as out:
    stream = out.add_stream(codec, rate=rate)
    (stream.width, stream.height), stream.pix_fmt = size, pixels
    track = out.add_stream(sound, rate=48000) if sound else None
    out.start_encoding()
    for index in range(count):
      image = np.full((size[1], size[0], 3), 40 + index * 5, np.uint8)
      frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pixels)
      frame.pts, frame.time_base = index, 1 / rate
      out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
    if track is not None:
      samples = track.codec_context.frame_size or 1024
      for index in range(int(count / rate * 48000 / samples) + 1):
        frame = av.AudioFrame(track.codec_context.format, track.layout, samples)
        frame.sample_rate, frame.pts = 48000, index * samples
        for plane in frame.planes:
          np.frombuffer(memoryview(plane), np.uint8)[:] = 0
        out.mux(track.encode(frame))
      out.mux(track.encode(None))


def draw(rng, folder):
  """A video of one of the kinds that FFmpeg can write; not every codec takes every size or rate."""
  for _ in range(20):
    suffix, codec, pixels = rng.choice(KINDS)
    source = folder / f"in{suffix}"
    look = rng.choice(SOUND), rng.choice(SIZES), rng.choice([1, 3, 20]), rng.choice(RATES)
    try:
      make(source, codec, pixels, *look)
    except (av.FFmpegError, ValueError):
      source.unlink(missing_ok=True)
      continue
    return source
  raise AssertionError("FFmpeg wrote none of twenty videos")


@pytest.mark.parametrize("seed", SEEDS)
def test_any_video(tmp_path, seed):
  rng = random.Random(seed)
  source = draw(rng, tmp_path)
  harm = rng.choice(["none", "none", "cut", "garbled", "flipped"])
  data = bytearray(source.read_bytes())
  if harm == "cut":
    data = data[: rng.randrange(1, len(data))]
  elif harm == "garbled":
    for _ in range(rng.choice([1, 5, 50])):
      data[rng.randrange(len(data))] = rng.randrange(256)
  elif harm == "flipped":
    for _ in range(rng.choice([1, 3, 30])):
      data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
  source.write_bytes(bytes(data))
  target = tmp_path / f"out{rng.choice(['.mp4', '.mkv', '.webm', '.avi', '.mov'])}"
  said = ""
  further = {"part": rng.choice([0, 0, 2, 7]), "stabilise": rng.choice([False, False, True])}
  try:
    command.run(source, target, model="input", on_error=rng.choice(["stop", "skip"]), **further)
  except UserError as error:
    said = str(error)
  if said:
    assert str(source) in said or str(target) in said
    kept = {f".{target.name}.parts"} if "are done and kept" in said else set()
    assert {path.name for path in tmp_path.iterdir()} == {source.name} | kept
    return
  if harm == "none":
    before, after = ([frame.time for frame in read_frames(path)] for path in (source, target))
    grid = 0.021 if target.suffix != ".avi" else 0.025  # less than a frame late is on time there
    assert after == pytest.approx(before, abs=grid)
