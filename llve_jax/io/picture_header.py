"""What a picture file is and how large, before a pixel of it is decoded.

Containers are told by their first bytes, not by their names: cameras and phones write JPEG as .png.
"""

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401  they register

from llve_jax.errors import UserError

LARGEST_PIXELS = 2**28  # of one picture: a damaged or hostile header must not fill the memory
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_bounds = threading.Lock()
# What it warns of, damaged tags mostly, is either raised here or of no consequence.
warnings.filterwarnings("ignore", module=r"PIL\.")


def is_tiff(data: bytes) -> bool:
  """Whether a file is TIFF, classic or big."""
  return data[:4] in _TIFF


def is_png(data: bytes) -> bool:
  """Whether a file is PNG."""
  return data[:8] == b"\x89PNG\r\n\x1a\n"


def is_heif(data: bytes) -> bool:
  """Whether a file is HEIF with HEVC inside (.heic), not AVIF."""
  if data[4:8] != b"ftyp":
    return False
  length = int.from_bytes(data[:4], "big")
  brands = {data[at : at + 4] for at in range(8, min(length, 256), 4)}
  return bool(brands & _HEIF_BRANDS) and not brands & {b"avif", b"avis"}


def check_size(path: Path, width: int, height: int) -> None:
  """Refuses what is empty or would not fit.

  Raises:
    UserError: no pixel, or more than `LARGEST_PIXELS`.
  """
  if width < 1 or height < 1:
    raise UserError(f"{path}: expected a picture, found one of {width}x{height} pixels")
  if width * height > LARGEST_PIXELS:
    raise UserError(
      f"{path}: expected at most {LARGEST_PIXELS} pixels, found {width}x{height}: too large, or "
      "its header is damaged; scale it down, or cut it in parts"
    )


@contextlib.contextmanager
def opened(path: Path, data: bytes) -> Iterator[Image.Image]:
  """Opens a picture; pixels are decoded when they are asked for.

  What goes wrong, now or inside the block, becomes a `UserError`: decoders raise nearly anything on
  damaged files.

  Args:
    path: for messages.
    data: the file.
  """
  try:
    with _bounds:  # ours are kept instead: Pillow's are of the whole process
      before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
      try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
      finally:
        Image.MAX_IMAGE_PIXELS = before
    with image:
      check_size(path, *image.size)
      yield image
  except (UserError, MemoryError):
    raise
  except Exception as error:
    raise damaged(path, error) from error


def by_opencv(data: bytes) -> np.ndarray | None:
  """The picture as it lies in the file, blue before red; None, and not a word, if it is damaged."""
  level = cv2.utils.logging.getLogLevel()
  cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
  try:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
  except cv2.error:
    return None
  finally:
    cv2.utils.logging.setLogLevel(level)


def damaged(path: Path, error: object = "") -> UserError:
  """The error for a file that no decoder takes."""
  detail = " ".join(str(error).split())
  known = detail and "cannot identify" not in detail
  return UserError(
    f"{path}: expected an image, but it cannot be decoded as one: it is damaged, cut off or "
    f"another kind of file{f' ({detail[:120]})' if known else ''}"
  )
