"""What a picture's EXIF tags say of it, and those that its result keeps.

EXIF 2.32 (CIPA DC-008). Damaged tags are no reason to lose the pixels: they say nothing.
"""

import logging
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image

_ORIENTATION, _EXIF, _GPS, _INTEROPERABILITY = 0x0112, 0x8769, 0x8825, 0xA005
_COLOR_SPACE, _WIDTH, _HEIGHT, _MAKER_NOTE = 0xA001, 0xA002, 0xA003, 0x927C
_SRGB, _UNCALIBRATED = 1, 0xFFFF
# Of the main folder: who, when, with what. All else describes how the pixels lay in the file.
_KEPT = frozenset(
  (
    *(0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C),
    *(0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
  )
)
_LARGEST = 65000  # bytes: a segment of a JPEG file has 16 bits for its length


def parse(exif: bytes | None) -> Image.Exif:
  """The tags of an EXIF block, with or without its leading "Exif"; none if it is damaged."""
  found = Image.Exif()
  logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)
  if exif:
    try:
      found.load(exif)
      dict(found)  # values are decoded when they are asked for
    except Exception:
      return Image.Exif()
  return found


def orientation(tags: Image.Exif) -> int:
  """Tag 0x0112, 1 to 8: where row 0 and column 0 of what is stored are; 1 if it says nothing."""
  try:
    value = tags.get(_ORIENTATION, 1)
    value = int(value[0] if isinstance(value, tuple) else value)
  except Exception:
    return 1
  return value if 1 <= value <= 8 else 1


def upright(pixels: Shaped[np.ndarray, "h w c"], orientation: int) -> np.ndarray:
  """Turns and mirrors a stored picture as its orientation asks for; a copy that lies in order."""
  turned = {
    2: lambda: pixels[:, ::-1],
    3: lambda: pixels[::-1, ::-1],
    4: lambda: pixels[::-1],
    5: lambda: pixels.swapaxes(0, 1),
    6: lambda: np.rot90(pixels, -1),
    7: lambda: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda: np.rot90(pixels),
  }.get(orientation, lambda: pixels)()
  return np.ascontiguousarray(turned)


def says_adobe_rgb(tags: Image.Exif) -> bool:
  """Whether a camera wrote Adobe RGB without a profile, as "Design rule for cameras" has it."""
  exif = _folder(tags, _EXIF)
  interoperability = exif.get(_INTEROPERABILITY)
  if not isinstance(interoperability, dict):
    interoperability = _folder(tags, _INTEROPERABILITY)
  index = interoperability.get(1, "")
  text = index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)
  return exif.get(_COLOR_SPACE) in (2, _UNCALIBRATED) and text.strip("\0 ") == "R03"


def kept(tags: Image.Exif) -> bytes | None:
  """The EXIF block of a picture made from one with these tags; None if there is nothing to keep.

  It is upright and sRGB, and has no thumbnail of the dark picture. A maker's notes are left out if
  the block would be too long for a JPEG file; so is all of it if that does not help.
  """
  result = Image.Exif()
  result.endian = "<"
  for tag, value in tags.items():
    if tag in _KEPT:
      result[tag] = value
  exif, gps = dict(_folder(tags, _EXIF)), dict(_folder(tags, _GPS))
  for tag in (_INTEROPERABILITY, _WIDTH, _HEIGHT):
    exif.pop(tag, None)
  if exif:
    result[_EXIF] = {**exif, _COLOR_SPACE: _SRGB}
  if gps:
    result[_GPS] = gps
  for drop in ((), (_MAKER_NOTE,)):
    for tag in drop:
      exif.pop(tag, None)
      if exif:
        result[_EXIF] = {**exif, _COLOR_SPACE: _SRGB}
    try:
      block = result.tobytes() if len(result) else None
    except Exception:  # a value that is not what its tag asks for
      continue
    if block is None or len(block) <= _LARGEST:
      return block
  return None


def _folder(tags: Image.Exif, which: int) -> dict[int, Any]:
  try:
    return tags.get_ifd(which)
  except Exception:
    return {}
