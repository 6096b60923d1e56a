"""From what a chip does in a step to seconds, clips per second and chip-hours.

Nothing here was measured on a TPU. Two times bound a step:

* `fastest`: arithmetic at the peak or memory at its full rate, whichever takes longer, with all
  that is sent hidden behind it. No program is faster.
* `seconds`, the prediction: the compiler's own cycles for each kernel, one after the other, and
  then what is sent, none of it hidden. It leaves out what the hosts do.
"""

import dataclasses
from collections.abc import Sequence

from llve_jax.plan.compile import Program, Work
from llve_jax.plan.topology import Topology


@dataclasses.dataclass(frozen=True)
class Estimate:
  """How long one step takes; all per chip, in seconds.

  Attributes:
    arithmetic: `flops` at the chip's peak.
    memory: `hbm_bytes` at the memory's full rate.
    kernels: the compiler's cycles at the chip's clock.
    links: what is sent, at the links' full rate and a microsecond for each hop.
    intensity: operations per byte of HBM.
  """

  arithmetic: float
  memory: float
  kernels: float
  links: float
  intensity: float

  @property
  def fastest(self) -> float:
    """No step is faster."""
    return max(self.arithmetic, self.memory, self.links)

  @property
  def seconds(self) -> float:
    """The prediction."""
    return max(self.kernels, self.arithmetic, self.memory) + self.links

  @property
  def most_utilisation(self) -> float:
    """Upper bound on the share of the chip's peak."""
    return self.arithmetic / self.fastest if self.fastest else 0.0

  @property
  def utilisation(self) -> float:
    """The share of the chip's peak that is predicted."""
    return self.arithmetic / self.seconds if self.seconds else 0.0


def of_work(work: Work, topology: Topology) -> Estimate:
  """The times of one step."""
  chip = topology.chip
  return Estimate(
    arithmetic=work.flops / chip.flops,
    memory=work.hbm_bytes / chip.memory_rate,
    kernels=work.cycles / chip.clock,
    links=sum(one.times * one.seconds(topology) for one in work.collectives),
    intensity=work.flops / max(1, work.hbm_bytes),
  )


@dataclasses.dataclass(frozen=True)
class RunEstimate:
  """A whole run on one slice.

  Attributes:
    topology: the slice.
    batch: clips of a step, over all chips.
    step_seconds: mean over the steps of all kinds.
    chip_hours: of all steps; not of compiling, evaluations and saving.
  """

  topology: Topology
  batch: int
  step_seconds: float
  chip_hours: float

  @property
  def clips_per_second(self) -> float:
    """Over all chips."""
    return self.batch / self.step_seconds

  @property
  def clips_per_chip_second(self) -> float:
    """What one chip does."""
    return self.clips_per_second / self.topology.size


def of_run(
  topology: Topology, batch: int, kinds: Sequence[tuple[int, Program]]
) -> RunEstimate | None:
  """The whole run; None where a kind of step does not fit.

  Args:
    topology: the slice.
    batch: clips of a step, over all chips.
    kinds: how many steps there are of each kind, and the program.
  """
  total = 0.0
  for count, program in kinds:
    if program.work is None:
      return None
    total += count * of_work(program.work, topology).seconds
  steps = sum(count for count, _ in kinds)
  return RunEstimate(topology, batch, total / steps, total * topology.size / 3600)


def efficiencies(runs: Sequence[RunEstimate]) -> list[float]:
  """What a chip does beside what it does in the first run: 1 is perfect scaling."""
  return [run.clips_per_chip_second / runs[0].clips_per_chip_second for run in runs]
