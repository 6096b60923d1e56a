"""Networks in training beside PyTorch's, in one run: forward, gradient, step and compile times.

  python -m experiments.benchmarks.train_step --torch_python=/path/to/python   # half an hour
  ... --only=recurrent_unet --repeats=9 --nocompiled

PyTorch may live in another environment than this one; without it, our times stand alone. Its
networks (`torch_rivals`) have as many parameters as ours, which is checked, lie channels last, and
run as written and compiled (`torch.compile`). All take turns, so that other load on the machine
meets all of them, and a turn's first call is not counted; figures are medians. Speed is the faster
one of PyTorch's times over ours: above 1 we are faster. The step is that of Adam on the mean
absolute error, in float32, and batch statistics move. Forward is compiled as for networks that run
(`io.compilation.for_inference`). As in `experiments.train`, freed memory is kept; PyTorch does what
it does by itself.
"""

import dataclasses
import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from absl import app, flags

from llve_jax import models
from llve_jax.data.allocation import keep_freed_memory
from llve_jax.io import compilation

FLAGS = flags.FLAGS
flags.DEFINE_string("torch_python", sys.executable, "A Python that has PyTorch.")
flags.DEFINE_bool("compiled", True, "Let PyTorch compile too; long clips take it minutes.")
flags.DEFINE_integer("repeats", 5, "Timed calls after the first.", lower_bound=1)
flags.DEFINE_integer("shrink", 1, "Divide the sides of the frames by it.", lower_bound=1)
flags.DEFINE_list("only", [], "Parts of the names of the rows to run; none runs all.")

KINDS = ("forward", "gradient", "step")
# Name: network, clip [b, t, h, w, c].
ROWS: dict[str, tuple[str, tuple[int, ...]]] = {
  "sid_unet": ("sid_unet", (1, 1, 128, 128, 4)),
  "turntable_unet": ("turntable_unet", (2, 1, 128, 128, 3)),
  "recurrent_unet, t = 1": ("recurrent_unet", (8, 1, 128, 128, 3)),
  "recurrent_unet, t = 8": ("recurrent_unet", (1, 8, 128, 128, 3)),
  "recurrent_unet, t = 32": ("recurrent_unet", (1, 32, 64, 64, 3)),
  "unet3d": ("unet3d", (1, 4, 64, 64, 4)),
  "conv_lstm": ("conv_lstm", (1, 4, 64, 64, 3)),
}

Times = dict[str, float]  # seconds of each kind, and "compile"


@dataclasses.dataclass
class Ours:
  """One of our networks in training, compiled.

  Attributes:
    parameters: how many there are.
    compile_seconds: of the step.
    calls: what each kind runs; returns when it is done.
  """

  parameters: int
  compile_seconds: float
  calls: dict[str, Callable[[], Any]]

  def seconds(self, kind: str) -> float:
    """Runs one kind."""
    start = time.perf_counter()
    jax.block_until_ready(self.calls[kind]())
    return time.perf_counter() - start


def make_ours(network: str, shape: Sequence[int]) -> Ours:
  """Builds and compiles a network for clips of one shape."""
  module = models.build(network)
  clip = jax.random.uniform(jax.random.key(0), tuple(shape))
  variables: Any = jax.jit(module.init)(jax.random.key(1), clip)
  rest = dict(variables)
  params = rest.pop("params")

  @functools.partial(jax.jit, compiler_options=compilation.for_inference())
  def forward(params: Any) -> Any:
    result: Any = module.apply({"params": params, **rest}, clip)
    return result["clip"]

  target = jax.random.uniform(jax.random.key(2), jax.eval_shape(forward, params).shape)
  adam = optax.adam(1e-4)

  def loss(params: Any, rest: Any) -> Any:
    out, moved = module.apply({"params": params, **rest}, clip, train=True, mutable=["batch_stats"])
    return jnp.mean(jnp.abs(out["clip"] - target)), moved

  def update(params: Any, rest: Any, state: Any) -> Any:
    slope, moved = jax.grad(loss, has_aux=True)(params, rest)
    changes, state = adam.update(slope, state)
    return optax.apply_updates(params, changes), moved, state

  gradient = jax.jit(jax.grad(loss, has_aux=True))
  at: list[Any] = [params, rest, adam.init(params)]
  # Donated buffers are gone after the step; the other kinds keep their own.
  at = jax.tree.map(jnp.copy, at)
  start = time.perf_counter()
  step = jax.jit(update, donate_argnums=(0, 1, 2)).lower(*at).compile()
  compiled = time.perf_counter() - start

  def advance() -> Any:
    at[:] = step(*at)
    return at

  return Ours(
    sum(leaf.size for leaf in jax.tree.leaves(params)),
    compiled,
    {
      "forward": lambda: forward(params),
      "gradient": lambda: gradient(params, rest),
      "step": advance,
    },
  )


