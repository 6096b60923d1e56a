"""Brightening without learning: the reference rows of every table.

`CLASSIC[name]()` returns what brightens the next frame of one video, uint8 [h, w, 3] -> the same
shape. It remembers what it needs of earlier frames; take a fresh one for the next video, or let
`Classic` do so.
"""

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.methods.lime import lime
from llve_jax.methods.method import Frame, Method
from llve_jax.ops.color import srgb_to_linear
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.shapes import Frame8

Brighten = Callable[[Frame8], Frame8]

_CODES = np.arange(256, dtype=np.float32) / np.float32(255.0)
_LUMA = np.array([[0.2126, 0.7152, 0.0722]], np.float32)  # BT.709


class AutoGain:
  """Linear gain and gamma, y = clip(g x)^(1/2.2), with a gain that moves slowly over time.

  g = level / statistic(luma of x) for each frame. log g passes an exponential filter,
  log g <- smoothing * log g + (1 - smoothing) * log g_frame, so that noise in the statistic does
  not flicker; the first frame sets it. A frame whose statistic is 0 (black) says nothing about the
  gain and leaves it as it is, 1 before any other frame.

  Attributes:
    statistic: luma of x, [h, w] -> one number, say its mean.
    level: what the gain brings that number to.
    decode: x is linear light, so that 1/2.2 encodes it for the display again; else x is the sRGB
      value itself and the power lifts the shadows further.
    smoothing: weight of the past per frame, in [0, 1); 0.9 halves a difference in 6.6 frames.
  """

  def __init__(
    self,
    statistic: Callable[[np.ndarray], float],
    *,
    level: float,
    decode: bool = True,
    smoothing: float = 0.9,
  ) -> None:
    if not 0.0 <= smoothing < 1.0:
      raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    self.statistic = statistic
    self.level = level
    self.smoothing = smoothing
    self._values = srgb_to_linear(_CODES) if decode else _CODES
    self._log_gain: float | None = None

  def __call__(self, frame: Frame8) -> Frame8:
    """Brightens the next frame of the video."""
    # A channel has 256 possible inputs, so a frame's curve is one table.
    curve = np.minimum(self.next_gain(frame) * self._values, 1.0) ** (1 / 2.2)
    return to_8_bit(curve)[frame]

  def next_gain(self, frame: Frame8) -> float:
    """The gain of the next frame of the video."""
    luma = cv2.transform(self._values[frame], _LUMA)
    light = float(self.statistic(luma))
    if light > 0.0:
      log_gain = float(np.log(self.level / max(light, self._values[1])))
      past = log_gain if self._log_gain is None else self._log_gain
      self._log_gain = self.smoothing * past + (1.0 - self.smoothing) * log_gain
    return 1.0 if self._log_gain is None else float(np.exp(self._log_gain))


def _percentile_99(luma: np.ndarray) -> float:
  """The 99th percentile by nearest rank."""
  values = luma.ravel()
  rank = int(np.ceil(0.99 * values.size)) - 1
  return float(np.partition(values, rank)[rank])


def auto_gain() -> AutoGain:
  """Undoes a short exposure: the 99th percentile of luma goes to 0.9, in linear light."""
  return AutoGain(_percentile_99, level=0.9)


def auto_gain_mean() -> AutoGain:
  """The mean of luma goes to 0.4, in linear light (bright: sRGB values then average about 0.6)."""
  return AutoGain(lambda luma: float(luma.mean()), level=0.4)


def auto_gain_srgb() -> AutoGain:
  """The 99th percentile of luma goes to 0.9 in sRGB values, then gamma.

  Not what light does, but the stronger row on photographs whose bright version was retouched.
  """
  return AutoGain(_percentile_99, level=0.9, decode=False)


def hist_eq() -> Brighten:
  """Equalises the histogram of each frame's luma (BT.601 Y'); Cr and Cb stay as they are."""
  return _equalise


def clahe() -> Brighten:
  """Contrast-limited adaptive equalisation of L in CIE Lab: 8 x 8 tiles, clip limit 2.0.

  The clip limit is in OpenCV's units: multiples of the mean histogram bin.
  Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994.
  """
  equaliser = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))

  def enhance(frame: Frame8) -> Frame8:
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)
    lab[..., 0] = equaliser.apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)

  return enhance


def gamma() -> Brighten:
  """sRGB values to the power 1/2.2: a fixed curve, the same for every frame."""
  curve = to_8_bit(_CODES ** np.float32(1 / 2.2))
  return lambda frame: curve[frame]


def unchanged() -> Brighten:
  """The input as it is."""
  return lambda frame: frame


def _equalise(frame: Frame8) -> Frame8:
  luma_chroma = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)
  luma_chroma[..., 0] = cv2.equalizeHist(np.ascontiguousarray(luma_chroma[..., 0]))
  return np.asarray(cv2.cvtColor(luma_chroma, cv2.COLOR_YCrCb2RGB), np.uint8)


CLASSIC: dict[str, Callable[[], Brighten]] = {
  "input": unchanged,
  "auto_gain": auto_gain,
  "auto_gain_mean": auto_gain_mean,
  "auto_gain_srgb": auto_gain_srgb,
  "hist_eq": hist_eq,
  "clahe": clahe,
  "gamma": gamma,
  "lime": lambda: lime,
}
SLOW = ("lime",)  # a second a frame: tables take them only where they are named


class Classic(Method):
  """A row of `CLASSIC` as a method; it works on 8 bits, whatever it is given.

  Attributes:
    name: key of `CLASSIC`.
  """

  def __init__(self, name: str, *, called: str | None = None):
    """Takes the row `name`, under another name in tables if `called`.

    Raises:
      UserError: no such row; the message lists the known ones.
    """
    if name not in CLASSIC:
      raise UserError(f"unknown classic method {name!r}; known: {', '.join(CLASSIC)}")
    self.name, self._fresh = called or name, CLASSIC[name]

  def stream(self, frames: Iterable[Frame], *, rounded: bool = True) -> Iterator[Frame]:
    """As `Method`."""
    brighten = self._fresh()
    for frame in frames:
      bright = brighten(frame if frame.dtype == np.uint8 else to_8_bit(frame))
      yield bright if rounded else to_unit(bright)
