"""TIFF files: 1 to 16 bits, grey or RGB, any order of bytes, strips, tiles or planes.

Of several pages the first whole one is taken, with a warning. What tifffile cannot unpack goes
through Pillow (8 bits) or OpenCV (16 bits), both of which have libtiff.
"""

import io
import logging
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Shaped
from PIL import Image

from llve_jax.errors import UserError
from llve_jax.io import picture_tags
from llve_jax.io.picture_header import by_opencv, check_size, damaged, opened
from llve_jax.io.pillow_pixels import Stored, from_pillow

_WHITE_IS_ZERO, _GREY, _RGB = 0, 1, 2
_OURS = (_WHITE_IS_ZERO, _GREY, _RGB)  # photometric interpretations that need no conversion
_UNPACKED = (1, 8, 32946, 34925)  # compressions that tifffile knows by itself: none, zlib, LZMA
_CHUNKY, _UNSIGNED, _ASSOCIATED, _PROFILE, _REDUCED = 1, 1, 1, 34675, 1


def decode(path: Path, data: bytes) -> Stored:
  """The first whole page.

  Args:
    path: for messages.
    data: the file.

  Raises:
    UserError: damaged, cut off, too large, or neither 1 to 8 nor 16 bits of unsigned integers.
  """
  logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters is raised below
  try:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
      index, page = _page(path, file)
      check_size(path, page.imagewidth, page.imagelength)
      bits = _bits(path, page)
      _check_extent(path, page, len(data))
      own = page.photometric in _OURS and page.compression in _UNPACKED
      if own and bits in (8, 16):
        pixels = _grey_or_rgb(page, _unpacked(page))
      elif bits == 16:
        pixels = _grey_or_rgb(page, _by_libtiff(path, page, data, index))
      else:
        return _by_pillow(path, data, index)
      tag = page.tags.get(_PROFILE)
      profile = None if tag is None else bytes(tag.value)
    return Stored(pixels, profile, tags_of(path, data))
  except (UserError, MemoryError):
    raise
  except Exception as error:  # damaged files make it raise nearly anything
    raise damaged(path, error) from error


def tags_of(path: Path, data: bytes) -> Image.Exif:
  """The tags of the first folder, which of a camera's raw file are EXIF's, too."""
  try:
    with opened(path, data) as image:
      return image.getexif()
  except UserError:  # Pillow knows fewer kinds of pixels
    return picture_tags.parse(data)


def _page(path: Path, file: tifffile.TiffFile) -> tuple[int, tifffile.TiffPage]:
  whole = [
    (index, page)
    for index, page in enumerate(file.pages)
    if isinstance(page, tifffile.TiffPage) and not page.subfiletype & _REDUCED
  ]
  if not whole:
    raise damaged(path, "it has no page")
  if len(whole) > 1:
    logging.getLogger(__name__).warning("%s: has %d pages; the first is used", path, len(whole))
  return whole[0]


def _bits(path: Path, page: tifffile.TiffPage) -> int:
  stated = page.bitspersample
  bits = {stated} if isinstance(stated, int) else set(stated)
  form = page.sampleformat
  if form != _UNSIGNED or not bits <= {1, 2, 4, 8, 16} or len(bits) > 1:
    names = {1: "uint", 2: "int", 3: "float"}
    found = names.get(form, "numbers of another kind and ") + "/".join(map(str, sorted(bits)))
    raise UserError(f"{path}: expected 8 or 16 bits per channel, found {found}; convert it")
  (only,) = bits
  if only == 16 and page.photometric not in _OURS:
    found = tifffile.PHOTOMETRIC(page.photometric).name
    raise UserError(f"{path}: expected grey or RGB in 16 bits, found {found}; convert it to RGB")
  return only


def _check_extent(path: Path, page: tifffile.TiffPage, length: int) -> None:
  """Missing parts would be filled with zeros."""
  ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
  if not ends or 0 in page.databytecounts or max(ends) > length:
    raise damaged(path, f"pixels up to byte {max(ends, default=0)} of {length}")


def _unpacked(page: tifffile.TiffPage) -> Shaped[np.ndarray, "h w s"]:
  pixels = page.asarray()
  if page.samplesperpixel == 1:
    return pixels.reshape(page.imagelength, page.imagewidth, 1)
  return pixels if page.planarconfig == _CHUNKY else np.moveaxis(pixels, 0, -1)


def _by_libtiff(path: Path, page: tifffile.TiffPage, data: bytes, index: int) -> np.ndarray:
  samples = page.samplesperpixel
  name = getattr(page.compression, "name", page.compression)
  if index or samples not in (1, 3, 4) or (samples > 1 and page.planarconfig != _CHUNKY):
    raise UserError(
      f"{path}: 16 bits compressed by {name}, in {samples} planes or on a later page, cannot be "
      "read; write it without compression or with zlib (deflate)"
    )
  pixels = by_opencv(data)
  if pixels is None or pixels.dtype != np.uint16:
    raise damaged(path, f"compression {name}")
  pixels = pixels.reshape(*pixels.shape[:2], -1)
  return pixels if samples == 1 else pixels[..., [2, 1, 0, *range(3, samples)]]


def _grey_or_rgb(page: tifffile.TiffPage, pixels: np.ndarray) -> np.ndarray:
  """Without alpha; colours that were multiplied by it are divided again."""
  colors = 3 if page.photometric == _RGB else 1
  color = pixels[..., :colors]
  if color.shape[2] != colors:
    raise ValueError(f"{color.shape[2]} channels of colour")
  largest = np.iinfo(pixels.dtype).max
  extra = page.extrasamples
  if extra and extra[0] == _ASSOCIATED and pixels.shape[2] > colors:
    alpha = np.maximum(pixels[..., colors, None], 1).astype(np.float64)
    color = np.round(np.minimum(color * (largest / alpha), largest)).astype(pixels.dtype)
  return largest - color if page.photometric == _WHITE_IS_ZERO else color


def _by_pillow(path: Path, data: bytes, index: int) -> Stored:
  with opened(path, data) as image:
    if index:
      image.seek(index)
    return from_pillow(path, image)
