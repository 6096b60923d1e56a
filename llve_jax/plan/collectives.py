"""What the chips of a slice send each other in a program, and how long that takes.

Bytes on the wire are those of ring algorithms: Thakur et al., "Optimization of Collective
Communication Operations in MPICH", IJHPCA 2005. Times assume that the links are the limit: Google,
"How to Scale Your Model", part 1, gives the same formulas and a microsecond for each hop.
"""

import dataclasses
import re

from llve_jax.plan.hlo import Instruction, Module
from llve_jax.plan.topology import Topology

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all")
HOP_SECONDS = 1e-6


@dataclasses.dataclass(frozen=True)
class Collective:
  """One exchange.

  Attributes:
    kind: one of `KINDS`.
    bytes: of the whole array: what each chip has before or after, whichever is more.
    group: chips that take part together.
    times: how often a step does it.
  """

  kind: str
  bytes: int
  group: int
  times: int

  @property
  def wire_bytes(self) -> float:
    """Bytes that each chip sends, once."""
    share = (self.group - 1) / self.group
    if self.kind == "all-reduce":
      return 2 * share * self.bytes
    return self.bytes if self.kind == "collective-permute" else share * self.bytes

  def seconds(self, topology: Topology) -> float:
    """How long it takes, once."""
    if self.group < 2:
      return 0.0
    if self.kind == "collective-permute":
      return self.bytes / topology.chip.link_rate + HOP_SECONDS
    rings, hops = _rings(topology, self.group)
    rounds = 2 if self.kind == "all-reduce" else 1
    return self.wire_bytes / rings + rounds * hops * HOP_SECONDS


def find(module: Module, chips: int) -> list[Collective]:
  """Every exchange of a program for `chips` chips.

  One that goes on behind other kernels is named by each of them, with the same channel; it counts
  once, as often as it is started.
  """
  found: dict[str, Collective] = {}
  for name, call in module.calls.items():
    for one in call.computation.instructions.values():
      kind = one.opcode.removesuffix("-start")
      if kind not in KINDS or (group := _group(one.attributes, chips)) < 2:
        continue
      channel = re.search(r"channel_id=(\d+)", one.attributes)
      key = channel[1] if channel else f"{name} {one.name}"
      times = min(call.times, found[key].times) if key in found else call.times
      found[key] = Collective(kind, _bytes(one, kind, group), group, times)
  return list(found.values())


def _bytes(one: Instruction, kind: str, group: int) -> int:
  sizes = [buffer.bytes for buffer in one.buffers]
  if one.opcode.endswith("-start") and kind != "all-reduce":
    # (source, destination, flags); the larger is the whole array.
    return max(sizes)
  return sum(sizes) * (group if kind == "reduce-scatter" else 1)


def _group(attributes: str, chips: int) -> int:
  """Chips in one replica group, however they are written; none written: all."""
  if "source_target_pairs=" in attributes:
    return 2
  if match := re.search(r"replica_groups=\{\{([\d,]+)\}", attributes):
    return match[1].count(",") + 1
  if match := re.search(r"replica_groups=\[(\d+),(\d+)\]<=", attributes):
    return int(match[2])
  if match := re.search(r"replica_groups=\w*\[([^\]]*)\] ?\{([^}]*)\}", attributes):
    sizes = {name: int(size) for name, size in re.findall(r"'([\w.]+)'=(\d+)", match[1])}
    group = 1
    for name, part in re.findall(r"'([\w.]+)'(?::\(\d+\)(\d+))?", match[2]):
      group *= int(part) if part else sizes[name]
    return group
  return chips


def _rings(topology: Topology, group: int) -> tuple[float, int]:
  """Bytes per second in which a chip can take part in a ring, and hops to the farthest chip.

  All chips use every dimension at once; fewer are taken to lie along the longest. A dimension
  that closes to a ring is sent through both ways; one that does not is a line, at half the rate.
  """
  chip = topology.chip
  sizes = [size for size in topology.shape if size > 1]
  if group < topology.size:
    sizes = [min(group, max(sizes))]
  rate, hops = 0.0, 0
  for size in sizes:
    closed = size % chip.ring == 0
    rate += chip.link_rate * (2 if closed else 1)
    hops += size // 2 if closed else size - 1
  return rate, hops
