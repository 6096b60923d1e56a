"""Compiles a program for a slice that is not there, and says what the compiler thinks of it.

Three things of XLA need care. Its cost analysis counts the body of a loop once; here loops count as
often as they run (`hlo.Module.trips`). Its time (`optimal_seconds`) takes off a second for most
custom calls, of which a program may have hundreds that cost nothing; they are added back. That a
program does not fit in memory is an error, whose message is read.
"""

import contextlib
import dataclasses
import functools
import math
import re
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from llve_jax.plan import collectives, flops, hlo
from llve_jax.plan.chips import Chip
from llve_jax.plan.topology import Topology, one_chip

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = r"([\d.]+)([KMGT]?)"
_NEEDED = (
  re.compile(rf"required for HLO temporaries \({_SIZE}\) exceeds available HBM"),
  re.compile(rf"Used {_SIZE} of \S+ hbm"),
)
_USABLE = re.compile(rf"exceeds available HBM \({_SIZE}\)")


@dataclasses.dataclass(frozen=True)
class Memory:
  """Bytes of one chip's memory (HBM).

  Attributes:
    arguments: what the step is given, such as the state and the batch.
    outputs: what it returns, as far as that does not take the place of arguments.
    temporaries: what it needs in between.
    code: the program.
    peak: at most at the same time.
  """

  arguments: int
  outputs: int
  temporaries: int
  code: int
  peak: int


@dataclasses.dataclass(frozen=True)
class Work:
  """What one chip does in one step.

  Attributes:
    flops: operations of convolutions and matrix products, as written (`plan.flops`).
    cycles: of the chip, sum of what the compiler estimates for each kernel.
    hbm_bytes: read from and written to HBM by all kernels.
    xla_flops: XLA's count of the compiled program, loops once.
    xla_bytes: XLA's count of bytes, loops as often as they run; also of what stays on the chip.
    xla_seconds: XLA's own time, loops as often as they run; None where it makes no sense.
    collectives: what is sent.
    unknown_loops: loops that were counted once, since nothing says how often they run.
  """

  flops: float
  cycles: int
  hbm_bytes: int
  xla_flops: float
  xla_bytes: float
  xla_seconds: float | None
  collectives: tuple[collectives.Collective, ...]
  unknown_loops: int


@dataclasses.dataclass(frozen=True)
class Program:
  """A step compiled for a slice.

  Attributes:
    topology: the slice.
    needed: bytes of HBM that it needs on each chip.
    usable: bytes that there are for it.
    memory: what they are for; None where it does not fit.
    work: what a chip does; None where it does not fit.
    compile_seconds: how long the compiler took on this machine.
  """

  topology: Topology
  needed: int
  usable: int
  memory: Memory | None
  work: Work | None
  compile_seconds: float

  @property
  def fits(self) -> bool:
    """Whether the chips' memory holds it."""
    return self.work is not None


def compile_for(topology: Topology, program: jax.stages.Traced) -> Program:
  """Compiles a traced program.

  Args:
    topology: whose devices the shardings of the program and of its arguments name.
    program: `jax.jit(...).trace(...)`.

  Raises:
    jax.errors.JaxRuntimeError: the compiler fails for another reason than memory.
  """
  operations = flops.count_traced(program.jaxpr) / topology.size
  usable = usable_memory(topology.chip)
  start = time.perf_counter()
  try:
    with uncached():
      compiled = program.lower().compile()
  except jax.errors.JaxRuntimeError as error:
    needed = _needed(str(error))
    if needed is None:
      raise
    return Program(topology, needed, usable, None, None, time.perf_counter() - start)
  seconds = time.perf_counter() - start
  memory = _memory(compiled)
  work = _work(compiled, topology, operations)
  return Program(topology, memory.peak, usable, memory, work, seconds)


@contextlib.contextmanager
def uncached() -> Iterator[None]:
  """Keeps what is compiled inside out of JAX's cache on disk.

  It writes programs for devices that are not there, and cannot read them again.
  """
  name = "jax_persistent_cache_min_compile_time_secs"
  before = getattr(jax.config, name)
  jax.config.update(name, math.inf)
  try:
    yield
  finally:
    jax.config.update(name, before)


@functools.cache
def usable_memory(chip: Chip) -> int:
  """Bytes of a chip's memory for programs, as the compiler says; it keeps some for itself."""
  place = jax.sharding.SingleDeviceSharding(one_chip(chip).devices()[0])
  too_large = jax.ShapeDtypeStruct((chip.memory,), jnp.uint8, sharding=place)
  try:
    with uncached():
      jax.jit(jnp.invert).lower(too_large).compile()
  except jax.errors.JaxRuntimeError as error:
    match = _USABLE.search(str(error))
    if match is None:
      raise
    return _bytes(match)
  return chip.memory


def _needed(message: str) -> int | None:
  """The memory that a program which does not fit would need; None: the error is another one."""
  if "RESOURCE_EXHAUSTED" not in message:
    return None
  match = next((found for pattern in _NEEDED if (found := pattern.search(message))), None)
  return None if match is None else _bytes(match)


def _bytes(match: re.Match[str]) -> int:
  return round(float(match[1]) * _UNITS[match[2]])


def _memory(compiled: jax.stages.Compiled) -> Memory:
  stats: Any = compiled.memory_analysis()
  return Memory(
    stats.argument_size_in_bytes,
    stats.output_size_in_bytes - stats.alias_size_in_bytes,
    stats.temp_size_in_bytes,
    stats.generated_code_size_in_bytes,
    stats.peak_memory_in_bytes + stats.generated_code_size_in_bytes,
  )


def _work(compiled: jax.stages.Compiled, topology: Topology, operations: float) -> Work:
  module = hlo.parse(compiled.as_text() or "")
  analysis: Any = compiled.cost_analysis()
  cycles, cycles_once = module.cycles(), module.cycles(loops=False)
  moved, moved_once = (module.traffic(loops=loops, hbm_only=False) for loops in (True, False))
  kernels_once = cycles_once / topology.chip.clock
  seconds = _xla_seconds(analysis.get("optimal_seconds", 0.0), kernels_once, module)
  return Work(
    flops=operations,
    cycles=cycles,
    hbm_bytes=module.traffic(),
    xla_flops=analysis.get("flops", 0.0),
    xla_bytes=analysis.get("bytes accessed", 0.0) * moved / max(1, moved_once),
    xla_seconds=None if seconds is None else seconds * cycles / max(1, cycles_once),
    collectives=tuple(collectives.find(module, topology.size)),
    unknown_loops=sum(trips is None for _, trips in module.loops()),
  )


def _xla_seconds(told: float, kernels: float, module: hlo.Module) -> float | None:
  """XLA's time of a program, loops once, with the seconds that it took off for custom calls.

  Which ones it took off is not written; so as many whole seconds are added, at most one for each
  custom call, as bring it closest to the sum over kernels. None where that is too long to tell.

  Args:
    told: `optimal_seconds`.
    kernels: seconds by the cycles of the kernels, loops once.
    module: the program.
  """
  calls = sum(
    one.opcode == "custom-call"
    for call in module.calls.values()
    for one in call.computation.instructions.values()
  )
  if calls and kernels > 0.5:
    return None
  seconds = told + min(calls, max(0, round(kernels - told)))
  return seconds if seconds > 0 else None
