"""The eight ways in which a display matrix turns and mirrors stored frames to be shown.

A matrix (ISO/IEC 14496-12, section 6.2.2) of nine numbers a b u, c d v, x y w moves the pixel at
(column p, row q) to (a p + c q + x, b p + d q + y). Turns by other than quarters are rounded.
"""

import dataclasses
import struct

import cv2
import numpy as np


@dataclasses.dataclass(frozen=True)
class Turn:
  """First rows and columns are exchanged, then columns and rows are run through backwards.

  Attributes:
    exchanged: rows become columns.
    columns: mirrored left to right.
    rows: mirrored top to bottom.
  """

  exchanged: bool = False
  columns: bool = False
  rows: bool = False

  def __bool__(self) -> bool:
    return self != Turn()

  def __str__(self) -> str:
    return _WORDS[self.exchanged, self.columns, self.rows]

  def __call__(self, image: np.ndarray) -> np.ndarray:
    """A stored frame [h, w, c] as it is shown: [h, w, c], or [w, h, c] where `exchanged`."""
    if self.exchanged:
      image = cv2.transpose(image)
    if self.columns or self.rows:
      image = cv2.flip(image, -1 if self.columns and self.rows else int(self.columns))
    return image


def of_matrix(data: bytes) -> Turn:
  """The turn of a display matrix: nine 32-bit integers of the machine's byte order."""
  a, b, _, c, d = struct.unpack("9i", data)[:5]
  if abs(a) + abs(d) >= abs(b) + abs(c):
    return Turn(False, a < 0, d < 0)
  return Turn(True, c < 0, b < 0)


_WORDS = {
  (False, False, False): "as stored",
  (False, True, True): "turned by 180 degrees",
  (False, True, False): "mirrored left to right",
  (False, False, True): "mirrored top to bottom",
  (True, True, False): "turned by 90 degrees clockwise",
  (True, False, True): "turned by 90 degrees counter-clockwise",
  (True, False, False): "mirrored and turned by 90 degrees counter-clockwise",
  (True, True, True): "mirrored and turned by 90 degrees clockwise",
}
