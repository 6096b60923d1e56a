"""Picture files as arrays and back: the one reader of every command and builder."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from llve_jax.errors import UserError
from llve_jax.io import color_profile, picture_decoding, picture_encoding, picture_tags
from llve_jax.io.atomic import replacing
from llve_jax.io.picture_encoding import DEEP_SUFFIXES, WRITTEN_SUFFIXES, encode_png
from llve_jax.io.raw import RAW_SUFFIXES, develop
from llve_jax.shapes import Frame8, Frame16

__all__ = [
  *("DEEP_SUFFIXES", "IMAGE_SUFFIXES", "PICTURE_SUFFIXES", "WRITTEN_SUFFIXES"),
  *("check_image_suffix", "check_written_suffix", "encode_png", "read_exif", "read_image"),
  *("read_image16", "read_picture", "to_depth", "write_image", "write_image16"),
]

# Files of pixels; raw files, which are developed, are pictures, too.
IMAGE_SUFFIXES = (
  *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"),
  *(".gif", ".heic", ".heif", ".avif"),
)
PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, *RAW_SUFFIXES)


def read_picture(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "h w 3"] | Frame16:
  """Reads a picture in the depth that its file has, sRGB, upright.

  Up to 8 bits per channel become uint8, 16 (and 10 of HEIC) uint16. Grey becomes three equal
  channels; alpha is dropped and the colour under it kept; the colours of a profile are converted to
  sRGB; EXIF's orientation is applied. A camera's raw file is developed (`raw.develop`, uint16).
  Of an animation or of several pages the first is taken.

  Raises:
    UserError: no such file, an unknown suffix, zero bytes, damaged or no image, more than
      `picture_header.LARGEST_PIXELS`, floating point, or HDR.
  """
  path = check_image_suffix(path)
  data = _bytes(path)
  if path.suffix.lower() in RAW_SUFFIXES:
    return develop(path)
  stored = picture_decoding.decode(path, data)
  profile = stored.profile
  if not profile and picture_tags.says_adobe_rgb(stored.tags):
    profile = color_profile.adobe_rgb()
  pixels = color_profile.to_srgb(stored.pixels, profile, path)
  turn = 1 if stored.turned else picture_tags.orientation(stored.tags)
  return picture_tags.upright(pixels, turn)


def read_exif(path: str | os.PathLike[str]) -> bytes | None:
  """The EXIF tags that a result of this picture keeps, for `write_image`; None: there are none.

  Raises:
    UserError: no such file, or an unknown suffix.
  """
  path = check_image_suffix(path)
  return picture_tags.kept(picture_decoding.tags_of(path, _bytes(path)))


def read_image(path: str | os.PathLike[str]) -> Frame8:
  """`read_picture` as uint8 [h, w, 3]: 16 bits are rounded to 8."""
  return to_depth(read_picture(path), 8)


def read_image16(path: str | os.PathLike[str]) -> Frame16:
  """`read_picture` as uint16 [h, w, 3].

  Raises:
    UserError: as `read_picture`; or the image has 8 bits per channel.
  """
  image = read_picture(path)
  if image.dtype != np.uint16:
    raise UserError(f"{path}: expected 16 bits per channel, found 8; is this the right folder?")
  return image


def to_depth(image: np.ndarray, bits: int) -> np.ndarray:
  """A picture of uint8 or uint16 in 8 or 16 bits, any shape: 255 and 65535 are the same white."""
  if bits == 8 * image.itemsize:
    return image
  if bits == 16:
    return image.astype(np.uint16) * np.uint16(257)
  return np.round(image / 257.0).astype(np.uint8)


def write_image(
  path: str | os.PathLike[str], image: Frame8 | Frame16, *, exif: bytes | None = None
) -> None:
  """Writes R'G'B' [h, w, 3], tagged sRGB where the format can; JPEG, WebP and AVIF at quality 95.

  Args:
    path: one of `WRITTEN_SUFFIXES`.
    image: uint8; or uint16, for one of `DEEP_SUFFIXES`.
    exif: tags to keep, as `read_exif` gives them; BMP and PPM hold none.

  Raises:
    UserError: unknown suffix, the folder does not exist, or the format cannot hold this size or 16
      bits.
  """
  path = check_written_suffix(path)
  if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3 or image.shape[2] != 3:
    raise ValueError(
      f"{path}: expected uint8 [h, w, 3] or uint16, found {image.dtype} {list(image.shape)}"
    )
  suffix = path.suffix.lower()
  if image.dtype == np.uint16 and suffix not in DEEP_SUFFIXES:
    raise UserError(
      f"{path}: expected one of {' '.join(DEEP_SUFFIXES)} for 16 bits per channel, found "
      f"{path.suffix!r}"
    )
  try:
    encoded = picture_encoding.encode(np.ascontiguousarray(image), suffix, exif)
  except ValueError as error:
    size = f"{image.shape[1]}x{image.shape[0]}"
    raise UserError(f"{path}: {size} cannot be written as {suffix}; write a .png file") from error
  with replacing(path) as temporary:
    temporary.write_bytes(encoded)


def write_image16(path: str | os.PathLike[str], image: Frame16) -> None:
  """Writes uint16 [h, w, 3] as a 16-bit PNG.

  Raises:
    UserError: the suffix is not .png, or the folder does not exist.
  """
  path = Path(path)
  if path.suffix.lower() != ".png":
    raise UserError(f"{path}: expected the suffix .png for 16-bit frames, found {path.suffix!r}")
  with replacing(path) as temporary:
    temporary.write_bytes(encode_png(image))


def check_image_suffix(path: str | os.PathLike[str]) -> Path:
  """Returns the path of a picture to read.

  Raises:
    UserError: the suffix is none of `PICTURE_SUFFIXES`.
  """
  path = Path(path)
  if path.suffix.lower() not in PICTURE_SUFFIXES:
    raise UserError(
      f"{path}: unknown suffix {path.suffix!r} for an image; known: {' '.join(PICTURE_SUFFIXES)}"
    )
  return path


def check_written_suffix(path: str | os.PathLike[str]) -> Path:
  """Returns the path of a picture to write.

  Raises:
    UserError: the suffix is none of `WRITTEN_SUFFIXES`.
  """
  path = Path(path)
  if path.suffix.lower() not in WRITTEN_SUFFIXES:
    what = "is read but not written" if path.suffix.lower() in PICTURE_SUFFIXES else "is unknown"
    raise UserError(
      f"{path}: the suffix {path.suffix!r} {what} as an image; written are: "
      f"{' '.join(WRITTEN_SUFFIXES)}"
    )
  return path


def _bytes(path: Path) -> bytes:
  if not path.is_file():
    raise UserError(f"{path}: expected an image, found {'a folder' if path.is_dir() else 'none'}")
  data = path.read_bytes()
  if not data:
    raise UserError(f"{path}: expected an image, found an empty file (zero bytes); copy it again")
  return data
