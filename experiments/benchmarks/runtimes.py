"""How fast one network is in JAX, TensorFlow, onnxruntime and LiteRT: same frames, one run.

  python -m experiments.benchmarks.runtimes --model=night                  # two minutes, two cores
  python -m experiments.benchmarks.runtimes --model=night --size=1280x720 --video=dark.mp4
  taskset -c 0 python -m experiments.benchmarks.runtimes --threads=1       # JAX takes what it sees

Each runtime runs what `llve_jax.export` writes for it; JAX runs the program that is exported, with
its weights as arguments, compiled as `enhance` has it. ONNX is timed with fixed and with open
sizes. In turns, one frame each, so that whatever else runs hits all alike; a network that streams
gets its own memory back. Printed are medians in milliseconds a frame, the spread from the 10th to
the 90th percentile, and the largest difference to JAX. The bar: no runtime is more than 1.3 times
as fast as JAX on CPUs.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np
from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.export import fixed_size_runner, litert, onnx_file, saved_model, signatures
from llve_jax.export.options import Options, parse_size, real_frames
from llve_jax.export.probes import scene
from llve_jax.io import compilation
from llve_jax.io.platform import without_tpu
from llve_jax.ops.frames import to_unit
from llve_jax.zoo import trained
from llve_jax.zoo.trained import Trained

Arrays = dict[str, np.ndarray]
Call = Callable[[str, Arrays], Arrays]  # (signature, inputs) to outputs
BAR = 1.3
_UNTIMED = 3


def in_jax(network: Trained, size: tuple[int, int, int, int]) -> Call:
  """The exported programs, compiled here."""
  variables = jax.device_put(network.variables)
  compiled = partial(jax.jit, compiler_options=compilation.for_inference())
  programs = {each.name: compiled(each.apply) for each in signatures.of(network, size)}

  def call(name: str, inputs: Arrays) -> Arrays:
    return {key: np.asarray(value) for key, value in programs[name](variables, inputs).items()}

  return call


def in_tensorflow(folder: Path) -> Call:
  """The signatures of a SavedModel."""
  import tensorflow as tf

  loaded = tf.saved_model.load(str(folder))

  def call(name: str, inputs: Arrays) -> Arrays:
    given = {key: tf.constant(value) for key, value in inputs.items()}
    return {key: value.numpy() for key, value in loaded.signatures[name](**given).items()}

  return call


def runtimes(
  network: Trained, size: tuple[int, int, int, int], folder: Path, threads: int
) -> dict[str, Call]:
  """Everything that runs the network, by name; exports go into `folder`."""
  fixed = Options(size=size[2:])
  saved_model.write(network, folder / "saved_model")
  found = {"JAX": in_jax(network, size), "TensorFlow": in_tensorflow(folder / "saved_model")}
  for label, options in (("onnxruntime", fixed), ("onnxruntime, open sizes", Options())):
    try:
      onnx_file.write(network, folder / label, options)
    except UserError as error:
      print(f"{label}: {error}")
      continue
    found[label] = fixed_size_runner.onnx(folder / label, threads)
  try:
    litert.write(network, folder / "litert", fixed)
    found["LiteRT"] = fixed_size_runner.litert(folder / "litert" / litert.NAME, threads)
  except UserError as error:
    print(f"LiteRT: {error}")
  return found


class Video:
  """A video on its way through one runtime."""

  def __init__(self, call: Call, streaming: bool):
    self.call, self.streaming = call, streaming
    self.memory: Arrays = {}
    self.seconds: list[float] = []

  def take(self, frames: np.ndarray) -> np.ndarray:
    """What becomes of the next frame [1, h, w, c], or of a window [1, t, h, w, c]."""
    key = "frame" if self.streaming else "clip"
    name = ("next" if self.memory else "start") if self.streaming else "serving_default"
    begin = time.perf_counter()
    found = self.call(name, {key: frames, **self.memory})
    self.seconds.append(time.perf_counter() - begin)
    bright = found.pop(key)
    self.memory = found
    return bright


def clip_of(network: Trained, size: tuple[int, int, int, int], video: str | None) -> np.ndarray:
  """Frames [1, t, h, w, c] that go through the network again and again."""
  if video is None:
    return scene((1, max(8, size[1]), *size[2:]), network.traits)
  real = real_frames(Options(video=video), network.traits, size[2:], size[1])
  assert real is not None, "a video is given"
  return np.asarray(to_unit(real))[None]


def race(
  calls: dict[str, Call], clip: np.ndarray, window: int, *, streaming: bool, frames: int
) -> list[str]:
  """A line for each runtime, and one that says whether the bar is met.

  Args:
    calls: the runtimes, "JAX" among them.
    clip: frames [1, t, h, w, c].
    window: how many are given to a network that does not stream.
    streaming: whether the network takes them one by one.
    frames: how often each runtime is timed.
  """
  videos = {name: Video(call, streaming) for name, call in calls.items()}
  apart = dict.fromkeys(calls, 0.0)
  for index in range(_UNTIMED + frames):
    first = index % (clip.shape[1] - window + 1)
    given = clip[:, first] if streaming else clip[:, first : first + window]
    bright = {name: video.take(given) for name, video in videos.items()}
    for name, result in bright.items():
      apart[name] = max(apart[name], float(np.abs(result - bright["JAX"]).max()))
  lines = []
  times = {name: [1e3 * s for s in video.seconds[_UNTIMED:]] for name, video in videos.items()}
  medians = {name: statistics.median(each) for name, each in times.items()}
  for name in calls:
    median, low, high = (
      each / window for each in (medians[name], *np.percentile(times[name], (10, 90)))
    )
    ratio = medians["JAX"] / medians[name]
    lines.append(
      f"{name:<24} {median:9.1f} ms   {low:8.1f} to {high:8.1f}   {ratio:5.2f} x JAX   "
      f"{apart[name]:.1e}"
    )
  met = medians["JAX"] <= BAR * min(medians.values())
  return [*lines, f"the bar of {BAR} is {'met' if met else 'missed'}"]


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_string("model", "night", "A shipped network, a weights file, or a run.")
  flags.DEFINE_string("size", "640x360", "WIDTHxHEIGHT of the frames.")
  flags.DEFINE_integer("threads", 2, "Of onnxruntime, LiteRT and TensorFlow.", 1)
  flags.DEFINE_integer("frames", 20, "Frames that are timed, behind three that are not.", 1)
  flags.DEFINE_string("video", None, "A dark video; without: a drawn scene.")


def main(argv: Sequence[str]) -> None:
  """Prints a table."""
  values = flags.FLAGS
  if len(argv) > 1:
    raise UserError(f"expected flags alone; found {' '.join(argv[1:])}")
  without_tpu()
  network = trained.load(values.model)
  sides = parse_size(values.size)
  assert sides is not None, "it has a default"
  traits = network.traits
  frames = 1 if traits.streaming else max(traits.frames, traits.least_frames)
  size = (1, frames, *sides)
  import tensorflow as tf

  tf.config.threading.set_intra_op_parallelism_threads(values.threads)
  device = jax.devices()[0].device_kind
  print(
    f"{values.model}, {values.size}, {values.frames} frames, {values.threads} threads, {device}"
  )
  print(f"{'':<24} {'a frame':>12}   {'10th to 90th centile':>20}   {'':>11}   apart")
  with tempfile.TemporaryDirectory() as folder:
    calls = runtimes(network, size, Path(folder), values.threads)
    clip = clip_of(network, size, values.video)
    lines = race(calls, clip, frames, streaming=traits.streaming, frames=values.frames)
    print("\n".join(lines))


if __name__ == "__main__":
  define_flags()
  run_main(main)
