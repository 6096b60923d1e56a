"""Image files as 8-bit sRGB arrays."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.shapes import Frame8

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
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
  if image.dtype == np.uint16:
    return np.round(image / 257.0).astype(np.uint8)
  if image.dtype != np.uint8:
    raise UserError(f"{path}: expected 8 or 16 bits per channel, found {image.dtype}; convert it")
  return np.asarray(image, np.uint8)


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
