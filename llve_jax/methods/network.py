"""A network with its weights as a method, run as its traits allow.

Single frames in batches; a network that streams with its memory, which is dropped at a cut; one
that looks at several frames in windows of time that overlap by what it sees; frames that are too
large in tiles, of which each has a memory of its own. The result is that of a shot in one call.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.methods.compiled import Compiled
from llve_jax.methods.cuts import Cuts
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.methods.pieces import Piece, Rest, batches, windows
from llve_jax.methods.plan import Plan, make_plan
from llve_jax.models.contract import Traits
from llve_jax.ops import tiles
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.ops.thumbnail import thumbnail_of
from llve_jax.zoo.trained import Trained


class Network(Method):
  """A compiled network and weights for it.

  Attributes:
    name: of the network.
    takes: its kind of input.
    flickers: see `Method`.
    traits: how it may be run.
    origin: where the weights come from.
  """

  def __init__(
    self,
    name: str,
    compiled: Compiled,
    variables: Any,
    *,
    tile: int | None = None,
    batch: int | None = None,
    origin: dict[str, Any] | None = None,
  ):
    """Puts the weights where the network runs; compiles when the first frame comes.

    Args:
      name: see above.
      compiled: may be shared by methods with other weights.
      variables: of the network.
      tile: as `plan.make_plan`.
      batch: as `plan.make_plan`.
      origin: see above.
    """
    self.name, self.traits, self.origin = name, compiled.traits, origin or {}
    self.takes, self.flickers = self.traits.input_kind, self.traits.single_frames
    self._compiled, self._variables = compiled, compiled.place(variables)
    self._tile, self._batch = tile, batch

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """As `Method`.

    A frame within the tile size is run whole; a larger one in tiles of one shape, so that one
    program is compiled. While a piece is on the accelerator the next one is read, so at most two
    are held.
    """
    past = memory.kept.get("network", {}) if memory else {}
    kept, done, anew = past.get("rest", ([], 0, False))
    rest = Rest(kept, done, anew, lambda: bool(memory and memory.more))
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None and not rest.frames:
      return
    some = rest.frames[0] if first is None else first
    self._check(some)
    plan = self.plan(*some.shape[:2])
    run = _Running(self._compiled, self._variables, plan, rounded)
    if "carries" in past:
      run.go_on(some, past["carries"])
    cuts = Cuts(past.get("cuts"))
    before: _Results | None = None
    read = iterator if first is None else itertools.chain([first], iterator)
    for piece in self._pieces(read, plan, cuts, rest):
      # Dispatched before the piece before it is fetched: the accelerator never waits for files.
      following = run(piece)
      if before is not None:
        yield from before.fetch()
      before = following
    if before is not None:
      yield from before.fetch()
    if memory:
      memory.kept["network"] = {
        "carries": run.kept(),
        "cuts": cuts.before,
        "rest": [rest.frames, rest.done, rest.anew],
      }

  def plan(self, height: int, width: int) -> Plan:
    """How frames of that size are run; raises as `plan.make_plan`."""
    tile = self._tile if self._compiled.rows == 1 else max(height, width)
    return make_plan(height, width, self.traits, tile=tile, batch=self._batch)

  def about(self, height: int, width: int) -> str:
    """As `Method`."""
    rows = self._compiled.rows
    split = "" if rows == 1 else f", rows split over {rows} devices"
    return f"{self.name}: {self.plan(height, width)}{split}"

  def _pieces(self, frames: Iterator[Frame], plan: Plan, cuts: Cuts, rest: Rest) -> Iterator[Piece]:
    if self.traits.streaming:
      return batches(frames, plan.batch, cuts, rest)
    if self.traits.frames == 1:
      return batches(frames, plan.batch, rest=rest)
    return windows(frames, plan.batch, halo=plan.halo, least=self.traits.least_frames, rest=rest)

  def _check(self, frame: Frame) -> None:
    traits = self.traits
    if frame.ndim != 3 or frame.shape[-1] != traits.channels:
      raise UserError(
        f"{self.name} takes {traits.input_kind} frames of {traits.channels} channel(s), found "
        f"{frame.shape}; read the data as {traits.input_kind}"
      )
    whole = traits.input_kind == "srgb" and frame.dtype in (np.uint8, np.uint16)
    if frame.dtype != np.float32 and not whole:
      raise UserError(
        f"{self.name} takes {traits.input_kind} frames as float32"
        f"{', uint8 or uint16' if traits.input_kind == 'srgb' else ''}, found {frame.dtype}"
      )


def of(
  trained: Trained, *, tile: int | None = None, batch: int | None = None, rows: int = 1
) -> Network:
  """A trained network as a method, its frames shared by `rows` devices and then run whole.

  Raises:
    UserError: there are not so many devices, or both `tile` and `rows` are given.
  """
  if rows != 1 and tile is not None:
    raise UserError(f"--rows={rows} has a network run whole frames; leave --tile out")
  compiled = Compiled(trained.module, rows=rows)
  return Network(
    trained.name, compiled, trained.variables, tile=tile, batch=batch, origin=trained.origin
  )


@dataclasses.dataclass(frozen=True, eq=False)
class _Results:
  """A piece on the accelerator: its finished frames, or its tiles in the order of `split`."""

  plan: Plan
  traits: Traits
  kept: slice
  rounded: bool
  outputs: list[Array]

  def fetch(self) -> Iterator[Frame]:
    if self.plan.tile_count == 1:
      yield from np.asarray(self.outputs[0])[self.kept]
      return
    places = (side.scaled(self.traits.scale) for side in (self.plan.rows, self.plan.columns))
    frames = tiles.blend(self.outputs, *places)[self.kept]
    yield from to_8_bit(frames) if self.rounded else frames


class _Running:
  """Runs piece after piece of one video; every tile keeps a carry of its own."""

  def __init__(self, compiled: Compiled, variables: Any, plan: Plan, rounded: bool):
    self._compiled, self._variables = compiled, variables
    self._plan, self._rounded = plan, rounded
    self._carries: list[Any] = [None] * plan.tile_count

  def kept(self) -> list[list[np.ndarray]]:
    """The memory of each tile, as a list of arrays."""
    return [[np.asarray(leaf) for leaf in jax.tree.leaves(carry)] for carry in self._carries]

  def go_on(self, frame: Frame, kept: list[list[np.ndarray]]) -> None:
    """Takes up a memory; the frame tells of what size and type they are."""
    plan = self._plan
    shape = (plan.batch, plan.rows.size, plan.columns.size, frame.shape[-1])
    form = self._compiled.carry_form(self._variables, jax.ShapeDtypeStruct(shape, frame.dtype))
    self._carries = [jax.tree.unflatten(form, leaves) if leaves else None for leaves in kept]

  def __call__(self, piece: Piece) -> _Results:
    plan, traits = self._plan, self._compiled.traits
    if piece.anew:
      self._carries = [None] * plan.tile_count
    whole = plan.tile_count == 1
    parts = [piece.frames] if whole else tiles.split(piece.frames, plan.rows, plan.columns)
    context = None
    if traits.context and not whole:
      context = thumbnail_of(to_unit(piece.frames), traits.context)
    outputs = []
    for index, part in enumerate(parts):
      output, self._carries[index] = self._compiled(
        self._variables,
        part,
        self._carries[index],
        context,
        in_time=not traits.single_frames,
        # Tiles are blended first.
        rounded=self._rounded and whole,
      )
      outputs.append(output)
    return _Results(plan, traits, piece.kept, self._rounded, outputs)
