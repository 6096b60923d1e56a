"""Pictures as files: tagged sRGB, with the EXIF tags that were kept."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from jaxtyping import Shaped
from PIL import Image

from llve_jax.io import tiff_encoding
from llve_jax.io.color_profile import srgb_profile

_QUALITY = 95
# By suffix: Pillow's name, whether it holds a profile and tags.
_PILLOW = {
  **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), ("JPEG", True)),
  ".webp": ("WEBP", True),
  ".avif": ("AVIF", True),
  ".bmp": ("BMP", False),
}
WRITTEN_SUFFIXES = (".png", *_PILLOW, ".ppm", ".tif", ".tiff")
DEEP_SUFFIXES = (".png", ".ppm", ".tif", ".tiff")
_HEADER = 33  # bytes of a PNG file up to its first chunk after IHDR
_EXIF_HEAD = b"Exif\0\0"


def encode(image: Shaped[np.ndarray, "h w 3"], suffix: str, exif: bytes | None) -> bytes:
  """The file.

  Args:
    image: uint8; uint16 where the suffix is one of `DEEP_SUFFIXES`.
    suffix: one of `WRITTEN_SUFFIXES`.
    exif: tags, as `picture_tags.kept` gives them.

  Raises:
    ValueError: the format cannot hold this size.
  """
  if suffix == ".png":
    return _tagged(encode_png(image), exif)
  if suffix in (".tif", ".tiff"):
    return tiff_encoding.encode(image, exif)
  if suffix == ".ppm":
    head = b"P6\n%d %d\n%d\n" % (image.shape[1], image.shape[0], np.iinfo(image.dtype).max)
    return head + image.astype(image.dtype.newbyteorder(">")).tobytes()
  name, tagged = _PILLOW[suffix]
  options: dict[str, Any] = {"icc_profile": srgb_profile()} if tagged else {}
  if tagged and exif:
    options["exif"] = exif
  file = io.BytesIO()
  try:
    Image.fromarray(image).save(file, name, quality=_QUALITY, **options)
  except (OSError, struct.error) as error:
    raise ValueError(str(error)) from error
  return file.getvalue()


def encode_png(image: Shaped[np.ndarray, "h w c"]) -> bytes:
  """Encodes uint8 or uint16 [h, w, 1 or 3], R'G'B' or one plane, as a PNG file without tags.

  Raises:
    ValueError: another dtype or shape.
  """
  if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3 or image.shape[2] not in (1, 3):
    raise ValueError(f"expected uint8 or uint16 [h, w, 1 or 3], found {image.dtype} {image.shape}")
  # Run-length coding of the predicted rows: fastest, and smallest on noisy frames.
  flags = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
  return cv2.imencode(".png", image[..., ::-1], flags)[1].tobytes()


def _tagged(png: bytes, exif: bytes | None) -> bytes:
  """Says sRGB, perceptual, and the tags, before the pixels."""
  chunks = _chunk(b"sRGB", b"\0")
  if exif:
    chunks += _chunk(b"eXIf", exif.removeprefix(_EXIF_HEAD))
  return png[:_HEADER] + chunks + png[_HEADER:]


def _chunk(name: bytes, content: bytes) -> bytes:
  check = zlib.crc32(name + content)
  return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
