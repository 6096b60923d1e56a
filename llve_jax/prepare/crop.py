"""How a frame is cut up for training. A box is (left, top, width, height) in pixels."""

from collections.abc import Callable

from llve_jax.errors import UserError

Box = tuple[int, int, int, int]


def cover(width: int, height: int, size: int) -> list[Box]:
  """The fewest square crops that cover the frame, row by row.

  They lie edge to edge; the last of each row and column is moved back inside and overlaps. A side
  shorter than `size` is taken whole.
  """
  return _boxes(_covering(width, size), _covering(height, size), width, height, size)


def released(width: int, height: int, size: int) -> list[Box]:
  """The grid of the report: three by two crops, edge to edge, in the middle of the frame.

  At 1920x1080 and 512: x 192, 704, 1216 and y 28, 540; 384 columns and 56 rows are lost. Fewer
  crops where the frame is too small for three by two.
  """
  return _boxes(_centred(width, size, 3), _centred(height, size, 2), width, height, size)


def whole(width: int, height: int, size: int) -> list[Box]:
  """The frame as it is."""
  del size
  return [(0, 0, width, height)]


GRIDS: dict[str, Callable[[int, int, int], list[Box]]] = {
  "cover": cover,
  "released": released,
  "none": whole,
}


def boxes(grid: str, width: int, height: int, size: int) -> list[Box]:
  """The crops of a frame by the named grid.

  Raises:
    UserError: no such grid, or `size` is not positive.
  """
  if grid not in GRIDS:
    raise UserError(f"crops={grid!r}: expected one of {', '.join(GRIDS)}")
  if size < 1:
    raise UserError(f"size={size}: expected at least one pixel")
  return GRIDS[grid](width, height, size)


def _covering(length: int, size: int) -> list[int]:
  if length <= size:
    return [0]
  return [*range(0, length - size, size), length - size]


def _centred(length: int, size: int, most: int) -> list[int]:
  count = min(most, length // size)
  if count == 0:
    return [0]
  first = (length - count * size) // 2
  return [first + number * size for number in range(count)]


def _boxes(lefts: list[int], tops: list[int], width: int, height: int, size: int) -> list[Box]:
  return [(left, top, min(size, width), min(size, height)) for top in tops for left in lefts]
