"""What a dark film is like, from a few of its frames: how dark, how noisy, how hard compressed.

Frames are sRGB; luma is that of BT.601 on the scale 0 to 255.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.metrics import harm
from llve_jax.ops.frames import to_8_bit, to_unit

_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MAD = 0.6745  # median of the absolute value of a normal variable of standard deviation 1
_BLOCK = 8  # pixels, of the transforms of JPEG, MPEG and H.264
_FLOOR = 0.1  # luma, added to steps: where nearly none are, ratios mean nothing


@dataclasses.dataclass(frozen=True)
class Found:
  """What was found.

  Attributes:
    level: median luma of the picture, letterbox bars left out.
    noise: standard deviation of the luma's noise.
    blocks: step of luma across the borders of 8x8 blocks, by that inside them; 1 shows none.
    burnt: share of pixels with a channel at 250 or more.
  """

  level: float
  noise: float
  blocks: float
  burnt: float


def probe(moments: Sequence[Sequence[np.ndarray]]) -> Found:
  """Measures frames from several moments.

  Args:
    moments: of each, one frame or a few that follow each other: uint8, uint16 or float32 in [0, 1],
      [h, w, 3], all of one size.
  """
  lumas = [[_luma(frame) for frame in moment] for moment in moments]
  codes = np.stack([to_8_bit(to_unit(moment[0])) for moment in moments])
  picture = ~harm.letterbox(codes)
  return Found(
    level=float(np.median(np.concatenate([each[0][picture] for each in lumas]))),
    noise=float(np.median([noise(each) for each in lumas])),
    blocks=float(np.median([blockiness(each[0]) for each in lumas])),
    burnt=harm.burnt(codes),
  )


def noise(lumas: Sequence[Float[np.ndarray, "h w"]]) -> float:
  """Standard deviation of noise, from robust statistics of second differences in the picture.

  Immerkaer, "Fast Noise Variance Estimation", CVIU 1996, with the median in place of the mean, so
  that edges count less. Of two frames that follow each other their difference tells, too: the less
  of both, since texture adds to one and motion to the other.
  """
  second = cv2.filter2D(lumas[0], -1, _LAPLACIAN)[1:-1, 1:-1]
  found = [float(np.median(np.abs(second))) / (6 * _MAD)] if second.size else [0.0]
  if len(lumas) > 1:
    change = np.abs(lumas[1] - lumas[0])
    found.append(float(np.median(change)) / (np.sqrt(2) * _MAD))
  return min(found)


def blockiness(luma: Float[np.ndarray, "h w"]) -> float:
  """Mean step across the borders of 8x8 blocks by that between other neighbours; 1 shows none."""
  ratios = []
  for plane in (luma, luma.T):
    steps = np.abs(np.diff(plane, axis=1)).mean(axis=0)
    border = np.arange(1, len(steps) + 1) % _BLOCK == 0
    if border.any():
      ratios.append((steps[border].mean() + _FLOOR) / (steps[~border].mean() + _FLOOR))
  return float(np.mean(ratios)) if ratios else 1.0


def _luma(frame: np.ndarray) -> Float[np.ndarray, "h w"]:
  weights = 255 * np.array([[0.299, 0.587, 0.114]], np.float32)
  return np.asarray(cv2.transform(to_unit(frame), weights))
