"""TIFF 6.0 files of 8 or 16 bits, tagged sRGB, with EXIF: what tifffile and Pillow do not write.

An EXIF block is a small TIFF file. It comes first, so that what lies in it stays where it says; the
strips of pixels follow, then one folder with its entries and those of the picture.
"""

import struct
import zlib

import numpy as np
from jaxtyping import Shaped

from llve_jax.io.color_profile import srgb_profile

_ROWS = 64  # of a strip
_SHORT, _LONG, _UNDEFINED = (3, "H"), (4, "I"), (7, "B")
_HEADER = b"II*\0\0\0\0\0"
_ENTRY = 12  # bytes of an entry of a folder


def encode(image: Shaped[np.ndarray, "h w 3"], exif: bytes | None) -> bytes:
  """A little-endian TIFF file of uint8 or uint16 R'G'B': predicted along rows and deflated."""
  height, width = image.shape[:2]
  block = (exif or b"").removeprefix(b"Exif\0\0")
  entries = _entries(block)
  start = _even(len(block) if entries else len(_HEADER))
  strips = [_strip(image[top : top + _ROWS]) for top in range(0, height, _ROWS)]
  places = [start + sum(map(len, strips[:at])) for at in range(len(strips))]
  fields = [
    (256, _LONG, [width]),
    (257, _LONG, [height]),
    (258, _SHORT, [8 * image.itemsize] * 3),
    (259, _SHORT, [8]),  # deflate
    (262, _SHORT, [2]),  # RGB
    (273, _LONG, places),
    (277, _SHORT, [3]),
    (278, _LONG, [_ROWS]),
    (279, _LONG, [len(strip) for strip in strips]),
    (284, _SHORT, [1]),  # channel by channel
    (317, _SHORT, [2]),  # differences along rows
    (34675, _UNDEFINED, list(srgb_profile())),
  ]
  end = places[-1] + len(strips[-1])
  values = b""
  for tag, (kind, code), numbers in fields:
    packed = struct.pack(f"<{len(numbers)}{code}", *numbers)
    if len(packed) > 4:
      inline = struct.pack("<I", end + len(values))
      values += packed.ljust(_even(len(packed)), b"\0")
    else:
      inline = packed.ljust(4, b"\0")
    entries[tag] = struct.pack("<HHI", tag, kind, len(numbers)) + inline
  folder = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
  first = _HEADER[:4] + struct.pack("<I", end + len(values))
  head = (first + (block[len(first) :] if len(entries) > len(fields) else b"")).ljust(start, b"\0")
  return b"".join([head, *strips, values, folder, bytes(4)])


def _entries(block: bytes) -> dict[int, bytes]:
  """The entries of an EXIF block's main folder by tag; none where it is not little-endian TIFF."""
  if block[:4] != _HEADER[:4]:
    return {}
  (at,) = struct.unpack_from("<I", block, 4)
  (count,) = struct.unpack_from("<H", block, at)
  entries = [block[at + 2 + _ENTRY * k :][:_ENTRY] for k in range(count)]
  return {int.from_bytes(entry[:2], "little"): entry for entry in entries}


def _strip(rows: np.ndarray) -> bytes:
  """Some rows, even in length."""
  change = rows.astype(rows.dtype.newbyteorder("<"))
  change[:, 1:] -= rows[:, :-1]  # wraps around, as readers undo it
  packed = zlib.compress(change.tobytes(), 1)
  return packed.ljust(_even(len(packed)), b"\0")


def _even(length: int) -> int:
  return length + length % 2
