"""Pictures put into a page itself: smaller copies, as data URIs."""

import base64
import dataclasses
import os
from pathlib import Path

import cv2

from llve_jax.io.images import read_image
from llve_jax.shapes import Frame8


@dataclasses.dataclass(frozen=True)
class Picture:
  """A picture in the page: `uri` for `src`, and its size in pixels."""

  uri: str
  width: int
  height: int


def smaller(image: Frame8, width: int) -> Frame8:
  """The image, scaled down to `width` pixels if it is wider."""
  if image.shape[1] <= width:
    return image
  height = max(1, round(image.shape[0] * width / image.shape[1]))
  return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def embed(image: Frame8, *, width: int, quality: int) -> Picture:
  """Encodes an image of uint8 R'G'B' as JPEG, at most `width` pixels wide, quality 0 to 100."""
  image = smaller(image, width)
  # Without colour subsampling: the colour noise of dark scenes is what one looks for.
  options = [cv2.IMWRITE_JPEG_QUALITY, quality]
  options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
  data = cv2.imencode(".jpg", image[..., ::-1], options)[1].tobytes()
  uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
  return Picture(uri, image.shape[1], image.shape[0])


def embed_file(path: str | os.PathLike[str], *, width: int, quality: int) -> Picture:
  """`embed` of an image file.

  Raises:
    UserError: it cannot be read.
  """
  return embed(read_image(Path(path)), width=width, quality=quality)
