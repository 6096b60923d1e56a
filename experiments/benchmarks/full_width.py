"""One training step of a configuration as it stands: what it compiles to, takes and needs.

  python -m experiments.benchmarks.full_width --config=experiments/configs/unet3d.py:published
  ... --config=experiments/configs/turntable_gan.py:published --config.data.batch=1
  ... --config=experiments/configs/enlighten_gan.py:released --config.data.batch=4 --steps=3

The programs are those of training, on random clips of the sizes that the pipeline would cut, so no
data set is needed; nor are weights that others give away (VGG-19, ResNet-18): others take their
place. For every phase a row of a table in Markdown: what the compiler plans for, the peak of this
process's memory up to there (compiling included), seconds of compiling and of each step. A step
that is planned to need more than --most GiB is compiled, and not run.
"""

import dataclasses
import math
import resource
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from experiments.run.compiled_steps import Programs
from experiments.run.flags import check as check_flags
from experiments.run.flags import define as define_config
from experiments.run.on_slices import build, example
from llve_jax.data import sharding
from llve_jax.data.allocation import keep_freed_memory
from llve_jax.errors import UserError, run_main
from llve_jax.train import mesh
from llve_jax.train.state import parameter_count

_COLUMNS = (
  "configuration, phase",
  "clips",
  "parameters",
  "planned, GiB",
  "peak, GiB",
  "compiling, s",
  "steps, s",
)
HEAD = f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}"
_GIB = 2**30


def rows(config: ConfigDict, steps: int, most: float) -> Iterator[str]:
  """A row for each phase.

  Args:
    config: the run.
    steps: how many of each phase are run.
    most: GiB that a step may be planned to need.

  Raises:
    UserError: a step gives something that is not a number.
  """
  config.model.encoder_weights = ""
  run = build(config)
  device_mesh = mesh.make_mesh(jax.devices()[:1])
  blank = example(run, config.data.batch)
  spread = mesh.batch_sharding(device_mesh)
  programs = Programs(
    run, device_mesh, sharding.global_shapes(blank, spread), blank["low"].shape[2]
  )
  placement = dataclasses.replace(programs.placement, frozen=())
  state = mesh.create_on(device_mesh, run.init, placement)
  frozen = jax.device_put(run.frozen, mesh.replicated(device_mesh))
  state = dataclasses.replace(state, frozen=frozen)
  count = parameter_count(state.generator.params)
  shape = "x".join(map(str, blank["low"].shape))
  random = np.random.default_rng(0)
  first = 0
  names = {phase.until: name for name, phase in config.phases.items()}
  for phase in run.phases:
    label = f"`{config.name}`, {names[phase.until]} | {shape} | {count:,}"
    begin = time.perf_counter()
    step: Any = programs(first)
    compiling = time.perf_counter() - begin
    planned = _planned(step)
    if planned > most * _GIB:
      yield f"| {label} | {planned / _GIB:.1f} | not run | {compiling:.0f} | |"
      return
    seconds = []
    for _ in range(steps):
      batch = {
        name: jax.device_put(random.random(clip.shape, dtype=np.float32), spread)
        for name, clip in blank.items()
      }
      begin = time.perf_counter()
      state, scalars = jax.block_until_ready(step(state, batch))
      seconds.append(time.perf_counter() - begin)
      if bad := [name for name, value in scalars.items() if not math.isfinite(value)]:
        raise UserError(f"{config.name}: {', '.join(bad)} of a step is not a number")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GIB
    taken = ", ".join(f"{each:.1f}" for each in seconds)
    yield f"| {label} | {planned / _GIB:.1f} | {peak:.1f} | {compiling:.0f} | {taken} |"
    first = round(phase.until * run.steps)


def _planned(step: Any) -> int:
  """Bytes that the compiler plans for: what goes in, what comes out, and what is between."""
  found = step.memory_analysis()
  own = found.output_size_in_bytes - found.alias_size_in_bytes
  return int(found.argument_size_in_bytes + own + found.temp_size_in_bytes)


def main(argv: Sequence[str]) -> None:
  """Prints the table."""
  values = flags.FLAGS
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  if values.config is None:
    raise UserError("--config=FILE[:VARIANT,...] is needed")
  keep_freed_memory()
  print(HEAD, flush=True)
  for row in rows(values.config, values.steps, values.most):
    print(row, flush=True)


def define_flags() -> None:
  """The command's flags."""
  define_config("The configuration to step, as in training.")
  flags.DEFINE_integer("steps", 2, "Steps of each phase.", 1)
  flags.DEFINE_float("most", 12.0, "GiB that a step may be planned to need.")


if __name__ == "__main__":
  define_flags()
  run_main(main, check_flags)
