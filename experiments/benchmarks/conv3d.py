"""Times of the forms a network can choose from: convolution in time, doubling, loops over frames.

  python -m experiments.benchmarks.conv3d                  # about four minutes on two CPU cores
  python -m experiments.benchmarks.conv3d --only=unet3d,double --repeats=9 --dtype=bfloat16

For each case the form that the networks use by default comes first, and the ratio tells how many
times as long another takes, on the device that JAX finds: forward, and forward with the gradients
of inputs and weights. Forms take turns, so that other load on the machine meets all of them; each
figure is the median of compiled calls. All forms of a convolution and of the loop give the same
numbers (checked here); a transposed convolution and a resized one do not.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax import lax

from llve_jax.models.conv_lstm import ReportCell
from llve_jax.models.unet3d import UNet3D
from llve_jax.ops.convolution import convolve
from llve_jax.ops.resize import bilinear_double, transposed_conv_double
from llve_jax.ops.temporal_conv import conv3d, conv3d_taps

FLAGS = flags.FLAGS
flags.DEFINE_integer("side", 96, "Height and width; coarser cases divide it.", lower_bound=8)
flags.DEFINE_integer("frames", 8, "Frames of a clip.", lower_bound=5)
flags.DEFINE_integer("repeats", 5, "Timed calls after the first.", lower_bound=1)
flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Type of the computation.")
flags.DEFINE_list("only", [], "Parts of the names of the cases to run; none runs all.")

Form = Callable[..., jax.Array]
Inputs = tuple[Any, ...]


def drawn(*shape: int, scale: float = 1.0) -> jax.Array:
  """Random numbers of the type that is measured."""
  return (scale * jax.random.normal(jax.random.key(len(shape)), shape)).astype(FLAGS.dtype)


def convolution(channels: int, shrink: int, kernel: int, padding: Any) -> tuple[Inputs, list[Form]]:
  """A k x k x k convolution that keeps the channels: taps, then the plain form."""
  side = FLAGS.side // shrink
  fan_in = channels * kernel**3
  inputs = (
    drawn(1, FLAGS.frames, side, side, channels),
    drawn(kernel, kernel, kernel, channels, channels, scale=fan_in**-0.5),
  )
  forms: list[Form] = [
    lambda x, k, form=form: form(x, k, padding=padding) for form in (conv3d_taps, conv3d)
  ]
  return inputs, forms


def doubling(channels: int, shrink: int) -> tuple[Inputs, list[Form]]:
  """Twice the size and half the channels, frame by frame."""
  side = FLAGS.side // shrink
  images = drawn(FLAGS.frames, side, side, channels)
  two = drawn(2, 2, channels, channels // 2, scale=channels**-0.5)
  three = drawn(3, 3, channels, channels // 2, scale=(9 * channels) ** -0.5)
  names = ("NHWC", "HWIO", "NHWC")

  def transposed(images: Any, two: Any, three: Any) -> jax.Array:
    return transposed_conv_double(images, two)

  def resized(images: Any, two: Any, three: Any) -> jax.Array:
    doubled = bilinear_double(images)
    return lax.conv_general_dilated(doubled, three, (1, 1), "SAME", dimension_numbers=names)

  def dilated(images: Any, two: Any, three: Any) -> jax.Array:
    return lax.conv_transpose(images, two, (2, 2), "VALID", dimension_numbers=names)

  return (images, two, three), [transposed, resized, dilated]


def network() -> tuple[Inputs, list[Form]]:
  """The whole 3-D U-Net, half as wide as published."""
  modules = [UNet3D(base=16, temporal=form, dtype=FLAGS.dtype) for form in ("taps", "conv3d")]
  side = FLAGS.side // 2
  clip = jax.random.uniform(jax.random.key(0), (1, FLAGS.frames, side, side, 4))
  variables = jax.jit(modules[0].init)(jax.random.key(1), clip)
  return (clip, variables), [
    lambda clip, variables, module=module: module.apply(variables, clip)["clip"]
    for module in modules
  ]


def recurrence() -> tuple[Inputs, list[Form]]:
  """System B's cell over a clip: a loop of the compiler, the same unrolled, a loop of Python."""
  cell = ReportCell(dtype=FLAGS.dtype)
  side = FLAGS.side // 2
  maps = drawn(1, FLAGS.frames, side, side, 64)
  variables = jax.jit(lambda m: cell.init(jax.random.key(1), cell.start(m), m[:, 0], False))(maps)

  def scanned(maps: Any, variables: Any, unroll: int = 1) -> jax.Array:
    def step(memory: Any, frame: Any) -> Any:
      return cell.apply(variables, memory, frame, False)

    return lax.scan(step, cell.start(maps), jnp.moveaxis(maps, 1, 0), unroll=unroll)[1]

  def unrolled(maps: Any, variables: Any) -> jax.Array:
    return scanned(maps, variables, unroll=FLAGS.frames)

  def by_hand(maps: Any, variables: Any) -> jax.Array:
    memory: Any = cell.start(maps)
    out: list[Any] = []
    for index in range(FLAGS.frames):
      memory, frame = cell.apply(variables, memory, maps[:, index], False)
      out.append(frame)
    return jnp.stack(out)

  return (maps, variables), [scanned, unrolled, by_hand]


