"""Image files as 8-bit or 16-bit arrays."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.shapes import Frame8, Frame16

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff")
_ENCODER_OPTIONS = {
  ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
  ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
  ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}


def read_image(path: str | os.PathLike[str]) -> Frame8:
  """Reads an image as uint8 [h, w, 3], R'G'B'.

  It is turned upright if its EXIF orientation says so. Grey becomes three equal channels; alpha is
  dropped (the colour under it is kept); 16 bits are rounded to 8.

  Raises:
    UserError: no such file, an unknown suffix, zero bytes, damaged or no image, floating point.
  """
  image = _read(path)
  if image.dtype == np.uint16:
    return np.round(image / 257.0).astype(np.uint8)
  return image


def read_image16(path: str | os.PathLike[str]) -> Frame16:
  """Reads an image of 16 bits per channel as uint16 [h, w, 3], R'G'B', value by value.

  Raises:
    UserError: as `read_image`; or the image has 8 bits per channel.
  """
  image = _read(path)
  if image.dtype != np.uint16:
    raise UserError(f"{path}: expected 16 bits per channel, found 8; is this the right folder?")
  return image


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


def encode_png(image: Shaped[np.ndarray, "h w c"]) -> bytes:
  """Encodes uint8 or uint16 [h, w, 1 or 3], R'G'B' or one plane, as a PNG file.

  Raises:
    ValueError: another dtype or shape.
  """
  if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3 or image.shape[2] not in (1, 3):
    raise ValueError(f"expected uint8 or uint16 [h, w, 1 or 3], found {image.dtype} {image.shape}")
  # Run-length coding of the predicted rows: fastest, and smallest on noisy frames.
  flags = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
  return cv2.imencode(".png", image[..., ::-1], flags)[1].tobytes()


def _read(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "h w 3"] | Frame16:
  """Decodes an image file to R'G'B', in its own depth."""
  path = check_image_suffix(path)
  if not path.is_file():
    raise UserError(f"{path}: expected an image, found {'a folder' if path.is_dir() else 'none'}")
  # Not cv2.imread, which cannot open every path on every system.
  data = np.fromfile(path, np.uint8)
  if data.size == 0:
    raise UserError(f"{path}: expected an image, found an empty file (zero bytes); copy it again")
  with _quiet():
    try:
      image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
      raise UserError(f"{path}: cannot be decoded as an image ({error.err})") from error
  if image is None:
    raise UserError(
      f"{path}: expected an image, but it cannot be decoded as one: it is damaged, cut off or "
      "another kind of file"
    )
  if image.dtype not in (np.uint8, np.uint16):
    raise UserError(f"{path}: expected 8 or 16 bits per channel, found {image.dtype}; convert it")
  return np.asarray(image)


def write_image(path: str | os.PathLike[str], image: Frame8) -> None:
  """Writes uint8 [h, w, 3], R'G'B'; JPEG and WebP at quality 95.

  Raises:
    UserError: unknown suffix, the folder does not exist, or the format cannot hold this size.
  """
  path = check_image_suffix(path)
  if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
    raise ValueError(f"{path}: expected uint8 [h, w, 3], found {image.dtype} {list(image.shape)}")
  suffix = path.suffix.lower()
  try:
    with _quiet():
      bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
      whole, encoded = cv2.imencode(suffix, bgr, _ENCODER_OPTIONS.get(suffix, []))
  except cv2.error:
    whole = False
  if not whole:
    size = f"{image.shape[1]}x{image.shape[0]}"
    raise UserError(f"{path}: {size} cannot be written as {suffix}; write a .png file")
  with replacing(path) as temporary:
    temporary.write_bytes(encoded.tobytes())


def check_image_suffix(path: str | os.PathLike[str]) -> Path:
  """Returns the path.

  Raises:
    UserError: the suffix is none of `IMAGE_SUFFIXES`.
  """
  path = Path(path)
  if path.suffix.lower() not in IMAGE_SUFFIXES:
    raise UserError(
      f"{path}: unknown suffix {path.suffix!r} for an image; known: {' '.join(IMAGE_SUFFIXES)}"
    )
  return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps OpenCV's own log off the terminal: the error raised says it in one line."""
  level = cv2.utils.logging.getLogLevel()
  cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
  try:
    yield
  finally:
    cv2.utils.logging.setLogLevel(level)
