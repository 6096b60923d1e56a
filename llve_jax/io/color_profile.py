"""From the colours of an ICC profile to sRGB, at the depth of the picture.

Profiles of three primaries and curves (ICC.1:2022, sections 8.3 and 10.6, 10.18) are computed here,
in floats, so that 16 bits stay 16 bits; so are curves of grey. All others, tables of colours, go
through Little CMS, which Pillow has in 8 bits: 16 bits are interpolated between its colours.
"""

import dataclasses
import functools
import io
import itertools
import logging
import struct
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image, ImageCms

from llve_jax.ops.color import linear_to_srgb, srgb_to_linear

# Linear RGB to XYZ of D50, the primaries as columns: what profiles hold (Bradford adaptation).
_SRGB = np.array(
  [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
_ADOBE = np.array(
  [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
_P3 = np.array(
  [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
_BLOCK = 2**20  # pixels that are converted at a time
_STEP = 3  # between the codes of the table through which 16 bits are interpolated; divides 255
_INTENT = ImageCms.Intent.PERCEPTUAL


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
  """Colours of three primaries, or greys.

  Attributes:
    curves: light of the codes 0 .. n-1 as numbers in [0, 1], for each channel: [3, n] or [1, n].
    matrix: linear RGB to XYZ of D50; None: grey.
  """

  curves: Float[np.ndarray, "c n"]
  matrix: Float[np.ndarray, "3 3"] | None

  @property
  def is_srgb(self) -> bool:
    """Whether nothing has to be done: an sRGB profile, as most are."""
    levels = np.linspace(0, 1, self.curves.shape[1], dtype=np.float64)
    near = np.abs(self.curves - srgb_to_linear(levels)).max() < 2e-3
    return bool(near and (self.matrix is None or np.abs(self.matrix - _SRGB).max() < 2e-3))


def adobe_rgb() -> Space:
  """Adobe RGB (1998)."""
  return Space(np.linspace(0, 1, 65536)[None].repeat(3, 0) ** (563 / 256), _ADOBE)


def display_p3() -> Space:
  """Display P3: wider primaries, the curve of sRGB."""
  return Space(srgb_to_linear(np.linspace(0, 1, 65536))[None].repeat(3, 0), _P3)


def to_srgb(
  pixels: Shaped[np.ndarray, "h w c"], profile: bytes | Space | None, path: Path
) -> Shaped[np.ndarray, "h w 3"]:
  """Converts grey or RGB, uint8 or uint16, to sRGB of the same depth.

  A profile that is damaged, or of other channels than the picture has, is left out with a warning.

  Args:
    pixels: one channel or three.
    profile: what its codes mean; None: sRGB.
    path: for the warning.
  """
  if profile:
    try:
      space = profile if isinstance(profile, Space) else _space(profile, pixels.shape[2])
      if space is None:
        assert isinstance(profile, bytes)
        pixels = _through_table(pixels, profile)
      elif not space.is_srgb:
        pixels = _computed(pixels, space)
    except (ValueError, IndexError, struct.error, ImageCms.PyCMSError, OSError) as error:
      logging.getLogger(__name__).warning(
        "%s: its colour profile cannot be used (%s); its colours are taken as sRGB", path, error
      )
  return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)


def image_to_srgb(image: Image.Image, profile: bytes | None, path: Path) -> Image.Image:
  """CMYK, Lab or YCbCr to sRGB: by its profile, or by what is usual where there is none."""
  if image.mode == "YCbCr":
    return image.convert("RGB")
  source: ImageCms.ImageCmsProfile | io.BytesIO | None = None
  if image.mode == "LAB":
    source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
  elif profile:
    source = io.BytesIO(profile)
  if source is not None:
    try:
      made = ImageCms.profileToProfile(image, source, _target(), _INTENT, outputMode="RGB")
      assert made is not None
      return made
    except (ImageCms.PyCMSError, OSError) as error:
      logging.getLogger(__name__).warning(
        "%s: its colour profile cannot be used (%s); its colours may be off", path, error
      )
  return image.convert("RGB")


@functools.cache
def srgb_profile() -> bytes:
  """An ICC profile of sRGB, the same bytes at any time."""
  made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
  return bytes(made[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + made[36:])  # its date


def _target() -> ImageCms.ImageCmsProfile:
  return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@functools.lru_cache(maxsize=8)
def _space(profile: bytes, channels: int) -> Space | None:
  """The space of a profile; None if it holds tables.

  Raises:
    ValueError: it is damaged, or has another number of channels.
  """
  kind = {b"RGB ": 3, b"GRAY": 1}.get(profile[16:20])
  if profile[36:40] != b"acsp":
    raise ValueError("it is damaged")
  if kind is None:
    raise ValueError(f"it is none of RGB or grey: {profile[16:20]!r}")
  if kind != channels:
    raise ValueError(f"it has {kind} channel(s), the picture {channels}")
  tags = _tags(profile)
  names = [b"kTRC"] if kind == 1 else [b"rTRC", b"gTRC", b"bTRC"]
  columns = [b"rXYZ", b"gXYZ", b"bXYZ"]
  if b"A2B0" in tags or not all(name in tags for name in names + columns * (kind == 3)):
    return None
  curves = np.stack([_curve(tags[name]) for name in names])
  if kind == 1:
    return Space(curves, None)
  matrix = np.stack([np.frombuffer(tags[name][8:20], ">i4") / 65536 for name in columns], axis=1)
  return Space(curves, matrix)


def _tags(profile: bytes) -> dict[bytes, bytes]:
  (count,) = struct.unpack_from(">I", profile, 128)
  entries = [struct.unpack_from(">4sII", profile, 132 + 12 * at) for at in range(min(count, 200))]
  return {name: profile[start : start + length] for name, start, length in entries}


def _curve(tag: bytes) -> Float[np.ndarray, "65536"]:
  """Light of 65,536 codes."""
  x = np.linspace(0, 1, 65536)
  if tag[:4] == b"curv":
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
      return x
    table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
    if count == 1:
      return x ** (table[0] / 256)
    return np.interp(x, np.linspace(0, 1, count), table) / 65535
  if tag[:4] != b"para":
    raise ValueError(f"a curve of the kind {tag[:4]!r}")
  (kind,) = struct.unpack_from(">H", tag, 8)
  count = (1, 3, 4, 5, 7)[kind]
  given = (np.frombuffer(tag, ">i4", count, 12) / 65536).tolist()
  g, a, b, c, d, e, f = given + [0.0] * (7 - count)
  if kind == 0:
    return x**g
  if kind <= 2:
    return np.where(x >= -b / a, np.maximum(a * x + b, 0) ** g, 0) + (c if kind == 2 else 0)
  return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _computed(pixels: np.ndarray, space: Space) -> np.ndarray:
  largest = np.iinfo(pixels.dtype).max
  curves = space.curves[:, :: 65535 // largest].astype(np.float32)
  if space.matrix is None:
    codes = linear_to_srgb(np.clip(curves[0], 0, 1))
    return np.round(codes * largest).astype(pixels.dtype)[pixels]
  matrix = (np.linalg.inv(_SRGB) @ space.matrix).astype(np.float32)
  result = np.empty_like(pixels)
  rows = max(1, _BLOCK // pixels.shape[1])
  for top in range(0, len(pixels), rows):
    part = pixels[top : top + rows]
    light = np.stack([curve[part[..., at]] for at, curve in enumerate(curves)], axis=-1)
    light = np.clip(light @ matrix.T, 0, 1)
    result[top : top + rows] = np.round(linear_to_srgb(light) * np.float32(largest))
  return result


def _through_table(pixels: np.ndarray, profile: bytes) -> np.ndarray:
  """By Little CMS: 8 bits as they are, 16 between the colours of a table."""
  if pixels.dtype == np.uint8:
    return _little_cms(pixels, profile)
  table = _table(profile, pixels.shape[2])
  result = np.empty((*pixels.shape[:2], 3), np.uint16)
  rows = max(1, _BLOCK // pixels.shape[1])
  for top in range(0, len(pixels), rows):
    result[top : top + rows] = _interpolated(pixels[top : top + rows], table)
  return result


@functools.lru_cache(maxsize=2)
def _table(profile: bytes, channels: int) -> Float[np.ndarray, "*n 3"]:
  """sRGB, 0 to 255, of every `_STEP`th code of each channel."""
  nodes = np.arange(0, 256, _STEP, dtype=np.uint8)
  grid = np.stack(np.meshgrid(*[nodes] * channels, indexing="ij"), axis=-1)
  colors = _little_cms(grid.reshape(-1, len(nodes), channels), profile)
  return colors.reshape(*grid.shape[:-1], 3).astype(np.float32)


def _interpolated(pixels: np.ndarray, table: np.ndarray) -> np.ndarray:
  """Linear between the corners of the cell of `table` that a colour lies in."""
  place = pixels.astype(np.float32) / np.float32(257 * _STEP)
  below = np.minimum(place.astype(np.int32), len(table) - 2)
  over = place - below
  total = np.zeros((*pixels.shape[:2], 3), np.float32)
  for corner in itertools.product((0, 1), repeat=pixels.shape[2]):
    weight = np.prod(np.where(corner, over, 1 - over), axis=-1, keepdims=True)
    total += weight * table[tuple(np.moveaxis(below + np.array(corner), -1, 0))]
  return np.round(total * 257)


def _little_cms(pixels: np.ndarray, profile: bytes) -> np.ndarray:
  """8 bits [h, w, c] -> [h, w, 3]."""
  image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
  made = ImageCms.profileToProfile(image, io.BytesIO(profile), _target(), _INTENT, outputMode="RGB")
  return np.array(made)
