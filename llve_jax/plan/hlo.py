"""Reads a compiled program: what it runs, how often, and what goes through memory.

XLA's own cost analysis counts the body of a loop once, however often it runs; the trip counts are
found here. The text is that of `jax.stages.Compiled.as_text()`.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Sequence

_WIDTHS = {"pred": 8, "s4": 4, "u4": 4, "c64": 64, "c128": 128}
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^{}]*)\})?")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_LINE = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_CALLED = re.compile(
  r"\b(calls|to_apply|body|condition|branch_computations|true_computation|false_computation"
  r"|called_computations)=(\{[^}]*\}|%?[\w.\-]+)"
)
# They move nothing, or what they move is counted where it starts.
_FREE = re.compile(
  r"parameter|constant|get-tuple-element|tuple|bitcast|while|conditional|call|custom-call|iota"
  r"|after-all|add-dependency|async-start|opt-barrier|partition-id|replica-id|.*-done|.*-update"
)


@dataclasses.dataclass(frozen=True)
class Buffer:
  """One array of a shape: its bytes as they lie in memory, padded to tiles, and where that is."""

  bytes: int
  in_hbm: bool


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One line of a computation: `name = shape opcode(operands), attributes`."""

  name: str
  shape: str
  opcode: str
  operands: tuple[str, ...]
  attributes: str
  arguments: str
  is_root: bool

  @functools.cached_property
  def buffers(self) -> tuple[Buffer, ...]:
    """The arrays of the result."""
    return tuple(_buffer(*match) for match in _ARRAY.findall(self.shape))

  @functools.cached_property
  def called(self) -> dict[str, list[str]]:
    """Computations it names, by the role they have, such as "body"."""
    return {
      role: [name.strip().lstrip("%") for name in names.strip("{}").split(",") if name.strip()]
      for role, names in _CALLED.findall(self.attributes)
    }

  @property
  def cycles(self) -> int | None:
    """How long the compiler thinks that it takes; None where it does not say."""
    found = re.search(r'"estimated_cycles":"(\d+)"', self.attributes)
    return int(found[1]) if found else None


@dataclasses.dataclass(frozen=True)
class Computation:
  """A list of instructions, by name, in the order they run."""

  instructions: dict[str, Instruction]

  @property
  def root(self) -> Instruction:
    """The result."""
    return next(one for one in self.instructions.values() if one.is_root)


@dataclasses.dataclass(frozen=True)
class Call:
  """A computation that runs: how often, and whether as one kernel (a fusion)."""

  computation: Computation
  times: int
  fused: bool


@dataclasses.dataclass(frozen=True)
class Module:
  """A program.

  Attributes:
    computations: by name.
    entry: the name of the first.
  """

  computations: dict[str, Computation]
  entry: str

  @functools.cached_property
  def calls(self) -> dict[str, Call]:
    """Every computation that runs. Of a conditional, all branches do."""
    found: dict[str, Call] = {}

    def visit(name: str, times: int, fused: bool) -> None:
      computation = self.computations[name]
      before = found[name].times if name in found else 0
      found[name] = Call(computation, before + times, fused)
      for one in computation.instructions.values():
        if one.opcode in ("async-update", "async-done"):
          continue  # they name once more what was started
        for role, names in one.called.items():
          # What is applied to pairs of numbers is part of its reduction.
          if role == "to_apply" and one.opcode != "call":
            continue
          often = (self.trips(one) or 1) if one.opcode == "while" else 1
          inside = fused or one.opcode == "fusion"
          for callee in names:
            if callee in self.computations:
              visit(callee, times * often, inside)

    visit(self.entry, 1, False)
    return found

  def trips(self, loop: Instruction) -> int | None:
    """How often a `while` runs its body; None: the text does not say.

    A loop that JAX makes of a scan counts from 0 in steps of 1 to a constant.
    """
    known = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.attributes)
    if known:
      return int(known[1])
    condition = self.computations[loop.called["condition"][0]]
    test = condition.root
    if test.opcode == "fusion":
      test = self.computations[test.called["calls"][0]].root
    if test.opcode != "compare" or "direction=LT" not in test.attributes:
      return None
    constants = [
      int(one.arguments)
      for one in condition.instructions.values()
      if one.opcode == "constant" and one.arguments.isdigit()
    ]
    return constants[0] if len(constants) == 1 else None

  def loops(self) -> Iterator[tuple[Instruction, int | None]]:
    """Every loop that runs and its trip count."""
    for call in self.calls.values():
      for one in call.computation.instructions.values():
        if one.opcode == "while":
          yield one, self.trips(one)

  def cycles(self, *, loops: bool = True) -> int:
    """Cycles of all kernels as the compiler estimates them; loops as often as they run, or once."""
    return sum(
      (call.times if loops else 1) * (one.cycles or 0)
      for call in self.calls.values()
      if not call.fused
      for one in call.computation.instructions.values()
    )

  def traffic(self, *, loops: bool = True, hbm_only: bool = True) -> int:
    """Bytes that kernels read and write; a buffer counts as padded to tiles.

    Args:
      loops: count loops as often as they run, not once.
      hbm_only: leave out buffers that the compiler keeps on the chip.
    """
    return sum(
      (call.times if loops else 1) * self._moved(one, call.computation, hbm_only)
      for call in self.calls.values()
      if not call.fused
      for one in call.computation.instructions.values()
    )

  def _moved(self, one: Instruction, inside: Computation, hbm_only: bool) -> int:
    if _FREE.fullmatch(one.opcode):
      return 0
    sources = [inside.instructions[name] for name in one.operands if name in inside.instructions]
    read = [buffer for source in sources for buffer in source.buffers]
    written = _written(one, len(read))
    kernel = one
    if one.opcode == "fusion":
      body = self.computations[one.called["calls"][0]]
      parameters = [x for x in body.instructions.values() if x.opcode == "parameter"]
      parameters.sort(key=lambda x: int(x.arguments))
      read = [
        _seen(parameter, body) or buffer
        for source, parameter in zip(sources, parameters, strict=False)
        for buffer in source.buffers
      ]
      kernel, inside = body.root, body
    elif one.opcode in ("slice", "dynamic-slice", "gather", "slice-start"):
      read = [Buffer(sum(x.bytes for x in written), read[0].in_hbm)]
    if kernel.opcode == "dynamic-update-slice":  # in place: only the part that is new
      part = inside.instructions[kernel.operands[1]].buffers
      if sum(x.bytes for x in part) < sum(x.bytes for x in written):
        big = max(read, key=lambda x: x.bytes)
        read = [x for x in read if x is not big]
        written = [dataclasses.replace(x, in_hbm=written[0].in_hbm) for x in part]
    return sum(x.bytes for x in (*read, *written) if x.in_hbm or not hbm_only)