def looped() -> tuple[Inputs, list[Form]]:
  """A 3 x 3 convolution in a loop of the compiler: with gradients of ours, with those of JAX."""
  maps = drawn(1, FLAGS.frames, FLAGS.side, FLAGS.side, 32)
  kernel = drawn(3, 3, 32, 16, scale=288**-0.5)
  names = ("NHWC", "HWIO", "NHWC")

  def scanned(maps: Any, kernel: Any, convolution: Any) -> jax.Array:
    def step(none: tuple[()], images: Any) -> Any:
      return none, convolution(images, kernel, (1, 1), "SAME", dimension_numbers=names)

    return lax.scan(step, (), maps)[1]

  return (maps, kernel), [
    lambda maps, kernel, form=form: scanned(maps, kernel, form)
    for form in (convolve, lax.conv_general_dilated)
  ]


# Name: (its forms, whether they give the same numbers, how to make inputs and functions).
FORMS3D = ("taps", "conv3d")
DOUBLES = ("transposed", "resize + conv", "lax.conv_transpose")
CASES: dict[str, tuple[Sequence[str], bool, Callable[[], tuple[Inputs, list[Form]]]]] = {
  "conv 3x3x3, 32 channels": (FORMS3D, True, lambda: convolution(32, 1, 3, "SAME")),
  "conv 3x3x3, 128 channels, side / 4": (FORMS3D, True, lambda: convolution(128, 4, 3, "SAME")),
  "conv 5x5x5 VALID, 16 channels, side / 2": (
    FORMS3D,
    True,
    lambda: convolution(16, 2, 5, "VALID"),
  ),
  "unet3d, base 16, side / 2": (FORMS3D, True, network),
  "double 64 -> 32 channels, side / 2": (DOUBLES, False, lambda: doubling(64, 2)),
  "double 256 -> 128 channels, side / 8": (DOUBLES, False, lambda: doubling(256, 8)),
  "conv 3x3 in a loop, 32 -> 16 channels": (("ours", "lax"), True, looped),
  "conv_lstm cell, side / 2": (("scan", "scan, unrolled", "loop of Python"), True, recurrence),
}


def medians(functions: Sequence[Callable[..., Any]], inputs: Inputs) -> list[float]:
  """Seconds of each compiled function; they take turns."""
  seconds: list[list[float]] = [[] for _ in functions]
  for turn in range(FLAGS.repeats + 1):
    for taken, function in zip(seconds, functions, strict=True):
      start = time.perf_counter()
      jax.block_until_ready(function(*inputs))
      if turn:  # the first call compiles
        taken.append(time.perf_counter() - start)
  return [statistics.median(taken) for taken in seconds]


def check_equal(forms: Sequence[Callable[..., Any]], inputs: Inputs) -> None:
  """Raises AssertionError if two forms differ by more than their type explains."""
  first, *others = (np.asarray(form(*inputs), np.float32) for form in forms)
  tolerance = 1e-4 if FLAGS.dtype == "float32" else 0.05
  for other in others:
    np.testing.assert_allclose(other, first, atol=tolerance * np.abs(first).max())


def main(argv: Sequence[str]) -> None:
  """Prints one block of lines a case."""
  del argv
  device = jax.devices()[0]
  print(f"{device.device_kind}, {FLAGS.dtype}, 1 x {FLAGS.frames} x {FLAGS.side} x {FLAGS.side}")
  for name, (labels, equal, make) in CASES.items():
    if FLAGS.only and not any(part in name for part in FLAGS.only):
      continue
    inputs, plain = make()
    forms = [jax.jit(form) for form in plain]
    slopes = [
      jax.jit(
        jax.grad(
          lambda *inputs, form=form: jnp.square(form(*inputs).astype(jnp.float32)).sum(),
          argnums=tuple(range(len(inputs))),
        )
      )
      for form in plain
    ]
    if equal:
      check_equal(forms, inputs)
    print(f"\n{name:<42} {'forward':>18} {'and backward':>20}")
    times = list(zip(medians(forms, inputs), medians(slopes, inputs), strict=True))
    for label, taken in zip(labels, times, strict=True):
      cells = [
        f"{1e3 * seconds:9.1f} ms {seconds / best:5.2f}x"
        for seconds, best in zip(taken, times[0], strict=True)
      ]
      print(f"  {label:<40} {cells[0]:>18} {cells[1]:>20}", flush=True)


if __name__ == "__main__":
  app.run(main)
