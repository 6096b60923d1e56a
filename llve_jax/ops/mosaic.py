"""Mosaics: colour filter arrays, their packed forms, black level and exposure.

A mosaic is one plane as the sensor laid it out, [..., h, w]. Its colour filter array is named by
the letters of the cell that repeats, read row by row from the plane's top left pixel: 4 letters for
Bayer ("RGGB"), 36 for Fuji's X-Trans. Raw numbers are the sensor's own; light is linear, 0 is
black and 1 is the white level.

Packed, a mosaic has one channel per site of a small block, and its channels are named by colour and
not by position, so that a network sees red in the same channel whatever the phase; the phase is
carried beside the array, as `cfa`:

* Bayer, blocks of 2x2: red, green of red's row, blue, green of blue's row. For RGGB that is
  clockwise from the top left pixel, as in Chen et al., "Learning to See in the Dark", CVPR 2018.
* X-Trans, blocks of 3x3: the nine channels of the same paper's code. A block holds four greens in a
  square, beside it a row and a column with a green where they meet. Channels: 0 red, 1 green where
  they meet, 2 blue of the row; 3 red, 4 blue of the column; 5 to 8 the square, row by row.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from jaxtyping import Int, Shaped

from llve_jax.errors import UserError

Axis = Literal["up_down", "left_right"]

BAYER: tuple[str, ...] = ("RGGB", "GRBG", "GBRG", "BGGR")
# The phase that the nine channels of "Learning to See in the Dark" assume.
XTRANS: str = "RBGBRGGGRGGBGGBGGRBRGRBGGGBGGRGGRGGB"

_COLORS = "RGB"


def cell_size(cfa: str) -> int:
  """Side of the cell that repeats, in pixels: 2 for Bayer, 6 for X-Trans.

  Raises:
    UserError: the letters are no Bayer and no X-Trans layout.
  """
  if cfa in BAYER:
    return 2
  if cfa in _XTRANS_PHASES:
    return 6
  raise UserError(
    f"colour filter array {cfa!r}: expected one of {' '.join(BAYER)}, or the 36 letters of an "
    f"X-Trans sensor such as {XTRANS}"
  )


def crop_cfa(cfa: str, top: int, left: int) -> str:
  """The layout that is left after `top` rows and `left` columns are cut off a plane."""
  return _letters(np.roll(_cell(cfa), (-top, -left), (0, 1)))


def flip_cfa(cfa: str, axis: Axis) -> str:
  """The layout of a plane turned upside down ("up_down") or mirrored ("left_right").

  For planes whose size is a multiple of the cell.
  """
  return _letters(np.flip(_cell(cfa), _axis(axis)))


def phase_offset(cfa: str, wanted: str) -> tuple[int, int]:
  """The smallest crop (top, left), in pixels, that turns the layout `cfa` into `wanted`.

  Raises:
    UserError: no crop does, because one is Bayer and the other is X-Trans.
  """
  size = cell_size(cfa)
  if cell_size(wanted) == size:
    crops = [(top, left) for top in range(size) for left in range(size)]
    for top, left in sorted(crops, key=sum):
      if crop_cfa(cfa, top, left) == wanted:
        return top, left
  raise UserError(f"no crop of a plane laid out as {cfa} is laid out as {wanted}")


def color_sites(cfa: str, shape: tuple[int, int]) -> Int[np.ndarray, "h w"]:
  """The colour of every pixel of a plane of `shape` (h, w): 0 red, 1 green, 2 blue."""
  return tile_cell(np.vectorize(_COLORS.index)(_cell(cfa)), shape)


def pack(mosaic: Shaped[np.ndarray, "*batch h w"], cfa: str) -> Shaped[np.ndarray, "*batch p q c"]:
  """Packs a plane, any type, into 4 channels at half size or 9 at a third (see the module's head).

  X-Trans planes lose the rows and columns at the bottom and on the right that fill no whole cell.

  Raises:
    UserError: an odd size (Bayer), less than a whole cell, or an X-Trans phase other than `XTRANS`.
  """
  size = cell_size(cfa)
  h, w = mosaic.shape[-2:]
  if size == 6:
    if cfa != XTRANS:
      top, left = phase_offset(cfa, XTRANS)
      raise UserError(
        f"X-Trans is packed from the phase {XTRANS}, found {cfa}; cut off what "
        f"`phase_offset` says first: {top} rows at the top and {left} columns on the left"
      )
    h, w = h - h % 6, w - w % 6
  if h % size or w % size or not h or not w:
    raise UserError(
      f"a plane laid out as {cfa} is packed in cells of {size}x{size} pixels, found "
      f"{mosaic.shape[-1]}x{mosaic.shape[-2]} (width x height); crop it to a multiple of {size}"
    )
  order = _channel_order(cfa)
  channels, block = order.shape[-1], 2 if size == 2 else 3
  packed = np.empty((*mosaic.shape[:-2], h // block, w // block, channels), mosaic.dtype)
  for in_packed, in_plane in _sites(order, block):
    packed[in_packed] = mosaic[..., :h, :w][in_plane]
  return packed


def unpack(
  packed: Shaped[np.ndarray, "*batch p q c"], cfa: str
) -> Shaped[np.ndarray, "*batch h w"]:
  """The inverse of `pack`: the plane laid out as `cfa`.

  X-Trans: besides `XTRANS`, the phases that flips, transposes and crops by whole blocks make of it.

  Raises:
    UserError: the number of channels does not fit `cfa`, or it is another X-Trans phase.
  """
  order = _channel_order(cfa)
  channels = order.shape[-1]
  check_channels(packed, cfa, channels)
  *batch, rows, columns, _ = packed.shape
  block = 2 if channels == 4 else 3
  mosaic = np.empty((*batch, rows * block, columns * block), packed.dtype)
  for in_packed, in_plane in _sites(order, block):
    mosaic[in_plane] = packed[in_packed]
  return mosaic


def pack_rows(mosaic: Shaped[np.ndarray, "*batch h w"]) -> Shaped[np.ndarray, "*batch p q 4"]:
  """Packs blocks of 2x2 pixels row by row, (0,0) (0,1) (1,0) (1,1), whatever their colours.

  This is how SMOID's files are packed (Jiang and Zheng, "Learning to See Moving Objects in the
  Dark", ICCV 2019).

  Raises:
    UserError: an odd or an empty size.
  """
  h, w = mosaic.shape[-2:]
  if h % 2 or w % 2 or not h or not w:
    raise UserError(f"expected an even size to pack 2x2 blocks, found {w}x{h} (width x height)")
  return _to_blocks(mosaic, 2)


def unpack_rows(packed: Shaped[np.ndarray, "*batch p q 4"]) -> Shaped[np.ndarray, "*batch h w"]:
  """The inverse of `pack_rows`.

  Raises:
    UserError: not four channels.
  """
  check_channels(packed, "2x2 blocks", 4)
  return _from_blocks(packed, 2)


def flip_packed(
  packed: Shaped[np.ndarray, "*batch p q c"], cfa: str, axis: Axis, blind: bool = False
) -> tuple[Shaped[np.ndarray, "*batch p q c"], str]:
  """Flips a packed mosaic so that it is the packed form of the flipped plane.

  Args:
    packed: 4 or 9 channels.
    cfa: its layout.
    axis: "up_down" or "left_right".
    blind: flip the array and keep `cfa`, as the code released with "Learning to See in the Dark"
      does. The result then claims a mosaic whose colours lie a pixel beside those of the flipped
      picture.

  Returns:
    The packed array and the layout of the flipped plane.
  """
  order = _channel_order(cfa)
  check_channels(packed, cfa, order.shape[-1])
  flipped = np.flip(packed, _axis(axis) - 1)
  if blind:
    return flipped, cfa
  flipped_cfa = flip_cfa(cfa, axis)
  if order.shape[-1] == 4:
    return flipped, flipped_cfa  # channels go by colour, and a flip leaves green in red's row there
  if packed.shape[_axis(axis) - 1] % 2:  # the flipped plane starts in the middle of a cell
    flipped_cfa = crop_cfa(flipped_cfa, *((3, 0) if axis == "up_down" else (0, 3)))
  square = [7, 8, 5, 6] if axis == "up_down" else [6, 5, 8, 7]
  return flipped[..., [0, 1, 2, 3, 4, *square]], flipped_cfa


def _cell(cfa: str) -> Shaped[np.ndarray, "n n"]:
  size = cell_size(cfa)
  return np.array(list(cfa)).reshape(size, size)


def _letters(cell: Shaped[np.ndarray, "n n"]) -> str:
  return "".join(cell.ravel())


def _axis(axis: Axis) -> int:
  """The plane's axis, counted from the end."""
  axes = {"up_down": -2, "left_right": -1}
  if axis not in axes:
    raise UserError(f"axis: expected one of {' '.join(axes)}, found {axis!r}")
  return axes[axis]


def tile_cell(cell: Shaped[np.ndarray, "n n"], shape: tuple[int, int]) -> Shaped[np.ndarray, "h w"]:
  """Repeats a cell over a plane of `shape` from its top left corner."""
  h, w = shape
  return cell[np.arange(h)[:, None] % len(cell), np.arange(w) % len(cell)]


def _to_blocks(
  plane: Shaped[np.ndarray, "*batch h w"], size: int
) -> Shaped[np.ndarray, "*batch p q c"]:
  """[..., h, w] to [..., h/size, w/size, size*size], each block row by row."""
  *batch, h, w = plane.shape
  split = plane.reshape(*batch, h // size, size, w // size, size)
  return np.swapaxes(split, -3, -2).reshape(*batch, h // size, w // size, size * size)


def _from_blocks(
  blocks: Shaped[np.ndarray, "*batch p q c"], size: int
) -> Shaped[np.ndarray, "*batch h w"]:
  *batch, rows, columns, _ = blocks.shape
  split = blocks.reshape(*batch, rows, columns, size, size)
  return np.swapaxes(split, -3, -2).reshape(*batch, rows * size, columns * size)


def check_channels(packed: np.ndarray, cfa: str, channels: int) -> None:
  """Refuses, by a `UserError`, what is no packed array of that many channels."""
  if packed.ndim < 3 or packed.shape[-1] != channels:
    raise UserError(
      f"{cfa}: expected a packed array [..., rows, columns, {channels}], found {packed.shape}"
    )


def _channel_order(cfa: str) -> Int[np.ndarray, "n n c"]:
  """Where each channel lies in its block, counted row by row.

  The two leading axes are the blocks that make up a cell: one for Bayer, 2x2 for X-Trans.
  """
  cell = _cell(cfa)
  if len(cell) == 2:
    row, column = np.argwhere(cell == "R")[0]
    sites = [(row, column), (row, 1 - column), (1 - row, 1 - column), (1 - row, column)]
    return np.array([[[2 * y + x for y, x in sites]]])
  return np.array(
    [[_xtrans_order(cell[p : p + 3, q : q + 3], cfa) for q in (0, 3)] for p in (0, 3)]
  )


def _sites(
  order: Int[np.ndarray, "n n c"], block: int
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
  """For every site of a cell, where it lies in a packed array and in a plane; strided slices."""
  step = len(order)
  for (p, q, channel), site in np.ndenumerate(order):
    y, x = divmod(int(site), block)
    yield (
      (..., slice(p, None, step), slice(q, None, step), channel),
      (..., slice(block * p + y, None, block * step), slice(block * q + x, None, block * step)),
    )


def _xtrans_order(block: Shaped[np.ndarray, "3 3"], cfa: str) -> list[int]:
  """The nine channels of one block of 3x3."""
  for row, column in ((0, 2), (0, 0), (2, 2), (2, 0)):  # the corner opposite to the green square
    square = [3 * y + x for y in range(3) for x in range(3) if y != row and x != column]
    if np.all(block.ravel()[square] == "G"):
      in_row = {block[row, x]: 3 * row + x for x in range(3) if x != column}
      in_column = {block[y, column]: 3 * y + column for y in range(3) if y != row}
      return [in_row["R"], 3 * row + column, in_row["B"], in_column["R"], in_column["B"], *square]
  raise UserError(
    f"X-Trans phase {cfa}: its squares of four greens lie across blocks of 3x3 pixels; cut off "
    "what `phase_offset` says first"
  )


_XTRANS_CELL = np.array(list(XTRANS)).reshape(6, 6)
# Flips and transposes of the layout are crops of it, too.
_XTRANS_PHASES = frozenset(
  _letters(np.roll(_XTRANS_CELL, (-top, -left), (0, 1))) for top in range(6) for left in range(6)
)