def _written(one: Instruction, arguments: int) -> list[Buffer]:
  """What an instruction writes; one that starts a copy also returns its sources and flags."""
  if one.opcode == "copy-start":  # (destination, source, flag)
    return list(one.buffers[:1])
  if one.opcode.endswith("-start") and one.opcode != "all-reduce-start":
    return list(one.buffers[arguments : 2 * arguments])  # (sources, destinations, flags)
  return list(one.buffers)


def _seen(parameter: Instruction, body: Computation) -> Buffer | None:
  """What a kernel reads of an argument of which it takes slices only; None: all of it."""
  users = [one for one in body.instructions.values() if parameter.name in one.operands]
  sliced = [one for one in users if one.opcode in ("slice", "dynamic-slice")]
  if not users or len(sliced) < len(users):
    return None
  place = parameter.buffers[0].in_hbm
  return Buffer(min(sum(one.buffers[0].bytes for one in sliced), parameter.buffers[0].bytes), place)


def parse(text: str) -> Module:
  """The program that a text describes.

  Raises:
    ValueError: it has no entry.
  """
  computations: dict[str, Computation] = {}
  entry, inside = "", None
  for line in text.splitlines():
    if inside is None:
      if head := _HEAD.match(line):
        inside = computations[head[2]] = Computation({})
        entry = head[2] if head[1] else entry
    elif line.startswith("}"):
      inside = None
    elif match := _LINE.match(line):
      one = _instruction(match[2], match[3], match[1] is not None)
      inside.instructions[one.name] = one
  if not entry:
    raise ValueError("expected the text of a compiled program, found none with an entry")
  return Module(computations, entry)


def _instruction(name: str, text: str, is_root: bool) -> Instruction:
  end = _closing(text, 0) + 1 if text.startswith("(") else text.index(" ")
  shape, rest = text[:end], text[end:].lstrip()
  start = rest.index("(")
  stop = _closing(rest, start)
  arguments = rest[start + 1 : stop]
  operands = tuple(re.findall(r"%([\w.\-]+)", arguments))
  return Instruction(
    name, shape, rest[:start].strip(), operands, rest[stop + 1 :], arguments, is_root
  )


def _closing(text: str, start: int) -> int:
  """Where the bracket that opens at `start` closes."""
  depth = 0
  for match in re.finditer(r"[()]", text[start:]):
    depth += 1 if match[0] == "(" else -1
    if depth == 0:
      return start + match.start()
  return len(text)


def _buffer(kind: str, sizes: str, layout: str) -> Buffer:
  shape = [int(size) for size in sizes.split(",") if size]
  width = _WIDTHS.get(kind) or int((re.findall(r"\d+", kind) or ["8"])[0])
  order, _, tiling = layout.partition(":")
  minor_first = [int(axis) for axis in order.split(",") if axis]
  tile = re.search(r"T\(([\d,]+)\)", tiling)
  padded = [shape[axis] for axis in minor_first] if len(minor_first) == len(shape) else shape[::-1]
  if tile:
    padded = _padded(padded, [int(size) for size in tile[1].split(",")][::-1])
  place = re.search(r"S\((\d+)\)", tiling)
  bits = math.prod(padded) * width
  return Buffer(-(-bits // 8), place is None or place[1] == "0")


def _padded(sizes: Sequence[int], tile: Sequence[int]) -> list[int]:
  """Sizes, minor first, filled up to whole tiles."""
  return [
    -(-size // tile[at]) * tile[at] if at < len(tile) else size for at, size in enumerate(sizes)
  ]
