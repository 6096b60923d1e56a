"""Noisy bursts made of bright pictures, to learn denoising from.

Mildenhall et al., "Burst Denoising with Kernel Prediction Networks", CVPR 2018 (arXiv 1712.02327),
section 4, with the numbers of its published program.
"""

from typing import Any

import cv2
import grain
import numpy as np
from jaxtyping import Float

from llve_jax.data.augment import Pair, Size, draw_window
from llve_jax.data.frames import as_float, decode_frames, draw_frames, window_id
from llve_jax.errors import UserError

GAMMA = 2.2
SHAKE, JUMP = 2, 16  # pixels that a hand moves the frame, and that a few of them are off
JUMPS = 1.5  # of a burst, on average
QUARTERS = 4  # a shift is a multiple of a quarter of a pixel
WHITE = (-1.0, 0.0)  # powers of ten: how much of full scale the burst fills
READ = (-3.0, -1.5)  # of the noise in the dark, as its standard deviation
SHOT = (-2.0, -1.0)  # the variance that light x adds is the square of this times x


class BurstWindow(grain.transforms.RandomMap):
  """Makes a burst of one frame of a bright example: the same window, shaken, as noisy linear light.

  "high" is the picture as it is, shifted with each frame; "low" is that to the power 2.2, filled up
  to the burst's share of full scale, with noise, and divided by that share again, so that both have
  the same white. Noise goes below 0 and above 1.

  Attributes:
    frames: frames of a burst; the first one is not shifted.
    crop: side of a square, in pixels, or (height, width).
  """

  def __init__(self, *, frames: int, crop: Size):
    self.frames = frames
    self.crop = crop

  def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> Pair:
    """Returns float32 "low" and "high" [frames, height, width, 3], and "id".

    Raises:
      UserError: the picture is smaller than the window, or not 8-bit RGB.
    """
    clip = element["clip"].decode()
    places = draw_frames(element, 1, rng, key="high")
    try:
      picture = as_float(decode_frames([element["high"][places[0]]]))[0]
      rows, columns = draw_window((picture.shape[0], picture.shape[1]), self.crop, rng)
    except UserError as error:
      raise UserError(f"{clip}: {error}") from None
    size = (columns.stop - columns.start, rows.stop - rows.start)
    high = np.stack(
      [
        shifted(picture, (rows.start + down, columns.start + right), size)
        for down, right in shifts(self.frames, rng)
      ]
    )
    return {
      "low": noisy_light(high, rng),
      "high": high,
      "id": np.str_(window_id(element, places)),
    }


def shifts(frames: int, rng: np.random.Generator) -> Float[np.ndarray, "frames 2"]:
  """By how many pixels (down, right) each frame of a burst is off; the first one by none."""
  far = np.zeros(frames, bool)
  far[1:][: min(rng.poisson(JUMPS), frames - 1)] = True
  far[1:] = rng.permutation(far[1:])
  reach = np.where(far, JUMP, SHAKE)[:, None] * QUARTERS
  steps = rng.integers(-reach, reach + 1, (frames, 2)) / QUARTERS
  steps[0] = 0.0
  return np.asarray(steps)


def shifted(
  picture: Float[np.ndarray, "h w 3"], corner: tuple[float, float], size: tuple[int, int]
) -> Float[np.ndarray, "rows columns 3"]:
  """The window of (columns, rows) `size` at that corner, bilinear; outside is mirrored."""
  top, left = corner
  matrix = np.array([[1, 0, left], [0, 1, top]], np.float64)  # of the window in the picture
  how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
  cut = cv2.warpAffine(picture, matrix, size, flags=how, borderMode=cv2.BORDER_REFLECT_101)
  return np.asarray(cut, np.float32)


def noisy_light(
  high: Float[np.ndarray, "t h w 3"], rng: np.random.Generator
) -> Float[np.ndarray, "t h w 3"]:
  """Linear light of a burst with noise; the strength is drawn for the whole of it."""
  white, read, shot = (10 ** rng.uniform(*powers) for powers in (WHITE, READ, SHOT))
  light = white * high**GAMMA
  deviation = np.sqrt(read**2 + shot**2 * light)
  noise = rng.standard_normal(high.shape, np.float32) * deviation
  return np.asarray((light + noise) / white, np.float32)
