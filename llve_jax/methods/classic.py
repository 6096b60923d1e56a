"""Brightening without learning: the reference rows of every table.

`CLASSIC[name]()` returns what brightens the next frame of one video, uint8 or uint16 [h, w, 3] ->
the same shape and depth. It remembers what it needs of earlier frames; take a fresh one for the
next video, or let `Classic` do so.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.methods import block_matching, deep_clahe
from llve_jax.methods.equalized import ClipEqualizer, RunningEqualizer
from llve_jax.methods.lime import lime
from llve_jax.methods.method import Frame, Memory, Method
from llve_jax.ops.color import srgb_to_linear
from llve_jax.ops.frames import to_8_bit, to_16_bit, to_unit
from llve_jax.shapes import Frame8, Frame16

Codes = Frame8 | Frame16
Brighten = Callable[[Codes], Codes]

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
    past: logarithm of the gain of the last frame, all that is remembered; None before the first.
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
    codes = {kind: _codes(kind) for kind in ("uint8", "uint16")}
    self._values = {k: srgb_to_linear(v) if decode else v for k, v in codes.items()}
    self._least = float(self._values["uint8"][1])  # of either depth, so that they agree
    self.past: float | None = None

  def __call__(self, frame: Codes) -> Codes:
    """Brightens the next frame of the video."""
    # A channel has 256 or 65,536 possible inputs, so a frame's curve is one table.
    values = self._values[str(frame.dtype)]
    curve = np.minimum(self.next_gain(frame) * values, 1.0) ** (1 / 2.2)
    return _as_deep(curve, str(frame.dtype))[frame]

  def next_gain(self, frame: Codes) -> float:
    """The gain of the next frame of the video."""
    luma = cv2.transform(self._values[str(frame.dtype)][frame], _LUMA)
    light = float(self.statistic(luma))
    if light > 0.0:
      wanted = float(np.log(self.level / max(light, self._least)))
      past = wanted if self.past is None else self.past
      self.past = self.smoothing * past + (1.0 - self.smoothing) * wanted
    return 1.0 if self.past is None else float(np.exp(self.past))


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
  """Equalises the histogram of each frame's luma (BT.601 Y'); Cr and Cb stay as they are.

  OpenCV's `equalizeHist`, over 65,536 values where the frame has 16 bits.
  """
  return _equalise


def clahe() -> Brighten:
  """Contrast-limited adaptive equalisation of L in CIE Lab: 8 x 8 tiles, clip limit 2.0.

  The clip limit is in OpenCV's units: multiples of the mean histogram bin. 16 bits are kept
  (`deep_clahe`).
  Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994.
  """
  equaliser = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))

  def enhance(frame: Codes) -> Codes:
    if frame.dtype == np.uint16:
      deep = cv2.cvtColor(to_unit(frame), cv2.COLOR_RGB2LAB)
      lightness = to_16_bit(deep[..., 0] / np.float32(100))
      deep[..., 0] = 100 * deep_clahe.equalize(lightness, limit=2.0, tiles=8)
      return to_16_bit(cv2.cvtColor(deep, cv2.COLOR_LAB2RGB))
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)
    lab[..., 0] = equaliser.apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)

  return enhance


def gamma() -> Brighten:
  """sRGB values to the power 1/2.2: a fixed curve, the same for every frame."""
  return lambda frame: _gamma_curve(str(frame.dtype))[frame]


def unchanged() -> Brighten:
  """The input as it is."""
  return unchanged_frame


def unchanged_frame(frame: Codes) -> Codes:
  """The frame itself, whatever its type."""
  return frame


@functools.cache
def _gamma_curve(kind: str) -> np.ndarray:
  return _as_deep(_codes(kind) ** np.float32(1 / 2.2), kind)


def _codes(kind: str) -> np.ndarray:
  """Every code of "uint8" or "uint16", in [0, 1]."""
  largest = int(np.iinfo(kind).max)
  return np.arange(largest + 1, dtype=np.float32) / np.float32(largest)


def _as_deep(values: np.ndarray, kind: str) -> np.ndarray:
  """Numbers in [0, 1] as codes of "uint8" or "uint16"."""
  return np.asarray(to_8_bit(values) if kind == "uint8" else to_16_bit(values))


def _equalise(frame: Codes) -> Codes:
  luma_chroma = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)
  luma = np.ascontiguousarray(luma_chroma[..., 0])
  luma_chroma[..., 0] = cv2.equalizeHist(luma) if luma.dtype == np.uint8 else _spread(luma)
  return np.asarray(cv2.cvtColor(luma_chroma, cv2.COLOR_YCrCb2RGB), frame.dtype)


def _spread(luma: np.ndarray) -> np.ndarray:
  """`equalizeHist` of 16 bits: the share of pixels above the darkest value and up to each."""
  above = np.cumsum(np.bincount(luma.ravel(), minlength=65536))
  above -= above[int(luma.min())]
  if above[-1] == 0:
    return luma  # one grey: there is nothing to spread
  return to_16_bit(np.maximum(above, 0) / above[-1])[luma]


CLASSIC: dict[str, Callable[[], Brighten]] = {
  "input": unchanged,
  "auto_gain": auto_gain,
  "auto_gain_mean": auto_gain_mean,
  "auto_gain_srgb": auto_gain_srgb,
  "hist_eq": hist_eq,
  "clahe": clahe,
  "gamma": gamma,
  "lime": lambda: lime,
  "hist_eq_causal": RunningEqualizer,
  "hist_eq_clip": ClipEqualizer,  # keeps the whole clip in memory
}
# Tables take them only where they are named. LIME takes a second a frame.
_LONGEST = 2000  # frames of a clip that is looked at as a whole
SLOW = ("lime", "hist_eq_causal", "hist_eq_clip")


class DenoisedGain:
  """`auto_gain`, and BM3D after it; minutes a frame of full size."""

  def __init__(self) -> None:
    block_matching.package()  # a missing one is told before the first frame
    self._brighten = auto_gain()

  def __call__(self, frame: Codes) -> Codes:
    """Brightens the next frame of the video."""
    return block_matching.denoise(self._brighten(frame))


# Those that need a package which is not installed with this one.
OPTIONAL: dict[str, Callable[[], Brighten]] = {"auto_gain_bm3d": DenoisedGain}


class Classic(Method):
  """A row of `CLASSIC` or `OPTIONAL` as a method, on 8 bits or 16; floats are rounded to 16.

  Attributes:
    name: key of either.
  """

  def __init__(self, name: str, *, called: str | None = None):
    """Takes the row `name`, under another name in tables if `called`.

    Raises:
      UserError: no such row; the message lists the known ones.
    """
    known = CLASSIC | OPTIONAL
    if name not in known:
      raise UserError(f"unknown classic method {name!r}; known: {', '.join(known)}")
    self.name, self._fresh = called or name, known[name]

  def stream(
    self, frames: Iterable[Frame], *, rounded: bool = True, memory: Memory | None = None
  ) -> Iterator[Frame]:
    """As `Method`."""
    brighten = self._fresh()
    if memory and isinstance(brighten, (AutoGain, RunningEqualizer)):
      brighten.past = memory.kept.get("classic")
    if isinstance(brighten, ClipEqualizer):
      frames = _whole(frames, self.name, memory)
      brighten.look(map(codes_of, frames))
    for frame in frames:
      bright = brighten(codes_of(frame)) if brighten is not unchanged_frame else frame
      if not rounded:
        yield to_unit(bright)
      else:
        yield bright if bright.dtype == np.uint8 else to_8_bit(to_unit(bright))
    if memory and isinstance(brighten, (AutoGain, RunningEqualizer)):
      memory.kept["classic"] = brighten.past


def _whole(frames: Iterable[Frame], name: str, memory: Memory | None) -> list[Frame]:
  """All frames of a clip that is looked at before its first one."""
  kept = list(itertools.islice(frames, _LONGEST + 1))
  if memory is not None or len(kept) > _LONGEST:
    raise UserError(
      f"{name} looks at all of a clip before its first frame, so it is for evaluation, on up to "
      f"{_LONGEST} frames; take hist_eq_causal, which does not see the future"
    )
  return kept


def codes_of(frame: Frame) -> Codes:
  """Frames of 8 or 16 bits as they are, float32 as 16 bits."""
  return frame if frame.dtype in (np.uint8, np.uint16) else to_16_bit(frame)
