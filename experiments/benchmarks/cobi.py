"""Time and memory of CoBi, forward and backward: blockwise search against the whole N x N table.

  python -m experiments.benchmarks.cobi                     # N = 1,024, 4,096 and 16,384; a minute
  python -m experiments.benchmarks.cobi --sides=32,64 --repeats=9

Each figure comes from a fresh process: one map of 128 channels, gradients for both maps, the median
time of the compiled call, and how far the peak of the process's memory (compilation included) rose
above what it held with its inputs made. Host memory only: on an accelerator read the times alone.
The bar: blockwise at N = 16,384 rises by less than 600 MB on a CPU.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_list("sides", ["32", "64", "128"], "Sides of the square maps; N is the square.")
flags.DEFINE_integer("channels", 128, "Channels of a feature.", lower_bound=1)
flags.DEFINE_integer("block", 1024, "Target positions compared at once.", lower_bound=1)
flags.DEFINE_integer("repeats", 5, "Timed calls after the first.", lower_bound=1)
flags.DEFINE_enum(
  "measure", None, ["blockwise", "table"], "Measure one form in this process, for the first side."
)


def memory_megabytes() -> tuple[float, float]:
  """Memory this process holds, and the most it has held."""
  status = Path("/proc/self/status")
  if status.exists():
    # Not ru_maxrss: on Linux a new process starts with that of the one that launched it.
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    now, most = (int(fields[name].split()[0]) / 1e3 for name in ("VmRSS", "VmHWM"))
    return now, most
  most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  most /= 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
  return most, most


def measure(form: str, side: int, channels: int, block: int, repeats: int) -> dict[str, float]:
  """Runs one form; JAX is imported here, so that the process that prints the table stays small."""
  import jax
  import jax.numpy as jnp

  from llve_jax.losses.contextual import cobi

  def table(pred, target, spatial_weight=0.1):
    """The same loss from the table of all pairs: what autodiff makes of the formula as written."""
    mean = jnp.mean(target, axis=(1, 2), keepdims=True)
    p, q = (maps - mean for maps in (pred, target))
    p, q = (
      (maps / jnp.linalg.norm(maps, axis=-1, keepdims=True)).reshape(-1, channels)
      for maps in (p, q)
    )
    index = jnp.arange(side * side)
    down, across = (axis[:, None] - axis[None] for axis in (index // side, index % side))
    apart = jnp.sqrt(jnp.asarray(down * down + across * across, jnp.float32)) / side
    cost = 1.0 - jnp.matmul(p, q.T, precision="highest") + spatial_weight * apart
    return jnp.mean(jnp.min(cost, axis=1))

  def blockwise(pred, target):
    return jnp.mean(cobi(pred, target, block=block))

  loss = {"table": table, "blockwise": blockwise}[form]
  pred, target = (
    jax.block_until_ready(jax.random.normal(jax.random.key(seed), (1, side, side, channels)))
    for seed in (0, 1)
  )
  run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
  before, _ = memory_megabytes()
  value, _ = jax.block_until_ready(run(pred, target))
  seconds = []
  for _ in range(repeats):
    start = time.perf_counter()
    jax.block_until_ready(run(pred, target))
    seconds.append(time.perf_counter() - start)
  rise = memory_megabytes()[1] - before
  return {"seconds": statistics.median(seconds), "megabytes": rise, "loss": float(value)}


def measure_in_new_process(form: str, side: int) -> dict[str, float]:
  """The same, in a process of its own: peak memory cannot be reset."""
  command = [sys.executable, "-m", "experiments.benchmarks.cobi", f"--measure={form}"]
  command += [f"--sides={side}", f"--channels={FLAGS.channels}"]
  command += [f"--block={FLAGS.block}", f"--repeats={FLAGS.repeats}"]
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  if done.returncode:
    raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
  return json.loads(done.stdout.splitlines()[-1])


def main(argv: Sequence[str]) -> None:
  """Prints the table, or with --measure one line of JSON."""
  del argv
  sides = [int(side) for side in FLAGS.sides]
  if FLAGS.measure:
    print(json.dumps(measure(FLAGS.measure, sides[0], FLAGS.channels, FLAGS.block, FLAGS.repeats)))
    return
  print(f"{'N':>7} {'blockwise':>19} {'table':>19} {'table / blockwise':>25} {'loss differs':>13}")
  for side in sides:
    ours, theirs = (measure_in_new_process(form, side) for form in ("blockwise", "table"))
    cells = [f"{form['seconds']:8.3f} s {form['megabytes']:6.0f} MB" for form in (ours, theirs)]
    times = theirs["seconds"] / ours["seconds"]
    memory = theirs["megabytes"] / max(ours["megabytes"], 1.0)
    differs = abs(theirs["loss"] - ours["loss"])
    print(
      f"{side * side:>7,} {cells[0]:>19} {cells[1]:>19} "
      f"{times:9.2f} time {memory:5.1f} mem {differs:13.1e}",
      flush=True,
    )


if __name__ == "__main__":
  app.run(main)
