"""Pictures of up to 8 bits, as Pillow decodes them."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from llve_jax.errors import UserError
from llve_jax.io import color_profile, picture_tags

_DEEPER = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
  """A picture as its file holds it: not turned, in the colours of its profile, without alpha.

  Attributes:
    pixels: uint8 or uint16, grey or RGB.
    profile: what its codes mean: an ICC profile or a `Space`; None: sRGB.
    tags: EXIF.
    turned: whether it is upright already.
  """

  pixels: Shaped[np.ndarray, "h w c"]
  profile: bytes | color_profile.Space | None
  tags: Image.Exif
  turned: bool = False


def from_pillow(path: Path, image: Image.Image) -> Stored:
  """Decodes an opened picture.

  Raises:
    UserError: numbers of more than 8 bits, which Pillow would round.
  """
  if image.mode in _DEEPER:
    raise UserError(
      f"{path}: expected 8 or 16 bits per channel, found numbers of the kind {image.mode}; "
      "convert it to PNG"
    )
  stored = image.size
  image.load()
  tags = _tags(image)
  profile = image.info.get("icc_profile") or None
  if image.mode in ("CMYK", "LAB", "YCbCr"):
    image, profile = color_profile.image_to_srgb(image, profile, path), None
  plain = {"1": "L", "La": "LA", "RGBa": "RGBA", "P": "RGB", "PA": "RGB", "RGBX": "RGB"}
  if image.mode in plain:
    image.info.pop("transparency", None)  # it goes anyhow, but not without a warning
    image = image.convert(plain[image.mode])
  pixels = np.array(image)
  channels = 1 if image.mode in ("L", "LA") else 3
  # libtiff's plugin turns a picture when it is loaded; a square one it has turned, too.
  turned = image.format == "TIFF" and (stored != image.size or _orientation_is_gone(image))
  return Stored(pixels.reshape(*pixels.shape[:2], -1)[..., :channels], profile, tags, turned)


def _tags(image: Image.Image) -> Image.Exif:
  block = image.info.get("exif")
  return picture_tags.parse(block) if isinstance(block, bytes) else image.getexif()


def _orientation_is_gone(image: Image.Image) -> bool:
  return picture_tags.orientation(image.getexif()) == 1
