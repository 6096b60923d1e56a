"""What a network takes of the frames of a data set, and what a person would see of them.

Kinds of input, by what the data hold (`llve_jax.ops.mosaic` says how mosaics are packed):

* 8-bit RGB: "srgb".
* 16-bit RGB: "raw_rgb" or "srgb". Nobody says what its numbers mean; they are taken as they are.
* Bayer mosaics: "bayer", packed; "raw_rgb", binned 2x2 with the greens averaged, as Chen et al.,
  "Seeing Motion in the Dark", ICCV 2019, have it; "mosaic", one plane as the sensor laid it out.
* X-Trans mosaics: "xtrans", packed; "mosaic".
"""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt16

from llve_jax.data.frames import decode_frame
from llve_jax.errors import UserError
from llve_jax.ops.color import linear_to_srgb
from llve_jax.ops.frames import to_8_bit
from llve_jax.ops.mosaic import XTRANS, cell_size, color_sites, unpack
from llve_jax.ops.raw_light import bin_rgb, expose, normalize
from llve_jax.shapes import Frames8

FloatClip = Float[np.ndarray, "t h w c"]

# Taps of a bilinear filter that reaches every colour of a cell.
_TRIANGLE = {2: (1, 2, 1), 6: (1, 2, 3, 2, 1)}


def kinds_of(example: dict[str, Any]) -> tuple[str, ...]:
  """The kinds of input that an encoded example can give; the first is as it is stored.

  Raises:
    UserError: no dark frame, or letters of no mosaic that is known.
  """
  if "cfa" in example:
    bayer = cell_size(example["cfa"].decode()) == 2
    return ("bayer", "raw_rgb", "mosaic") if bayer else ("xtrans", "mosaic")
  if len(example["low"]) == 0:
    raise UserError(
      f"{example['clip'].decode()} has no dark frames: this split holds bright ones only, for the "
      "other side of unpaired training"
    )
  wide = decode_frame(example["low"][0]).dtype == np.uint16
  return ("raw_rgb", "srgb") if wide else ("srgb",)


def chosen_kind(example: dict[str, Any], kind: str | None) -> str:
  """`kind`, if the example can give it; the stored one for None.

  Raises:
    UserError: it cannot; the message names both.
  """
  given = kinds_of(example)
  if kind is not None and kind not in given:
    raise UserError(
      f"{example['clip'].decode()}: this data set gives {' or '.join(given)} input, but "
      f"{kind!r} is wanted; take a network for {' or '.join(given)}, or another data set"
    )
  return kind or given[0]


def of_kind(
  packed: FloatClip, high: FloatClip, cfa: str, kind: str | None
) -> tuple[FloatClip, FloatClip]:
  """A packed mosaic and its target [t, h, w, 3] of full size as a network of `kind` takes them.

  "raw_rgb" has a target of its own size: means of 2x2 encoded values.
  """
  if kind == "raw_rgb":
    return bin_rgb(packed), halve(high)
  if kind == "mosaic":
    return unpack(packed, cfa)[..., None], high
  return packed, high


def halve(clip: Float[np.ndarray, "t 2*h 2*w c"]) -> FloatClip:
  """Half the size by means of 2x2 pixels."""
  upper, lower = clip[:, ::2], clip[:, 1::2]
  return (upper[:, :, ::2] + upper[:, :, 1::2] + lower[:, :, ::2] + lower[:, :, 1::2]) / 4


def exposed_light(
  planes: UInt16[np.ndarray, "t h w"],
  cfa: str,
  black: tuple[float, ...],
  white: float,
  ratio: Shaped[np.ndarray, "t"],
  keep_negatives: bool = True,
) -> Float[np.ndarray, "t h w"]:
  """Mosaics as light, each brightened by its ratio and cut off at 1.

  Raises:
    UserError: levels that make no sense.
  """
  light = normalize(planes, cfa, black, white, keep_negatives)
  return np.stack([expose(frame, float(by)) for frame, by in zip(light, ratio, strict=True)])


def demosaic(light: Float[np.ndarray, "t h w"], cfa: str) -> FloatClip:
  """RGB of the same size: measured colours stay, the others are means of their neighbours.

  For Bayer that is bilinear interpolation. At the border, of those neighbours that there are.
  """
  sites = color_sites(cfa, (light.shape[1], light.shape[2]))
  taps = np.asarray(_TRIANGLE[cell_size(cfa)], np.float32)
  out = np.empty((*light.shape, 3), np.float32)
  for color in range(3):
    measured = sites == color
    weight = _smooth(measured.astype(np.float32), taps)
    for index, frame in enumerate(light):
      mean = _smooth(np.where(measured, frame, np.float32(0)), taps) / weight
      out[index, ..., color] = np.where(measured, frame, mean)
  return out


def seen(light: FloatClip) -> Frames8:
  """Exposed linear RGB as a person would see it: cut off at 0 and 1, sRGB's curve, 8 bits.

  No white balance, since data sets do not tell it: the plainest thing to do with raw light, and so
  the reference row "ratio_scale" of tables.
  """
  return to_8_bit(linear_to_srgb(np.clip(light, 0, 1)))


def wanted_layout(cfa: str) -> str:
  """The layout that packed light has: RGGB, or the phase of X-Trans that can be packed."""
  return "RGGB" if cell_size(cfa) == 2 else XTRANS


def _smooth(plane: Float[np.ndarray, "h w"], taps: np.ndarray) -> Float[np.ndarray, "h w"]:
  smooth = cv2.sepFilter2D(plane, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_CONSTANT)
  return np.asarray(smooth)
