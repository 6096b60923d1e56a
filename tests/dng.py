"""Mosaics as DNG files, which every raw converter opens.

The layout is that of TIFF 6.0 and of Adobe's "Digital Negative Specification" 1.4: one uncompressed
strip of 16-bit numbers, the tags that say what they mean, and an EXIF folder with exposure and ISO.
"""

import math
import os
import struct
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import UInt16

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.ops import mosaic as mosaics

# TIFF field types: number, format of one value.
_BYTE, _ASCII, _SHORT, _LONG = (1, "B"), (2, "s"), (3, "H"), (4, "I")
_RATIONAL, _SIGNED_RATIONAL = (5, "II"), (10, "ii")
Field = tuple[int, tuple[int, str], Sequence[int] | bytes]  # tag, type, values

_CFA = 32803
_LARGEST = 2**32 - 1
_SMALLEST_SIDE = 22  # LibRaw takes anything smaller for a thumbnail
# The camera's colours are declared to be those of sRGB (IEC 61966-2-1): XYZ of D65 to linear RGB.
_XYZ_TO_RGB = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)
_D65 = 21


def write_dng(
  path: str | os.PathLike[str],
  mosaic: UInt16[np.ndarray, "h w"],
  *,
  cfa: str,
  black: Sequence[float],
  white: float,
  exposure_time: float | None = None,
  iso: float | None = None,
  camera: str = "",
  white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> None:
  """Writes one mosaic; `read_raw` gives back the same numbers, layout, levels and exposure.

  The colours are declared to be linear sRGB before white balance, as no camera is known better.

  Args:
    path: file to write, .dng.
    mosaic: sensor numbers, at least 22 a side: LibRaw takes less for a thumbnail.
    cfa: its layout, 4 letters (Bayer) or 36 (X-Trans).
    black: level per letter of `cfa`, whole numbers; X-Trans: all the same, as LibRaw reads no more.
    white: level of full scale, a whole number up to 65535.
    exposure_time: seconds; None leaves it out.
    iso: sensitivity, a whole number up to 65535; None leaves it out.
    camera: make and model.
    white_balance: gains on red, green and blue that make a white surface grey.

  Raises:
    UserError: another suffix, type or shape, levels or gains out of range, or no such folder.
  """
  path = os.fspath(path)
  _check(path, mosaic, cfa, black, white, iso, white_balance)
  size = mosaics.cell_size(cfa)
  h, w = mosaic.shape
  exif: list[Field] = []
  if exposure_time is not None:
    exif.append((33434, _RATIONAL, _rational(exposure_time)))
  if iso is not None:
    exif.append((34855, _SHORT, [round(iso)]))
  name = camera.encode("ascii", "replace") + b"\0"
  levels, side = (black, 2) if size == 2 else (black[:1], 1)
  fields: list[Field] = [
    (254, _LONG, [0]),  # the full-size image
    (256, _LONG, [w]),
    (257, _LONG, [h]),
    (258, _SHORT, [16]),  # bits
    (259, _SHORT, [1]),  # no compression
    (262, _SHORT, [_CFA]),
    (272, _ASCII, name),  # model
    (274, _SHORT, [1]),  # upright
    (277, _SHORT, [1]),  # one number per pixel
    (278, _LONG, [h]),  # all rows in one strip
    (279, _LONG, [mosaic.nbytes]),
    (284, _SHORT, [1]),
    (33421, _SHORT, [size, size]),
    (33422, _BYTE, ["RGB".index(letter) for letter in cfa]),
    (50706, _BYTE, [1, 4, 0, 0]),  # DNG version
    (50707, _BYTE, [1, 1, 0, 0]),  # oldest reader that understands it
    (50708, _ASCII, name),  # unique camera model
    (50710, _BYTE, [0, 1, 2]),  # planes are red, green, blue
    (50711, _SHORT, [1]),  # pixels lie in a square grid
    (50713, _SHORT, [side, side]),
    (50714, _LONG, [round(level) for level in levels]),
    (50717, _LONG, [round(white)]),
    (50721, _SIGNED_RATIONAL, [part for v in _XYZ_TO_RGB for part in (round(v * 10000), 10000)]),
    (50728, _RATIONAL, [part for gain in white_balance for part in _rational(1 / gain)]),
    (50778, _SHORT, [_D65]),
  ]
  with replacing(path) as temporary:
    temporary.write_bytes(_tiff(fields, exif, np.ascontiguousarray(mosaic, "<u2").tobytes()))


def _tiff(fields: list[Field], exif: list[Field], pixels: bytes) -> bytes:
  """A little-endian TIFF file: header, folder, EXIF folder, pixels.

  Where things lie stands inside the folders, whose length does not depend on it.
  """
  start = 8
  exif_at = pixels_at = 0
  if exif:
    exif_at = start + len(_folder(start, [*fields, (273, _LONG, [0]), (34665, _LONG, [0])]))
    fields = [*fields, (34665, _LONG, [exif_at])]
    pixels_at = exif_at + len(_folder(exif_at, exif))
  else:
    pixels_at = start + len(_folder(start, [*fields, (273, _LONG, [0])]))
  main = _folder(start, [*fields, (273, _LONG, [pixels_at])])
  extra = _folder(exif_at, exif) if exif else b""
  return struct.pack("<2sHI", b"II", 42, start) + main + extra + pixels


def _folder(at: int, fields: list[Field]) -> bytes:
  """One image file directory that lies `at` bytes into the file, with the values behind it."""
  values_at = at + 2 + 12 * len(fields) + 4
  entries, values = struct.pack("<H", len(fields)), b""
  for tag, (kind, code), value in sorted(fields, key=lambda field: field[0]):
    if isinstance(value, bytes):
      data, count = value, len(value)
    else:
      count = len(value) // len(code)
      data = struct.pack("<" + code * count, *value)
    if len(data) > 4:
      inline = struct.pack("<I", values_at + len(values))
      values += data + b"\0" * (len(data) % 2)
    else:
      inline = data.ljust(4, b"\0")
    entries += struct.pack("<HHI", tag, kind, count) + inline
  return entries + struct.pack("<I", 0) + values


def _rational(value: float) -> tuple[int, int]:
  """The nearest fraction that fits two 32-bit numbers."""
  fraction = Fraction(value).limit_denominator(10**6 if value >= 1e-3 else _LARGEST)
  if not 0 < fraction.numerator <= _LARGEST:
    raise UserError(f"expected a positive number that a DNG file can hold, found {value}")
  return fraction.numerator, fraction.denominator


def _check(
  path: str,
  mosaic: np.ndarray,
  cfa: str,
  black: Sequence[float],
  white: float,
  iso: float | None,
  white_balance: tuple[float, float, float],
) -> None:
  if not path.lower().endswith(".dng"):
    raise UserError(f"{path}: expected the suffix .dng")
  if mosaic.dtype != np.uint16 or mosaic.ndim != 2:
    raise UserError(f"{path}: expected uint16 [h, w], found {mosaic.dtype} {mosaic.shape}")
  if min(mosaic.shape) < _SMALLEST_SIDE:
    raise UserError(
      f"{path}: expected at least {_SMALLEST_SIDE} pixels a side, which raw readers ask for, found "
      f"{mosaic.shape[1]}x{mosaic.shape[0]}"
    )
  mosaics.cell_size(cfa)  # refuses unknown letters
  if len(black) != len(cfa) or min(black) < 0 or not max(black) < white <= 65535:
    raise UserError(
      f"{path}: expected {len(cfa)} black levels from 0, one per letter of {cfa}, below a white "
      f"level of at most 65535, found black {tuple(black)} and white {white}"
    )
  if any(round(level) != level for level in (*black, white)):
    raise UserError(f"{path}: expected whole numbers as levels, found black {black}, white {white}")
  if len(cfa) > 4 and len(set(black)) > 1:
    raise UserError(f"{path}: expected one black level for all pixels of X-Trans, found {black}")
  if iso is not None and not (0 < iso <= 65535 and round(iso) == iso):
    raise UserError(f"{path}: expected a whole ISO from 1 to 65535, found {iso}")
  if not all(gain > 0 and math.isfinite(gain) for gain in white_balance):
    raise UserError(f"{path}: expected positive white-balance gains, found {white_balance}")