class Theirs:
  """PyTorch in a process of its own (`torch_clock`).

  Attributes:
    problem: why there is none; empty if there is.
  """

  def __init__(self, python: str):
    root = str(Path(__file__).parents[2])
    has = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True)
    self.problem = ""
    if has.returncode:
      self.problem = (has.stderr.strip().splitlines() or ["it failed"])[-1]
      return
    self._process = subprocess.Popen(
      [python, "-m", "experiments.benchmarks.torch_clock"],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.DEVNULL,
      text=True,
      cwd=root,
    )

  def ask(self, **request: Any) -> dict[str, Any]:
    """One request and its answer."""
    assert self._process.stdin is not None
    assert self._process.stdout is not None
    self._process.stdin.write(json.dumps(request) + "\n")
    self._process.stdin.flush()
    line = self._process.stdout.readline()
    return json.loads(line) if line else {"error": "PyTorch's process ended"}

  def close(self) -> None:
    """Ends the process."""
    if not self.problem:
      self._process.communicate()


def measure(
  network: str, shape: Sequence[int], rivals: Mapping[str, Theirs], repeats: int
) -> dict[str, Times]:
  """Times of ours ("llve_jax") and of each rival that could be made.

  Args:
    network: a name that all of them know.
    shape: of the clips.
    rivals: by name; one called "compiled" compiles.
    repeats: timed calls, which all make in turn, an untimed one before each.

  Raises:
    AssertionError: a rival has another number of parameters.
  """
  ours = make_ours(network, shape)
  clocks: dict[str, Callable[[str], float]] = {"llve_jax": ours.seconds}
  compiling = {"llve_jax": ours.compile_seconds}
  for name, rival in rivals.items():
    made = rival.ask(make=network, shape=list(shape), compiled=name == "compiled")
    if "error" in made:
      print(f"  {name}: {made['error']}", flush=True)
      continue
    assert made["parameters"] == ours.parameters, (network, made["parameters"], ours.parameters)
    clocks[name] = lambda kind, rival=rival: rival.ask(run=kind)["seconds"]  # type: ignore[misc]
    compiling[name] = made["seconds"]
  taken: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in KINDS} for name in clocks}
  for turn in range(repeats + 1):
    for kind in KINDS:
      for name, clock in clocks.items():
        clock(kind)  # whoever has waited finds cold caches, in a virtual machine its memory taken
        seconds = clock(kind)
        if turn:  # the first one compiles what is not yet
          taken[name][kind].append(seconds)
  return {
    name: {"compile": compiling[name]} | {kind: statistics.median(x) for kind, x in kinds.items()}
    for name, kinds in taken.items()
  }


def speeds(times: Mapping[str, Times]) -> Times:
  """For each kind, the faster rival's time over ours; nothing without a rival."""
  rivals = [found for name, found in times.items() if name != "llve_jax"]
  if not rivals:
    return {}
  return {kind: min(x[kind] for x in rivals) / times["llve_jax"][kind] for kind in KINDS}


def lines(row: str, times: Mapping[str, Times]) -> list[str]:
  """What is printed of one row."""
  out = [f"{row:<24}" + "".join(f"{kind:>12}" for kind in (*KINDS, "compile"))]
  for name, found in times.items():
    cells = [f"{1e3 * found[kind]:9.1f} ms" for kind in KINDS] + [f"{found['compile']:9.1f} s "]
    out.append(f"  {name:<22}" + "".join(cells))
  if found := speeds(times):
    out.append(f"  {'speed':<22}" + "".join(f"{found[kind]:11.2f}x" for kind in KINDS))
  return out


def main(argv: Sequence[str]) -> None:
  """Prints a block of lines a row, then geometric means."""
  del argv
  keep_freed_memory()
  print(f"{jax.devices()[0].device_kind}, float32, medians of {FLAGS.repeats}")
  names = ["eager", "compiled"] if FLAGS.compiled else ["eager"]
  rivals = {name: Theirs(FLAGS.torch_python) for name in names}
  if problem := rivals["eager"].problem:
    print(f"no PyTorch at {FLAGS.torch_python}: {problem}; our times stand alone")
    rivals = {}
  every: list[Times] = []
  for row, (network, shape) in ROWS.items():
    if FLAGS.only and not any(part in row for part in FLAGS.only):
      continue
    batch, time_, height, width, channels = shape
    sides = (height // FLAGS.shrink, width // FLAGS.shrink)
    times = measure(network, (batch, time_, *sides, channels), rivals, FLAGS.repeats)
    print("\n".join(["", *lines(row, times)]), flush=True)
    every.append(speeds(times))
  for rival in rivals.values():
    rival.close()
  if rivals:
    means = [f"{kind} {statistics.geometric_mean(x[kind] for x in every):.2f}x" for kind in KINDS]
    print("\nspeed, geometric mean: " + ", ".join(means))


if __name__ == "__main__":
  app.run(main)
