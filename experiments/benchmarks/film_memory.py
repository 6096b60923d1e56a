"""What a film costs in memory, a short one and a long one: it must not depend on the length.

  python -m experiments.benchmarks.film_memory                       # a quarter of an hour or more
  python -m experiments.benchmarks.film_memory --lengths=100,1000 --film_size=640x360
  python -m experiments.benchmarks.film_memory --enhance=--model=auto_gain,--stabilise

For each length a dark, noisy film is made of a clip that a package ships, and `llve enhance` runs
on it in a process of its own, as a user types it. Printed are the largest resident memory of each
process, as Linux counts it, and last a line of JSON. The bar: 10,000 frames of 1280x720 take not
more than 150 MB beyond what 100 frames take.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import av
from absl import app, flags

from experiments.benchmarks.dark_film import dark
from llve_jax.io.video import VideoWriter

_LENGTHS = flags.DEFINE_list("lengths", ["100", "10000"], "Frames of each film.")
_SIZE = flags.DEFINE_string("film_size", "1280x720", "Of a frame, width x height.")
_OPTIONS = flags.DEFINE_list("enhance", ["--model=input"], "Options of `llve enhance`.")


_DRAWN = 250  # frames that are drawn and encoded

# What the system counts for a child (ru_maxrss) begins with what its parent held; this does not.
_TOLD = """
import atexit, pathlib, runpy, sys
def tell():
  (line,) = [each for each in open("/proc/self/status") if each.startswith("VmHWM:")]
  pathlib.Path(told).write_text(line.split()[1])
atexit.register(tell)
told = sys.argv.pop(1)
runpy.run_module("llve_jax.enhance", run_name="__main__", alter_sys=True)
"""


def peak(source: Path, target: Path, options: Sequence[str]) -> float:
  """MB that `llve enhance` holds at most while it writes the target."""
  told = target.with_name("kilobytes")
  names = [str(path) for path in (told, source, target)]
  subprocess.run([sys.executable, "-c", _TOLD, *names, *options], check=True)
  return int(told.read_text()) * 1024 / 1e6


def make(path: Path, frames: int, size: tuple[int, int]) -> None:
  """Writes a film of so many frames: up to 250, over and over."""
  once = path.with_name(f"once{path.suffix}")
  with VideoWriter(once, *size, rate=25, crf=20, preset="ultrafast") as writer:
    for frame in dark(min(frames, _DRAWN), size):
      writer.write(frame)
  with av.open(str(path), "w") as target, av.open(str(once)) as first:
    stream = target.add_stream_from_template(first.streams.video[0])
    for number in range(frames):
      if number % _DRAWN == 0:
        first.seek(0)
        packets = first.demux(video=0)
      packet = next(packets)
      packet.pts = packet.dts = int(number / (25 * packet.time_base))
      packet.stream = stream
      target.mux(packet)


def measure(frames: int, size: tuple[int, int], options: Sequence[str]) -> float:
  """The same for a film of so many frames, which is made for it."""
  with tempfile.TemporaryDirectory() as folder:
    source, target = (Path(folder, name) for name in ("dark.mp4", "bright.mp4"))
    make(source, frames, size)
    return peak(source, target, options)


def main(argv: Sequence[str]) -> None:
  """Prints one JSON line last."""
  del argv
  width, height = (int(each) for each in _SIZE.value.split("x"))
  found = {}
  for length in _LENGTHS.value:
    started = time.monotonic()
    found[length] = round(measure(int(length), (width, height), _OPTIONS.value), 1)
    took = time.monotonic() - started
    print(f"{length} frames of {_SIZE.value}: {found[length]} MB ({took:.0f} s)", flush=True)
  print(json.dumps({"size": _SIZE.value, "enhance": _OPTIONS.value, "megabytes": found}))


if __name__ == "__main__":
  app.run(main)
