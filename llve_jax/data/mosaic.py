"""Training windows of mosaics: turned, cut and packed so that the colours stay where they are.

A flip changes the phase of a mosaic: turned left-right, RGGB begins with green. The code released
with Chen et al., "Learning to See in the Dark", CVPR 2018, flips the packed array all the same, so
that its input claims a picture that lies a pixel beside the target. Here the plane itself is
turned, and the window begins where the turned plane has the wanted phase again.
"""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import grain
import numpy as np
from jaxtyping import Int

from llve_jax.data.augment import Pair, Size, Turn, sides
from llve_jax.data.frames import as_float, decode_window, draw_frames, window_id, window_sizes
from llve_jax.data.light import exposed_light, of_kind, wanted_layout
from llve_jax.errors import UserError
from llve_jax.ops.mosaic import cell_size, crop_cfa, pack, phase_offset


class MosaicWindow(grain.transforms.RandomMap):
  """Cuts a random window of frames and pixels from an encoded example with mosaics.

  Light is normalised by the black levels and white, brightened by the ratio of its frame and cut
  off at 1. The target may not be smaller than the mosaic: after a flip, a target of packed size
  would lie half a pixel beside the mosaic.

  Attributes:
    frames: frames to keep; only these are decoded.
    crop: side of a square, or (height, width), in packed pixels; even for X-Trans, whose cell is
      two of them.
    kind: what becomes of the packed mosaic, see `data.light.of_kind`; None leaves it packed.
    apart: frames of a still scene that do not follow each other, see `draw_frames`.
    keep_negatives: see `ops.raw_light.normalize`.
    augment: turn the clip, see `Turn`; "flip": never in time. Where the crop is no square, only
      "flip" and False fit; then rows stay rows.
    blind: turn the packed array instead of the plane, as the released code does.
    cfa: the layout of every window before packing; None is RGGB for Bayer and
      `ops.mosaic.XTRANS`, the only one that can be packed, for X-Trans.
  """

  def __init__(
    self,
    *,
    frames: int,
    crop: Size,
    kind: str | None = None,
    apart: bool = False,
    keep_negatives: bool = True,
    augment: bool | Literal["flip"] = True,
    blind: bool = False,
    cfa: str | None = None,
  ):
    self.frames = frames
    self.crop = crop
    self.kind = kind
    self.apart = apart
    self.keep_negatives = keep_negatives
    self.augment = augment
    self.blind = blind
    self.cfa = cfa

  def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> Pair:
    """Returns "low", float32 [frames, *crop, 4 or 9], at most 1, "high" in [0, 1] and "id".

    "high" has 3 channels and 2 (Bayer) or 3 (X-Trans) times the size of "low". A single bright
    frame is the target of every dark one. Of another `kind`, "low" is three channels of the same
    size, with a "high" as small, or one channel as large as "high".

    Raises:
      UserError: the example is shorter or smaller than the window, its clips do not match, or its
        layout or levels make no sense.
    """
    places = draw_frames(element, self.frames, rng, apart=self.apart)
    try:
      pair = self._cut(element, places, rng)
    except UserError as error:
      raise UserError(f"{element['clip'].decode()}: {error}") from None
    return {**pair, "id": np.str_(window_id(element, places))}

  def _cut(self, element: dict[str, Any], places: Sequence[int], rng: np.random.Generator) -> Pair:
    cfa, black = element["cfa"].decode(), np.asarray(element["black"])
    ratio = np.asarray(element["ratio"])[places]
    size = cell_size(cfa)
    if len(black) != len(cfa):
      raise UserError(f"expected {len(cfa)} black levels, one per letter of {cfa}, found {black}")
    wanted = self.cfa or wanted_layout(cfa)
    early = bool(self.augment) and not self.blind
    shape, target = window_sizes(element, places)
    lengths = self._check_sizes(shape, target, cfa, room=early or cfa != wanted)
    turn = self._draw_turn(rng)
    sites, turned, first = _site_numbers(size, shape), shape, turn if early else Turn()
    if early:
      ratio = ratio[::-1] if turn.reverse else ratio
      sites = turn.apply(sites[None])[0]
      turned = shape[::-1] if turn.transpose else shape
    sites = sites[:size, :size]
    turned_cfa = "".join(cfa[site] for site in sites.ravel())
    top, left = _draw_corner(turned_cfa, wanted, turned, lengths, rng)
    window = (slice(top, top + lengths[0]), slice(left, left + lengths[1]))
    low, high = decode_window(element, places, first.origin(window, shape))
    low, high = first.apply(low), first.apply(high)
    levels = tuple(black[np.roll(sites, (-top, -left), (0, 1)).ravel()].tolist())
    light = exposed_light(
      low[..., 0], wanted, levels, float(element["white"]), ratio, self.keep_negatives
    )
    packed = pack(light, wanted)
    if not early:
      packed, high = turn.apply(packed), turn.apply(high)
    low, high = of_kind(np.ascontiguousarray(packed), as_float(high), wanted, self.kind)
    return {"low": low, "high": high}

  def _draw_turn(self, rng: np.random.Generator) -> Turn:
    if not self.augment:
      return Turn()
    height, width = sides(self.crop)
    return Turn.draw(rng, reverse=self.augment != "flip", transpose=height == width)

  def _check_sizes(
    self, shape: tuple[int, int], target: tuple[int, int], cfa: str, room: bool
  ) -> tuple[int, int]:
    """Returns (height, width) of the window in pixels.

    Args:
      shape: (height, width) of the mosaics.
      target: of the targets.
      cfa: layout of the mosaics.
      room: whether the window must be able to begin anywhere in a cell.
    """
    height, width = shape
    if shape != target:
      raise UserError(
        f"expected targets of the size of the mosaics, found mosaics of {width}x{height} and "
        f"targets of {target[1]}x{target[0]} pixels (width x height)"
      )
    cell, block = (2, 2) if cell_size(cfa) == 2 else (6, 3)
    square = isinstance(self.crop, int)
    rows, columns = (side * block for side in sides(self.crop))
    crop = self.crop if square else f"{sides(self.crop)} (height, width)"
    if rows % cell or columns % cell:
      even = "an even one" if square else "even ones"
      raise UserError(f"crop={crop}: expected {even}, since a cell of X-Trans is two")
    spare = cell - 1 if room else 0
    if rows + spare > height or columns + spare > width:
      most = tuple(max(side - spare, 0) // cell * cell // block for side in shape)
      takes = f"{rows}" if square else f"{columns}x{rows}"
      why = f", and {spare} more so that it can begin with {self.cfa or wanted_layout(cfa)}"
      raise UserError(
        f"crop={crop} is larger than a mosaic of {width}x{height} pixels (width x height): "
        f"it takes {takes} pixels{why if room else ''}; take a crop of at most "
        f"{min(most) if square else most}"
      )
    return rows, columns


def _site_numbers(cell: int, shape: tuple[int, ...]) -> Int[np.ndarray, "h w"]:
  """Numbers the sites of a cell, row by row, over a plane that turns like one of `shape`.

  All that counts is where in a cell the plane ends.
  """
  rows, columns = (np.arange(length % cell + cell) % cell for length in shape)
  return cell * rows[:, None] + columns


@functools.lru_cache
def _corners(cfa: str, wanted: str) -> tuple[tuple[int, int], ...]:
  """Every crop, less than a cell, that turns the layout `cfa` into `wanted`.

  Bayer has one, X-Trans has two, since it repeats half a cell down and to the right.
  """
  phase_offset(cfa, wanted)  # Raises if there is none.
  size = cell_size(cfa)
  crops = [(top, left) for top in range(size) for left in range(size)]
  return tuple(crop for crop in crops if crop_cfa(cfa, *crop) == wanted)


def _draw_corner(
  cfa: str,
  wanted: str,
  shape: tuple[int, int],
  lengths: tuple[int, int],
  rng: np.random.Generator,
) -> tuple[int, int]:
  """Draws where a window begins, among all places where it is laid out as `wanted`."""
  size = cell_size(cfa)
  # For each corner: how many steps of a cell there are down and to the right.
  steps = np.array(
    [
      [
        (length - side - first) // size + 1
        for length, side, first in zip(shape, lengths, corner, strict=True)
      ]
      for corner in _corners(cfa, wanted)
    ]
  )
  count = steps.prod(axis=1)
  number = rng.choice(len(count), p=count / count.sum())
  top, left = _corners(cfa, wanted)[number] + size * rng.integers(steps[number])
  return int(top), int(left)
