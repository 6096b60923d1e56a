"""What an enhancer does to what was right before: lamps, black bars, greys, steadiness. No target.

Scores on evenly dark pairs do not see real nights: there a network can gain five decibels and still
burn lamps, lift letterbox bars and turn skies violet. All functions take clips of 8-bit sRGB
frames, [t, h, w, 3], in numpy; luma is that of BT.601 in codes, 0 to 255. Places are chosen in the
input and looked at in both clips, so that the same things are compared.
"""

import dataclasses
import math

import cv2
import numpy as np
from jaxtyping import Bool, Float

from llve_jax.errors import UserError
from llve_jax.shapes import Frames8

BURNT = 250  # code from which a channel has lost its detail
_BLACK = 4  # luma that bars never exceed; codecs leave a little
_EDGE = 2  # luma by which the picture beside a bar is brighter on average
_LEAST_BAR = 0.02  # of the height or width
_IN_BAR = 0.7  # share of a row that is black: signs may stand in a bar
_NEUTRAL = 5.0  # CIE Lab chroma below which a colour counts as grey
_GREYS = (10.0, 95.0)  # lightness L* of greys: below, noise decides on the hue; above, clipping


@dataclasses.dataclass(frozen=True)
class Harm:
  """What changed from input to output.

  Attributes:
    burnt_before: share of pixels with a channel at 250 or more, in the input.
    burnt_after: the same in the output.
    dark_ratio: mean luma of the darkest third of each frame, output by input; more is more light.
    bright_ratio: the same of the brightest tenth; below 1 lamps have been dimmed.
    grey_chroma: how far the mean colour of neutral greys moves in the a*b* plane of CIE Lab.
    grey_hue: by how many degrees its hue turns, 0 to 180.
    bars: mean luma of letterbox bars in the output; nan without bars.
    flicker: mean change of brightness from frame to frame, as share of the output's mean luma.
  """

  burnt_before: float
  burnt_after: float
  dark_ratio: float
  bright_ratio: float
  grey_chroma: float
  grey_hue: float
  bars: float
  flicker: float

  @property
  def burnt_growth(self) -> float:
    """How much larger the share of burnt pixels has become."""
    return self.burnt_after - self.burnt_before


def harm(before: Frames8, after: Frames8) -> Harm:
  """All figures of one clip.

  Raises:
    UserError: the clips are not 8-bit RGB of one shape.
  """
  _check(before, after)
  chroma, hue = grey_shift(before, after)
  return Harm(
    burnt_before=burnt(before),
    burnt_after=burnt(after),
    dark_ratio=rank_ratio(before, after, 0, 1 / 3),
    bright_ratio=rank_ratio(before, after, 0.9, 1),
    grey_chroma=chroma,
    grey_hue=hue,
    bars=bar_level(before, after),
    flicker=flicker(after),
  )


def burnt(frames: Frames8) -> float:
  """Share of pixels of which a channel is at 250 or more."""
  return float((frames >= BURNT).any(axis=-1).mean())


def rank_ratio(before: Frames8, after: Frames8, start: float, stop: float) -> float:
  """Mean luma of some pixels in the output, by that in the input.

  The pixels are those whose luma in the input ranks from share `start` to share `stop` of their
  frame, from dark to bright; letterbox bars are left out. nan where they are all black.
  """
  _check(before, after)
  picture = ~letterbox(before).ravel()
  sums = np.zeros(2)
  for one, other in zip(before, after, strict=True):
    lumas = [_luma(frame).ravel()[picture] for frame in (one, other)]
    order = np.argsort(lumas[0], kind="stable")
    chosen = order[round(start * len(order)) : round(stop * len(order))]
    sums += [luma[chosen].sum(dtype=np.float64) for luma in lumas]
  return float(sums[1] / sums[0]) if sums[0] > 0 else math.nan


def grey_shift(before: Frames8, after: Frames8) -> tuple[float, float]:
  """How neutral greys of the input change colour: (distance, degrees).

  Of all pixels with a chroma below 5 and L* from 10 to 95, the mean (a*, b*) before and after; the
  distance between the two, and the angle, which means little where the distance is small. nan
  without such pixels.
  """
  _check(before, after)
  sums, count = np.zeros((2, 2)), 0
  for one, other in zip(before, after, strict=True):
    labs = [_lab(frame) for frame in (one, other)]
    grey = np.hypot(labs[0][..., 1], labs[0][..., 2]) < _NEUTRAL
    grey &= (labs[0][..., 0] >= _GREYS[0]) & (labs[0][..., 0] <= _GREYS[1])
    sums += [lab[grey][:, 1:].sum(axis=0, dtype=np.float64) for lab in labs]
    count += int(grey.sum())
  if count == 0:
    return math.nan, math.nan
  (a, b), (c, d) = sums / count
  turn = math.degrees(math.atan2(d, c) - math.atan2(b, a))
  return math.hypot(c - a, d - b), abs((turn + 180) % 360 - 180)


def letterbox(frames: Frames8) -> Bool[np.ndarray, "h w"]:
  """Pixels of black bars: at a border, black in every frame, signs in them left out.

  A bar is at least 2 % of the frame wide, and 70 % of each of its rows (or columns) are black: luma
  never above 4. As much of the picture beside it must be brighter by 2 on average, and the bar no
  brighter than 1 on average: a dark room has no bars.
  """
  lumas = np.stack([_luma(frame) for frame in frames])
  black, mean = lumas.max(axis=0) <= _BLACK, lumas.mean(axis=0)
  mask = np.zeros_like(black)
  for dark, light, marked in ((black, mean, mask), (black.T, mean.T, mask.T)):
    for turn in (slice(None), slice(None, None, -1)):
      part, place = dark[turn], marked[turn]
      rows = part.mean(axis=1) >= _IN_BAR
      length = len(rows) if rows.all() else int(np.argmin(rows))
      least = max(1, math.ceil(_LEAST_BAR * len(rows)))
      if not least <= length < len(rows):
        continue
      level = light[turn][:length][part[:length]].mean()
      beside = light[turn][length : length + least].mean()
      if level <= 1 and beside >= level + _EDGE:
        place[:length] |= part[:length]
  return mask


def bar_level(before: Frames8, after: Frames8) -> float:
  """Mean luma, in the output, of the letterbox bars of the input; nan without bars."""
  _check(before, after)
  mask = letterbox(before)
  if not mask.any():
    return math.nan
  return float(np.mean([_luma(frame)[mask].mean() for frame in after]))


def flicker(frames: Frames8) -> float:
  """Mean change of a frame's mean luma against the frame before, as share of the clip's mean luma.

  0 for a single frame. Motion counts, too: compare clips of the same scene.
  """
  means = np.array([_luma(frame).mean(dtype=np.float64) for frame in frames])
  if len(means) < 2 or means.mean() == 0:
    return 0.0
  return float(np.abs(np.diff(means)).mean() / means.mean())


def _check(before: np.ndarray, after: np.ndarray) -> None:
  for frames in (before, after):
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
      raise UserError(f"expected uint8 frames [t, h, w, 3], found {frames.dtype} {frames.shape}")
  if before.shape != after.shape:
    raise UserError(f"expected clips of one shape, found {before.shape} and {after.shape}")


def _luma(frame: np.ndarray) -> Float[np.ndarray, "h w"]:
  return np.asarray(cv2.transform(frame.astype(np.float32), np.array([[0.299, 0.587, 0.114]])))


def _lab(frame: np.ndarray) -> Float[np.ndarray, "h w 3"]:
  return np.asarray(cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
