"""Plans as text for people and as plain values for JSON."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from llve_jax.plan import estimate
from llve_jax.plan.chips import GIB
from llve_jax.plan.compile import Program, Work
from llve_jax.plan.estimate import Estimate, RunEstimate

MISSING = "-"


@dataclasses.dataclass(frozen=True)
class Column:
  """One program of a table.

  Attributes:
    program: what was compiled.
    items: clips or frames of a step, over all chips; of a frame in tiles, a part of one.
  """

  program: Program
  items: float

  @property
  def estimate(self) -> Estimate | None:
    """The times; None where it does not fit."""
    work = self.program.work
    return None if work is None else estimate.of_work(work, self.program.topology)


def values(column: Column) -> dict[str, Any]:
  """All of a column, for JSON; bytes, seconds and operations, per chip unless the name says."""
  program, times = column.program, column.estimate
  found: dict[str, Any] = {
    "topology": str(program.topology),
    "chips": program.topology.size,
    "items_per_step": column.items,
    "fits": program.fits,
    "hbm_needed": program.needed,
    "hbm_usable": program.usable,
    "compile_seconds": program.compile_seconds,
  }
  if program.memory is None or program.work is None or times is None:
    return found
  work = program.work
  found["hbm"] = dataclasses.asdict(program.memory)
  found["flops"] = work.flops
  found["hbm_bytes"] = work.hbm_bytes
  found["flops_per_hbm_byte"] = times.intensity
  found["xla"] = {
    "flops_loops_once": work.xla_flops,
    "bytes_accessed": work.xla_bytes,
    "seconds": work.xla_seconds,
    "unknown_loops": work.unknown_loops,
  }
  found["collectives"] = _sent(work)
  found["seconds"] = {
    "arithmetic": times.arithmetic,
    "memory": times.memory,
    "kernels": times.kernels,
    "links": times.links,
    "fastest": times.fastest,
    "predicted": times.seconds,
  }
  found["utilisation"] = {"most": times.most_utilisation, "predicted": times.utilisation}
  found["items_per_second"] = column.items / times.seconds
  return found


def _sent(work: Work) -> dict[str, dict[str, float]]:
  """Number and bytes on the wire of the exchanges of each kind, in a step."""
  found: dict[str, dict[str, float]] = {}
  for one in work.collectives:
    entry = found.setdefault(one.kind, {"count": 0, "wire_bytes": 0.0})
    entry["count"] += one.times
    entry["wire_bytes"] += one.times * one.wire_bytes
  return found


def table(columns: Sequence[Column], items: str) -> str:
  """What each chip does, a column for each program.

  Args:
    columns: the programs.
    items: what they work on, "clips" or "frames".
  """
  rows: list[tuple[str, Callable[[Column], str]]] = [
    ("chips", lambda one: f"{one.program.topology.size}"),
    (f"{items} a chip", lambda one: f"{one.items / one.program.topology.size:g}"),
    ("fits", lambda one: "yes" if one.program.fits else "NO"),
    ("memory needed, of GiB", _memory_line),
    ("  arguments GiB", _memory("arguments")),
    ("  temporaries GiB", _memory("temporaries")),
    ("  program GiB", _memory("code")),
    ("GFLOP", _work(lambda work: f"{work.flops / 1e9:,.1f}")),
    ("memory traffic GB", _work(lambda work: f"{work.hbm_bytes / 1e9:,.2f}")),
    ("FLOP a byte", _times(lambda times: f"{times.intensity:.0f}")),
    ("arithmetic at peak ms", _times(lambda times: f"{1e3 * times.arithmetic:.2f}")),
    ("memory at full rate ms", _times(lambda times: f"{1e3 * times.memory:.2f}")),
    ("utilisation at most", _times(lambda times: f"{times.most_utilisation:.1%}")),
    ("XLA's own estimate ms", _work(_xla)),
    ("compiler's kernels ms", _times(lambda times: f"{1e3 * times.kernels:.2f}")),
    ("exchanges", _work(lambda work: f"{sum(one.times for one in work.collectives)}")),
    ("sent MB", _work(_megabytes)),
    ("exchanges ms", _times(lambda times: f"{1e3 * times.links:.2f}")),
    ("predicted step ms", _times(lambda times: f"{1e3 * times.seconds:.2f}")),
    ("predicted utilisation", _times(lambda times: f"{times.utilisation:.1%}")),
    (f"{items} a second, all", _rate),
    ("compiled in s", lambda one: f"{one.program.compile_seconds:.0f}"),
  ]
  grid = [["per chip and step", *(str(one.program.topology) for one in columns)]]
  grid += [[name, *(cell(one) for one in columns)] for name, cell in rows]
  return _aligned(grid)


def scaling(runs: Sequence[RunEstimate]) -> str:
  """A row for each slice, with what is left of the rate of one chip of the first."""
  grid = [["slice", "chips", "batch", "step ms", "clips/s", "efficiency", "chip-hours", "hours"]]
  for run, efficiency in zip(runs, estimate.efficiencies(runs), strict=True):
    size = run.topology.size
    grid.append(
      [
        str(run.topology),
        str(size),
        str(run.batch),
        f"{1e3 * run.step_seconds:.2f}",
        f"{run.clips_per_second:,.1f}",
        f"{efficiency:.1%}",
        f"{run.chip_hours:,.1f}",
        f"{run.chip_hours / size:,.2f}",
      ]
    )
  return _aligned(grid)


def run_values(run: RunEstimate) -> dict[str, Any]:
  """A whole run, for JSON."""
  return {
    "topology": str(run.topology),
    "chips": run.topology.size,
    "batch": run.batch,
    "step_seconds": run.step_seconds,
    "clips_per_second": run.clips_per_second,
    "chip_hours": run.chip_hours,
  }


def _aligned(grid: Sequence[Sequence[str]]) -> str:
  widths = [max(len(row[at]) for row in grid) for at in range(len(grid[0]))]
  return "\n".join(
    "  ".join(
      cell.rjust(width) if at else cell.ljust(width)
      for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in grid
  )


def _memory_line(column: Column) -> str:
  return f"{column.program.needed / GIB:.2f} / {column.program.usable / GIB:.2f}"


def _memory(part: str) -> Callable[[Column], str]:
  def cell(column: Column) -> str:
    memory = column.program.memory
    return MISSING if memory is None else f"{getattr(memory, part) / GIB:.2f}"

  return cell


def _work(text: Callable[[Work], str]) -> Callable[[Column], str]:
  return lambda column: MISSING if column.program.work is None else text(column.program.work)


def _times(text: Callable[[Estimate], str]) -> Callable[[Column], str]:
  def cell(column: Column) -> str:
    times = column.estimate
    return MISSING if times is None else text(times)

  return cell


def _xla(work: Work) -> str:
  return MISSING if work.xla_seconds is None else f"{1e3 * work.xla_seconds:.2f}"


def _megabytes(work: Work) -> str:
  return f"{sum(one.times * one.wire_bytes for one in work.collectives) / 1e6:,.1f}"


def _rate(column: Column) -> str:
  times = column.estimate
  return MISSING if times is None else f"{column.items / times.seconds:,.1f}"
