"""The programs of a configuration on TPU slices: its training steps, and enhancing video."""

import itertools
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from experiments.run.assemble import Run
from experiments.run.compiled_steps import Programs
from llve_jax.data import sharding
from llve_jax.errors import UserError
from llve_jax.io.vgg19 import VGG19_VARIABLE, VGG19_WIDTHS
from llve_jax.methods.compiled import Compiled
from llve_jax.methods.plan import make_plan
from llve_jax.plan import compile, estimate
from llve_jax.plan.report import Column
from llve_jax.plan.topology import Topology
from llve_jax.train import mesh


def build(config: ConfigDict) -> Run:
  """The parts of a run, of which only shapes count.

  So where a loss looks through VGG-19, and nobody has its weights here, zeros take their place.
  """
  if config.vgg19.file or config.vgg19.fallback or os.environ.get(VGG19_VARIABLE):
    return Run(config)
  arrays: dict[str, np.ndarray] = {}
  for layer, (channels_in, channels_out) in VGG19_WIDTHS.items():
    name = f"block{layer[4]}_conv{layer[6]}"
    arrays[f"{name}/kernel"] = np.zeros((3, 3, channels_in, channels_out), np.float32)
    arrays[f"{name}/bias"] = np.zeros(channels_out, np.float32)
  with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "vgg19.npz"
    np.savez_compressed(file, allow_pickle=False, **arrays)
    config = config.copy_and_resolve_references()
    config.vgg19.file = str(file)
    return Run(config)


def example(run: Run, batch: int) -> dict[str, np.ndarray]:
  """What the pipeline would bring, without its memory: every number is the same one."""
  data, traits = run.config.data, run.traits
  _, _, height, width, channels = run.input_shape
  sides = (traits.scale * height, traits.scale * width)
  zero = np.zeros((), np.float32)
  lead = (batch, data.frames)
  clips = {
    "low": np.broadcast_to(zero, (*lead, height, width, channels)),
    "high": np.broadcast_to(zero, (*lead, *sides, 3)),
  }
  if side := traits.context:
    clips["context"] = np.broadcast_to(zero, (*lead, side, side, channels))
  return clips


class Training:
  """The steps of a run.

  Attributes:
    phases: names, one for each kind of step.
    kinds: the same, and how many steps there are of it.
    clips: that the whole run sees.
  """

  def __init__(self, config: ConfigDict):
    if config.mesh.data != -1:
      raise UserError(
        f"mesh.data is {config.mesh.data}; a plan takes all chips of a slice, so leave it at -1"
      )
    self._run = build(config)
    ends = [0, *(round(phase.until * self._run.steps) for phase in self._run.phases)]
    self._counts = [after - before for before, after in itertools.pairwise(ends)]
    names = {phase.until: name for name, phase in config.phases.items()}
    self.phases = [names[phase.until] for phase in self._run.phases]
    step = f"{config.name}, step {config.step.name}"
    self.kinds = [
      f"{step}, phase {name}: {count:,} of {self._run.steps:,} steps"
      for name, count in zip(self.phases, self._counts, strict=True)
    ]
    self.clips = self._run.steps * config.data.batch

  def groups(self, topology: Topology) -> int:
    """How many groups of chips there are that share a clip."""
    return max(1, topology.size // self._run.config.mesh.rows)

  def per_chip(self, topology: Topology) -> int:
    """The configuration's clips for each group of chips on a slice, 1 at least."""
    return max(1, self._run.config.data.batch // self.groups(topology))

  def batch(self, topology: Topology, batch: int | None, per_chip: int | None) -> int:
    """The clips of a step as asked for, else as configured."""
    if per_chip is not None:
      return per_chip * self.groups(topology)
    return self._run.config.data.batch if batch is None else batch

  def compile(self, topology: Topology, batch: int) -> list[Column]:
    """The step of each phase, up to the first that does not fit.

    Raises:
      UserError: the slice cannot share the batch, or the frames.
    """
    config = self._run.config
    device_mesh = mesh.make_mesh(topology.devices(), rows=config.mesh.rows)
    mesh.check_batch(batch, device_mesh)
    clips = example(self._run, batch)
    shapes = sharding.global_shapes(clips, mesh.batch_sharding(device_mesh))
    programs = Programs(self._run, device_mesh, shapes, clips["low"].shape[2])
    columns: list[Column] = []
    for phase, name in enumerate(self.phases):
      print(f"compiling {name}, batch {batch}, for {topology} ...", file=sys.stderr, flush=True)
      columns.append(Column(compile.compile_for(topology, programs.trace(phase)), batch))
      if not columns[-1].program.fits:
        break
    return columns

  def largest_fitting(self, topology: Topology, columns: Sequence[Column]) -> list[Column]:
    """The same with the first batch that fits, of halves of halves; empty where none does."""
    groups = self.groups(topology)
    while not columns[-1].program.fits:
      last = columns[-1]
      each = int(last.items) // groups // 2
      # What it would need is known, so hopeless ones need not be compiled.
      while each > 1 and each * last.program.needed > 2 * last.program.usable * last.items / groups:
        each //= 2
      if each < 1:
        return []
      columns = self.compile(topology, each * groups)
    return list(columns)

  def cost(self, topology: Topology, columns: Sequence[Column]) -> estimate.RunEstimate | None:
    """The whole run, with steps to see as many clips; None where it does not fit."""
    if len(columns) < len(self.phases):
      return None
    batch = int(columns[0].items)
    share = self._run.config.data.batch / batch
    kinds = [
      (round(count * share) or 1, column.program)
      for count, column in zip(self._counts, columns, strict=True)
    ]
    return estimate.of_run(topology, batch, kinds)


class Enhancing:
  """A network on video of one size, on one chip."""

  def __init__(self, config: ConfigDict, size: str):
    parts = size.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
      raise UserError(f"--enhance={size}: expected WIDTHxHEIGHT in pixels, such as 1280x720")
    self._run = build(config)
    self._name = f"{config.name} in {config.model.dtype}"
    width, height = (max(1, int(part) // self._run.traits.packing) for part in parts)
    self._plan = make_plan(height, width, self._run.traits)

  def __str__(self) -> str:
    return f"{self._name}, enhancing {self._plan}"

  def compile(self, topology: Topology) -> Column:
    """The network on as many frames as `llve_jax.enhance` gives it at a time.

    Of frames in tiles the program does one tile, a part of a frame.
    """
    place = jax.sharding.SingleDeviceSharding(topology.devices()[0])
    plan, traits = self._plan, self._run.traits
    compiled = Compiled(self._run.generator)

    def shape(x: Any) -> jax.ShapeDtypeStruct:
      return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place)

    size = (plan.rows.size, plan.columns.size, traits.channels)
    kind = jnp.uint8 if traits.input_kind == "srgb" else jnp.float32
    frames = jax.ShapeDtypeStruct((plan.batch, *size), kind, sharding=place)
    state = jax.eval_shape(self._run.init)
    variables = jax.tree.map(shape, state.generator.variables)
    carry = None
    if traits.streaming:  # in the middle of a video
      carry = jax.tree.map(shape, compiled.trace(variables, frames).out_info[1])
    program = compile.compile_for(topology, compiled.trace(variables, frames, carry))
    return Column(program, (plan.batch - 2 * plan.halo) / plan.tile_count)
