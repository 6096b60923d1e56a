"""Which decoder reads a picture file, and what it must not do: round, turn, or convert colours."""

import logging
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from llve_jax.errors import UserError
from llve_jax.io import color_profile, picture_tags, tiff_decoding
from llve_jax.io.picture_header import (
  by_opencv,
  check_size,
  damaged,
  is_heif,
  is_png,
  is_tiff,
  opened,
)
from llve_jax.io.pillow_pixels import Stored, from_pillow

_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"  # between the words of a PNM header
_PNM = re.compile(rb"P([2356])" + 3 * (_SPACE + rb"(\d{1,9})") + rb"\s")
_ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")  # in JPEG, further pictures are maps and the like
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273
_P3 = 12  # its colour primaries
_warn = logging.getLogger(__name__).warning


def decode(path: Path, data: bytes) -> Stored:
  """The picture, or the first of several, in its own depth.

  Args:
    path: for messages.
    data: the file.

  Raises:
    UserError: damaged, cut off, too large, of a kind or depth that is not known, or HDR.
  """
  if is_tiff(data):
    return tiff_decoding.decode(path, data)
  if is_heif(data):
    return _heif(path, data)
  pnm = _PNM.match(data[:1000])
  if pnm and int(pnm[4]) > 255:
    return _deep_pnm(path, data, pnm)
  with opened(path, data) as image:
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
      _warn("%s: is an animation; its first frame is used", path)
    if image.format == "AVIF" and _avif_bits(data) > 8:
      _warn("%s: has %d bits a channel, of which 8 are read", path, _avif_bits(data))
    if is_png(data) and data[24] == 16:
      return _deep_png(path, data, image)
    return from_pillow(path, image)


def tags_of(path: Path, data: bytes) -> Image.Exif:
  """The EXIF tags alone; none where the file cannot be understood."""
  if is_tiff(data):
    return tiff_decoding.tags_of(path, data)
  try:
    if is_heif(data):
      import pillow_heif

      return picture_tags.parse(pillow_heif.open_heif(data).info.get("exif"))
    with opened(path, data) as image:
      if is_png(data):  # Pillow finds those behind the pixels only when it has decoded them
        return picture_tags.parse(dict(_png_blocks(path, data)).get(b"eXIf"))
      return picture_tags.parse(image.info.get("exif"))
  except Exception:
    return Image.Exif()


def _avif_bits(data: bytes) -> int:
  """What the first property "pixi" says: ISO/IEC 23008-12, 6.5.6."""
  at = data.find(b"pixi", 0, 4096)
  return data[at + 9] if 0 <= at < len(data) - 9 else 8


def _deep_png(path: Path, data: bytes, image: Image.Image) -> Stored:
  """Pillow would round it."""
  blocks = dict(_png_blocks(path, data))
  pixels = by_opencv(data)
  if pixels is None or pixels.dtype != np.uint16:
    raise damaged(path)
  pixels = pixels.reshape(*pixels.shape[:2], -1)
  # PNG's types of colour: 0 and 4 are grey, which OpenCV may have given three channels
  grey = data[25] in (0, 4)
  pixels = pixels[..., :1] if grey else pixels[..., 2::-1]
  tags = picture_tags.parse(blocks.get(b"eXIf"))
  return Stored(pixels, image.info.get("icc_profile"), tags)


def _png_blocks(path: Path, data: bytes) -> Iterator[tuple[bytes, bytes]]:
  """Name and content of every chunk; a damaged one is found here, where libpng would print."""
  at, name = 8, b""
  while name != b"IEND":
    length = int.from_bytes(data[at : at + 4], "big")
    name, end = data[at + 4 : at + 8], at + 8 + length
    check = int.from_bytes(data[end : end + 4], "big")
    if end + 4 > len(data) or zlib.crc32(data[at + 4 : end]) != check:
      raise damaged(path, f"chunk {name.decode('ascii', 'replace')!r}")
    yield name, data[at + 8 : end]
    at = end + 4


def _deep_pnm(path: Path, data: bytes, header: re.Match[bytes]) -> Stored:
  """PNM of 9 to 16 bits, in bytes or in words, scaled to 16 bits."""
  kind, width, height, largest = (int(header[at]) for at in range(1, 5))
  check_size(path, width, height)
  if largest > 65535:
    raise UserError(f"{path}: expected at most 16 bits per channel, found a maximum of {largest}")
  channels = 3 if kind in (3, 6) else 1
  count = height * width * channels
  if kind < 5:
    words = data[header.end() :].split()[:count]
    samples = np.array([int(word) for word in words if word.isdigit()], np.float64)
  else:
    whole = (len(data) - header.end()) // 2
    samples = np.frombuffer(data, ">u2", min(count, whole), header.end()).astype(np.float64)
  if len(samples) != count:
    raise damaged(path, f"{len(samples)} of {count} numbers")
  scaled = np.round(np.minimum(samples, largest) * (65535 / largest)).astype(np.uint16)
  return Stored(scaled.reshape(height, width, channels), None, Image.Exif())


def _heif(path: Path, data: bytes) -> Stored:
  """HEIC: libheif turns it upright, whatever EXIF says, as its standard has it."""
  # Imported here: only these files need it.
  import pillow_heif

  try:
    image = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    check_size(path, *image.size)
    bits = image.info.get("bit_depth", 8)
    colors = image.info.get("nclx_profile") or {}
    hdr = _HDR.get(int(colors.get("transfer_characteristics", 2)))
    if hdr:
      raise UserError(f"{path}: is HDR ({hdr}), which is not known here; export it as SDR")
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    pixels = pixels[..., :1] if image.mode.startswith("L") else pixels[..., :3]
    if bits > 8:  # libheif's numbers, shifted up to 16 bits
      codes = pixels.astype(np.float64) / 2 ** (16 - bits)
      pixels = np.round(codes * (65535 / (2**bits - 1))).astype(np.uint16)
    profile = image.info.get("icc_profile") or None
    if not profile and colors.get("color_primaries") == _P3:
      profile = color_profile.display_p3()
    tags = picture_tags.parse(image.info.get("exif"))
  except (UserError, MemoryError):
    raise
  except Exception as error:
    raise damaged(path, error) from error
  return Stored(pixels, profile, tags, turned=True)
