"""How much of FFmpeg's own speed is left when a video goes through the tool as it is.

  python -m experiments.benchmarks.pass_through                      # a minute or two on two cores
  python -m experiments.benchmarks.pass_through --film=FILE --film_runs=5

Tool: `enhance --model=input`, which decodes, makes RGB of every frame, hands it to a method that
returns it, makes luma and chroma of it again and encodes. Parts: the same in parts that a killed
run would go on behind, as long films are done (from 193 frames of 1080p on). Alone: PyAV decodes
and encodes the very same frames with the same encoder and settings. All run in turn; printed are
the median frames per second of each, the median of the ratios to the last, and the PSNR of luma and
chroma of the tool's file against its input. Without --film: a dark, noisy 1080p clip of one that a
package ships.
The bars: ratios of 0.8 at least, and a PSNR above 38 dB.
"""

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from absl import app, flags
from av.codec.context import Flags

from experiments.benchmarks.dark_film import dark
from llve_jax.enhance.in_parts import enhance_in_parts, part_length
from llve_jax.enhance.videos import enhance_video
from llve_jax.io.video import Plan, make_plan, read_info, write_video
from llve_jax.io.video.writer import encoder_options
from llve_jax.methods.classic import Classic

FLAGS = flags.FLAGS
_VIDEO = flags.DEFINE_string("film", None, "A video; without: one is made.")
_FRAMES = flags.DEFINE_integer("film_frames", 240, "Frames of the one that is made.", lower_bound=2)
_REPEATS = flags.DEFINE_integer("film_runs", 3, "Timed runs of each.", lower_bound=1)


def alone(plan: Plan) -> float:
  """Seconds that PyAV takes to decode the source and to encode its frames as the tool does."""
  started = time.monotonic()
  pictures = plan.pictures
  with av.open(str(plan.source.path)) as source, av.open(str(plan.target), "w") as target:
    film = source.streams.video[0]
    film.thread_type = "AUTO"
    out: Any = target.add_stream(
      pictures.encoder,
      rate=plan.source.average_rate,
      options=encoder_options(pictures.encoder),
    )
    out.width, out.height, out.pix_fmt = plan.width, plan.height, pictures.pixels
    out.codec_context.time_base = plan.source.time_base
    out.codec_context.flags |= Flags.frame_duration
    for frame in source.decode(film):
      frame.pict_type = 0
      target.mux(out.encode(frame))
    target.mux(out.encode(None))
  return time.monotonic() - started


def tool(plan: Plan) -> float:
  """Seconds that the tool takes."""
  started = time.monotonic()
  enhance_video(plan, Classic("input"))
  return time.monotonic() - started


def parts(plan: Plan, length: int) -> float:
  """Seconds that the tool takes in parts of so many frames."""
  started = time.monotonic()
  method = Classic("input")
  enhance_in_parts(plan, method, length, {}, say=print, progress=lambda items, *, done: items)
  return time.monotonic() - started


def psnr(first: Path, second: Path) -> float:
  """dB over luma and chroma of all frames of two files."""
  total, count = 0.0, 0
  with av.open(str(first)) as before, av.open(str(second)) as after:
    for was, now in zip(before.decode(video=0), after.decode(video=0), strict=True):
      pixels = was.format.name
      difference = was.to_ndarray().astype(np.int32) - now.reformat(format=pixels).to_ndarray()
      total, count = total + float(np.square(difference).sum()), count + difference.size
  return float(10 * np.log10(255**2 / max(total / count, 1e-9)))


def measure(video: Path, folder: Path, repeats: int, length: int | None = None) -> dict[str, float]:
  """Frames per second of all three, their ratios, and the PSNR of the tool's file.

  Args:
    video: of 8 bits, progressive, without sound.
    folder: for the files that are written.
    repeats: timed runs of each.
    length: of a part in frames; None: as the tool chooses it, at most a half of the video.
  """
  info = read_info(video)
  names = ("alone", "tool", "parts")
  plans = {name: make_plan(info, folder / f"{name}.mp4") for name in names}
  count = info.expected_frames or 0
  length = length or part_length(info, info.width) or max(1, count // 2)
  seconds: dict[str, list[float]] = {name: [] for name in names}
  for _ in range(repeats):
    seconds["alone"].append(alone(plans["alone"]))
    seconds["tool"].append(tool(plans["tool"]))
    seconds["parts"].append(parts(plans["parts"], length))
  found = {f"{name}_frames_per_s": count / statistics.median(seconds[name]) for name in names}
  for name, key in (("tool", "ratio"), ("parts", "parts_ratio")):
    pairs = zip(seconds["alone"], seconds[name], strict=True)
    found[key] = statistics.median(one / other for one, other in pairs)
  return found | {"part_frames": length, "psnr": psnr(video, plans["tool"].target)}


def main(argv: Sequence[str]) -> None:
  """Prints one JSON line last."""
  del argv
  with contextlib.ExitStack() as stack:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    video = Path(_VIDEO.value) if _VIDEO.value else folder / "dark.mp4"
    if not _VIDEO.value:
      print(f"making {_FRAMES.value} frames of 1080p ...", file=sys.stderr, flush=True)
      write_video(video, dark(_FRAMES.value), 25, crf=20)
    print(json.dumps(measure(video, folder, _REPEATS.value)))


if __name__ == "__main__":
  app.run(main)
