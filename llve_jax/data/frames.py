"""From an encoded image of a data set to pixels."""

from collections.abc import Sequence

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.shapes import Frame8, Frames8


def decode_frame(encoded: bytes) -> Frame8:
  """Decodes a PNG or JPEG file to 8-bit sRGB.

  Raises:
    UserError: the bytes are no image that OpenCV can read.
  """
  frame = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if encoded else None
  if frame is None:
    raise UserError(
      f"expected an encoded image in the data set, found {len(encoded)} bytes that start with "
      f"{encoded[:8]!r}; the file is damaged, build the data set again"
    )
  return frame[..., ::-1]


def decode_frames(encoded: Sequence[bytes]) -> Frames8:
  """Decodes the images of one clip, all of one size."""
  return np.stack([decode_frame(image) for image in encoded])
