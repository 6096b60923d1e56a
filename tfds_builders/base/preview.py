"""A quick look at the first frame of any file that a data set is made of."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES, read_image
from llve_jax.io.raw import RAW_SUFFIXES, read_raw
from llve_jax.io.video import VIDEO_SUFFIXES, read_frames

Preview = UInt8[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
  """What a first look at a file sees.

  Attributes:
    preview: the first frame, see `preview`.
    brightness: its mean, in the units of its kind.
    kind: "image", "array", "raw" or "video": sizes and brightness compare within a kind.
  """

  preview: Preview
  brightness: float
  kind: str


def preview(path: Path) -> Preview:
  """The first frame in grey, histogram-equalised; a mosaic at half its size.

  Equalised, a dark frame and its bright counterpart look alike, but for noise.

  Raises:
    UserError: the file cannot be read, or is of no known kind.
  """
  return look(path).preview


def look(path: Path) -> Look:
  """The first frame; raises as `preview`."""
  suffix = path.suffix.lower()
  if suffix in IMAGE_SUFFIXES:
    kind, grey = "image", _grey(read_image(path))
  elif suffix == ".npy":
    kind, grey = "array", _grey(_array(path))
  elif suffix in RAW_SUFFIXES:
    kind = "raw"
    mosaic = read_raw(path).mosaic
    rows, columns = (side // 2 * 2 for side in mosaic.shape)
    grey = cv2.resize(
      mosaic[:rows, :columns].astype(np.float32),
      (columns // 2, rows // 2),
      interpolation=cv2.INTER_AREA,
    )
  elif suffix in VIDEO_SUFFIXES:
    frame = next(iter(read_frames(path)), None)
    if frame is None:
      raise UserError(f"{path}: expected a video, found no frame in it")
    kind, grey = "video", _grey(frame.image)
  else:
    raise UserError(f"{path}: cannot be shown: files with the suffix {suffix} are not known")
  return Look(equalize(grey), float(grey.mean()), kind)


def equalize(grey: Float[np.ndarray, "h w"]) -> Preview:
  """Ranks every pixel: the share of darker pixels, 0 to 255; any scale of values will do."""
  low, high = float(grey.min()), float(grey.max())
  if high <= low:
    return np.zeros(grey.shape, np.uint8)
  levels = ((grey - low) * np.float32(4095 / (high - low))).astype(np.int64)
  darker = np.cumsum(np.bincount(levels.ravel(), minlength=4096))
  return np.asarray(np.round(darker[levels] * (255 / darker[-1])), np.uint8)


def _array(path: Path) -> np.ndarray:
  """The first frame of an array of one frame [h, w, c] or a clip [t, h, w, c]."""
  try:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
  except (ValueError, EOFError, OSError) as error:
    raise UserError(f"{path}: cannot be read as an array file: {error}; copy it again") from error
  if not isinstance(array, np.ndarray) or array.ndim not in (3, 4) or 0 in array.shape:
    raise UserError(
      f"{path}: expected frames [h, w, c] or a clip [t, h, w, c], found another array"
    )
  return np.asarray(array[0] if array.ndim == 4 else array)


def _grey(image: np.ndarray) -> Float[np.ndarray, "h w"]:
  return np.asarray(image.mean(axis=2, dtype=np.float32))
