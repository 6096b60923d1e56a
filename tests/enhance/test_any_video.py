"""Videos of many kinds, whole, cut and garbled: every frame at its time, or one clear refusal.

LLVE_FUZZ=FIRST,LAST runs other seeds than those that every run of the suite does. Whatever one of
them found has a test of its own beside what it was found in.
"""

import os
import random
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from llve_jax.enhance import command
from llve_jax.errors import UserError
from llve_jax.io.video import read_frames
from llve_jax.ops.frames import to_unit

FIRST, LAST = map(int, os.environ.get("LLVE_FUZZ", "0,300").split(","))
AT_ONCE = 20  # seeds of a test: what pytest does around one costs as much as a seed
SIZES = [(1, 1), (2, 2), (3, 5), (17, 9), (64, 48), (33, 64), (128, 72)]
KINDS = [
  *((".mp4", "libx264", "yuv444p"), (".mkv", "libx264", "yuv444p"), (".ts", "libx264", "yuv444p")),
  *((".flv", "libx264", "yuv444p"), (".avi", "mjpeg", "yuvj444p"), (".mov", "mpeg4", "yuv420p")),
  *((".webm", "libvpx-vp9", "yuv420p"), (".mkv", "ffv1", "yuv420p10le"), (".gif", "gif", "rgb8")),
  (".mpg", "mpeg2video", "yuv420p"),
]
SOUND = [None, "aac", "pcm_s16le", "libopus", "libmp3lame"]
LUMA = np.array([0.299, 0.587, 0.114])
RATES = [Fraction(25), Fraction(30000, 1001), Fraction(12)]
QUICK = {
  "libx264": {"preset": "ultrafast"},
  "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def picture(index, size):
  """Slopes in three colours that move."""
  y, x = np.mgrid[: size[1], : size[0]]
  colors = [40 + 90 * x / size[0] + 3 * index, 160 - 100 * y / size[1], 60 + 60 * x / size[0]]
  return np.stack(colors, -1).astype(np.uint8)


def make(path, codec, pixels, sound, size, count, rate):
  """Writes such a video; raises what FFmpeg does where there is none of the kind."""
  with av.open(str(path), "w") as out:
    stream = out.add_stream(codec, rate=rate, options=QUICK.get(codec, {}))
    (stream.width, stream.height), stream.pix_fmt = size, pixels
    track = out.add_stream(sound, rate=48000) if sound else None
    out.start_encoding()
    reformatter = VideoReformatter()
    for index in range(count):
      frame = av.VideoFrame.from_ndarray(picture(index, size), "rgb24")
      frame = reformatter.reformat(frame, format=pixels, threads=1)
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
    look = rng.choice(SOUND), rng.choice(SIZES), rng.choice([1, 2, 7]), rng.choice(RATES)
    try:
      make(source, codec, pixels, *look)
    except (av.FFmpegError, ValueError):
      source.unlink(missing_ok=True)
      continue
    return source
  raise AssertionError("FFmpeg wrote none of twenty videos")


@pytest.mark.parametrize("first", range(FIRST, LAST, AT_ONCE))
def test_any_video(tmp_path, first):
  for seed in range(first, min(first + AT_ONCE, LAST)):
    folder = tmp_path / str(seed)
    folder.mkdir()
    try:
      goes_through(folder, seed)
    except Exception as error:
      raise AssertionError(f"seed {seed}: LLVE_FUZZ={seed},{seed + 1} runs it alone") from error


def goes_through(folder, seed):
  rng = random.Random(seed)
  source = draw(rng, folder)
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
  target = folder / f"out{rng.choice(['.mp4', '.mkv', '.webm', '.avi', '.mov'])}"
  said = ""
  further = {"part": rng.choice([0, 0, 0, 3]), "stabilise": rng.choice([False, False, True])}
  further |= {"on_error": rng.choice(["stop", "skip"])}
  try:
    command.run(source, target, model="input", quiet=True, **further)
  except UserError as error:
    said = str(error)
  if said:
    assert str(source) in said or str(target) in said
    kept = {f".{target.name}.parts"} if "are done and kept" in said else set()
    assert {path.name for path in folder.iterdir()} == {source.name} | kept
    return
  assert {path.name for path in folder.iterdir()} == {source.name, target.name}
  if harm == "none":
    before, after = list(read_frames(source)), list(read_frames(target))
    grid = 0.021 if target.suffix != ".avi" else 0.025  # less than a frame late is on time there
    times = [[frame.time for frame in frames] for frames in (before, after)]
    assert times[1] == pytest.approx(times[0], abs=grid)
    if source.suffix != ".gif":  # whose colours are dots
      look_the_same(before, after)


def look_the_same(before, after):
  """More than 38 dB of luma; of some pixels no codec makes much."""
  for one, other in zip(before, after, strict=True):
    if min(one.image.shape[:2]) < 16:
      continue
    difference = (to_unit(one.image) - to_unit(other.image)) @ LUMA
    assert np.square(difference).mean() < 10**-3.8
