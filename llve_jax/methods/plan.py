"""How frames of one size are run through a network: whole or in tiles, and how many at a time."""

import dataclasses
import logging

from llve_jax.errors import UserError
from llve_jax.models.contract import Traits
from llve_jax.ops import tiles

DEFAULT_TILE = 1280
_MOST_FRAMES = 8
_WINDOW_PIXELS = 4_000_000  # of all output frames of a window in time
_FEATHER = 16  # pixels that the cores of neighbouring tiles share at least


@dataclasses.dataclass(frozen=True)
class Plan:
  """How frames of one size are run: `len(rows.starts) * len(columns.starts)` tiles of one shape.

  Attributes:
    rows: how the height is covered.
    columns: how the width is covered.
    batch: frames per call; of a network that looks at several, the length of a window in time.
    halo: frames at either end of a window that are context; 0 where there are no windows.
  """

  rows: tiles.Windows
  columns: tiles.Windows
  batch: int
  halo: int = 0

  @property
  def tile_count(self) -> int:
    """Tiles per frame; 1 means that frames are run whole."""
    return len(self.rows.starts) * len(self.columns.starts)

  def __str__(self) -> str:
    size = f"{self.columns.length}x{self.rows.length}"
    at_once = "1 frame" if self.batch == 1 else f"{self.batch} frames"
    if self.halo:
      at_once = f"windows of {at_once}, one"
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
      Of a network that looks at several frames, what a window adds to what it looks at; windows are
      longer where frames are small.

  Raises:
    UserError: frames are too small for the network, it needs the whole frame but `tile` is smaller,
      or `tile` is too small for its receptive field.
  """
  if (tile is not None and tile < 1) or (batch is not None and batch < 1):
    raise UserError(f"tile and batch must be at least 1, got tile {tile}, batch {batch}")
  if min(height, width) < traits.least_side:
    least = f"{traits.least_side}x{traits.least_side}"
    raise UserError(f"this network needs frames of {least} pixels at least, found {width}x{height}")
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
  fitting = largest**2 // (rows.size * columns.size * traits.scale**2)
  at_once = batch or max(1, min(_MOST_FRAMES, fitting))
  if traits.streaming or traits.frames == 1:
    return Plan(rows, columns, at_once)
  halo = traits.frames // 2
  room = _WINDOW_PIXELS // (rows.size * columns.size * traits.scale**2)
  window = max(traits.least_frames, 2 * halo + max(at_once, 2), room)
  return Plan(rows, columns, window, halo)
