"""A stream of frames through a network: in batches, and in tiles where a frame is too large.

Memory depends on the size of a frame and on the batch, never on the length of the stream.
"""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.models.contract import Traits
from llve_jax.ops import tiles
from llve_jax.ops.frames import clips_of, frames_of
from llve_jax.shapes import Clip, Frame8

DEFAULT_TILE = 1280
_MOST_FRAMES = 8
_FEATHER = 16  # pixels that the cores of neighbouring tiles share at least


@dataclasses.dataclass(frozen=True)
class Plan:
  """How frames of one size are run: `len(rows.starts) * len(columns.starts)` tiles of one shape."""

  rows: tiles.Windows
  columns: tiles.Windows
  batch: int

  @property
  def tile_count(self) -> int:
    """Tiles per frame; 1 means that frames are run whole."""
    return len(self.rows.starts) * len(self.columns.starts)

  def __str__(self) -> str:
    size = f"{self.columns.length}x{self.rows.length}"
    at_once = "1 frame" if self.batch == 1 else f"{self.batch} frames"
    if self.tile_count == 1:
      return f"{size}, whole, {at_once} at a time"
    tile = f"{self.columns.size}x{self.rows.size}"
    return f"{size} in {self.tile_count} tiles of {tile}, {at_once} at a time"


def make_plan(
  height: int, width: int, traits: Traits, *, tile: int | None = None, batch: int | None = None
) -> Plan:
  """Decides how frames are run.

  Args:
    height: rows of a frame.
    width: columns of a frame.
    traits: what the network says about itself.
    tile: largest side that is run in one piece; None: 1280, or any size if the network needs the
      whole frame. A tile must hold the receptive field, since that much context is discarded.
    batch: frames per call; None: up to 8, as long as they are no more pixels than one largest tile.

  Raises:
    UserError: the network does not map sRGB frames to frames of the same size, it needs several
      frames for one, it needs the whole frame but `tile` is smaller, or `tile` is too small for its
      receptive field.
  """
  if traits.scale != 1 or traits.input_kind != "srgb":
    raise UserError(
      "expected a network from sRGB frames to sRGB frames of the same size, found one for "
      f"{traits.input_kind!r} input with scale {traits.scale}; this tool cannot run it yet"
    )
  if traits.frames > 1 and not traits.streaming:
    raise UserError(
      f"this network looks at {traits.frames} frames at a time; this tool cannot run it yet"
    )
  if (tile is not None and tile < 1) or (batch is not None and batch < 1):
    raise UserError(f"tile and batch must be at least 1, got tile {tile}, batch {batch}")
  largest = DEFAULT_TILE if tile is None else tile
  if traits.whole_frame_only and max(height, width) > largest:
    if tile is not None:
      raise UserError(
        f"a tile of {tile} is smaller than the {width}x{height} frame, but this network uses "
        "statistics of the whole frame, so tiles would change its result; leave the tile size out"
      )
    logging.getLogger(__name__).warning(
      "this network needs the whole frame: running %dx%d in one piece", width, height
    )
    largest = max(height, width)
  context = {
    "halo": traits.receptive_field // 2,
    "overlap": _FEATHER,
    "stride": traits.stride,
  }
  smallest = tiles.smallest_tile(**context)
  if max(height, width) > largest and largest < smallest:
    raise UserError(
      f"a tile of {largest} is too small: this network sees {traits.receptive_field} pixels around "
      f"each pixel, so tiles must be at least {smallest}"
    )
  rows = tiles.cover(height, largest, **context)
  columns = tiles.cover(width, largest, **context)
  fitting = largest**2 // (rows.size * columns.size)
  return Plan(rows, columns, batch or max(1, min(_MOST_FRAMES, fitting)))


def enhance_frames(
  apply: Callable[..., Any],
  traits: Traits,
  frames: Iterable[Frame8],
  *,
  tile: int | None = None,
  batch: int | None = None,
) -> Iterator[Frame8]:
  """Yields the enhanced frames, one for each frame, in order.

  A frame within the tile size is run whole; a larger one in tiles of one shape, so that one program
  is compiled. The last batch is filled up for the same reason. While a batch is on the accelerator
  the next one is read, so at most two batches are held.

  Args:
    apply: from a clip [b, 1, h, w, 3] in [0, 1] to the enhanced clip of the same shape. Of a
      network that streams: from (clip [1, b, h, w, 3], carry) to (enhanced clip, carry); every tile
      keeps a carry of its own.
    traits: what the network says about itself.
    frames: uint8 [h, w, 3], all of one size.
    tile: as `make_plan`.
    batch: as `make_plan`.

  Raises:
    UserError: as `make_plan`, at the first frame.
  """
  iterator = iter(frames)
  first = next(iterator, None)
  if first is None:
    return
  height, width = first.shape[:2]
  plan = make_plan(height, width, traits, tile=tile, batch=batch)
  start = _Streaming(apply, plan) if traits.streaming else partial(_start, apply, plan)
  running: _Running | None = None
  for group in batches(itertools.chain([first], iterator), plan.batch):
    # Dispatched before the batch before it is fetched: the accelerator never waits for files.
    following = _Running(plan, len(group), start(group))
    if running is not None:
      yield from running.fetch()
    running = following
  if running is not None:
    yield from running.fetch()


def batches(frames: Iterable[Frame8], size: int) -> Iterator[list[Frame8]]:
  """Groups frames by `size`; the last group may be shorter."""
  iterator = iter(frames)
  while group := list(itertools.islice(iterator, size)):
    yield group


@dataclasses.dataclass(frozen=True)
class _Running:
  """A batch on the accelerator: its finished frames, or its tiles in the order of `split`."""

  plan: Plan
  count: int
  outputs: list[Array]

  def fetch(self) -> Iterator[Frame8]:
    if self.plan.tile_count == 1:
      frames = np.asarray(self.outputs[0])
    else:
      blended = tiles.blend(self.outputs, self.plan.rows, self.plan.columns)
      frames = np.round(np.clip(blended, 0.0, 1.0) * 255.0).astype(np.uint8)
    yield from frames[: self.count]


class _Streaming:
  """Runs batch after batch of a network that remembers, a carry for each tile."""

  def __init__(self, step: Callable[[Clip, Any], tuple[Clip, Any]], plan: Plan):
    self._step = step
    self._plan = plan
    self._carries: list[Any] = [None] * plan.tile_count

  def __call__(self, group: list[Frame8]) -> list[Array]:
    outputs = []
    for index, tile in enumerate(_tiles(self._plan, group)):
      clip, self._carries[index] = self._step(
        jnp.swapaxes(clips_of(tile), 0, 1), self._carries[index]
      )
      outputs.append(_finish(self._plan, jnp.swapaxes(clip, 0, 1)))
    return outputs


def _start(apply: Callable[[Clip], Clip], plan: Plan, group: list[Frame8]) -> list[Array]:
  return [_finish(plan, apply(clips_of(tile))) for tile in _tiles(plan, group)]


def _tiles(plan: Plan, group: list[Frame8]) -> Iterator[np.ndarray]:
  """The batch, filled up to its size, whole or in tiles."""
  filled = np.stack(group + [group[-1]] * (plan.batch - len(group)))
  return iter([filled]) if plan.tile_count == 1 else tiles.split(filled, plan.rows, plan.columns)


def _finish(plan: Plan, clips: Clip) -> Array:
  return frames_of(clips) if plan.tile_count == 1 else clips[:, 0]
