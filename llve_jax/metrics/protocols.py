"""Named protocols: what is done to frames before they are compared, and which numbers result.

Two papers' "PSNR" may differ by several dB for the same images. Every table and file we write names
the protocol that made it; numbers of different protocols stand in different tables.

"GT-mean" scales the prediction to the target's mean brightness before it is compared, which adds 2
to 5 dB. It asks the target for what a user does not have. Each published program does it in its own
way, so each has a name here.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.metrics import image

FrameMetric = Callable[[Array, Array], Array]
Pair = tuple[Float[Array, "n h w 3"], Float[Array, "n h w 3"]]
Prepare = Callable[[Array, Array], Pair]

_PIXELS_AT_ONCE = 4_000_000
_BT709 = (0.2126, 0.7152, 0.0722)
_BT601 = (0.299, 0.587, 0.114)
_BT601_INTEGER = (9798, 19235, 3735)  # the same in 2^-15, as OpenCV computes with 8-bit images


@dataclasses.dataclass(frozen=True, eq=False)
class Protocol:
  """How frames are compared.

  Attributes:
    name: key in `PROTOCOLS`.
    description: one line, printed above every table.
    prepare: (prediction, target), [n, h, w, 3] -> the float pair in [0, 1] that is compared. The
      target is uint8; the prediction too, unless `floats`.
    metrics: name -> function of that pair, [n, h, w, 3] -> [n].
    select: which frames of a clip are compared: the first, and the one after the last (None: all).
    border: pixels that are cut off each side before `prepare`.
    needs_target: whether the metrics look at the target; where they do not, any frames of the same
      size may stand for it.
    without: beginnings of the names of clips that are left out.
    floats: whether a network's output is taken as it is, float32 in [0, 1], where others round it
      to 8 bits as a saved file would be. What comes from 8-bit files is taken as well.
  """

  name: str
  description: str
  prepare: Prepare
  metrics: Mapping[str, FrameMetric]
  select: tuple[int, int | None] = (0, None)
  border: int = 0
  needs_target: bool = True
  without: tuple[str, ...] = ()
  floats: bool = False

  def compares(self, clip: str) -> bool:
    """Whether the clip of that name counts."""
    return not clip.startswith(self.without)

  def kept(self, count: int, clip: str) -> range:
    """Indices of the frames that are compared, of a clip of `count` frames called `clip`.

    Raises:
      UserError: the clip is too short to have any of them.
    """
    kept = range(count)[slice(*self.select)]
    if not kept:
      raise UserError(
        f"clip {clip}: protocol {self.name} compares frame {self.select[0]} and on (the first "
        f"is 0), but the clip has {count} frame(s); use another protocol or longer clips"
      )
    return kept

  def with_metrics(self, **metrics: FrameMetric) -> "Protocol":
    """The same protocol with further metrics."""
    return dataclasses.replace(self, metrics={**self.metrics, **metrics})


def _unit(frames: Array) -> Array:
  """Frames as float32 in [0, 1]."""
  if jnp.issubdtype(frames.dtype, jnp.floating):
    return jnp.clip(frames.astype(jnp.float32), 0.0, 1.0)
  return frames.astype(jnp.float32) / 255.0


def _as_saved(pred: Array, target: Array) -> Pair:
  return _unit(pred), _unit(target)


def _mean_ratio(pred: Array, target: Array) -> Array:
  """Mean of the target over mean of the prediction, [n, 1, 1, 1]; 1 for a black prediction."""
  means = [jnp.mean(grey, axis=(1, 2))[:, None, None, None] for grey in (pred, target)]
  black = means[0] == 0.0
  return jnp.where(black, 1.0, means[1] / jnp.where(black, 1.0, means[0]))


def _weighted(frames: Array, weights: tuple[Any, Any, Any]) -> Array:
  first, second, third = weights
  return first * frames[..., 0] + second * frames[..., 1] + third * frames[..., 2]


def _grey8(frames: Array) -> Array:
  """Grey of 8-bit RGB as whole numbers, as OpenCV rounds it."""
  scaled = _weighted(frames.astype(jnp.int32), _BT601_INTEGER)
  return ((scaled + 2**14) >> 15).astype(jnp.float32)


def _gt_mean_retinexformer(pred: Array, target: Array) -> Pair:
  pred, target = _unit(pred), _unit(target)
  swapped = _BT601[::-1]  # COLOR_BGR2GRAY is given RGB: red gets blue's weight
  ratio = _mean_ratio(_weighted(pred, swapped), _weighted(target, swapped))
  return jnp.clip(pred * ratio, 0.0, 1.0), target


def _gt_mean_cidnet(pred: Array, target: Array) -> Pair:
  ratio = _mean_ratio(_grey8(pred), _grey8(target))
  return jnp.clip(pred.astype(jnp.float32) * ratio, 0.0, 255.0) / 255.0, _unit(target)


def _gt_mean_gsad(pred: Array, target: Array) -> Pair:
  pred, whole = pred.astype(jnp.float32), target.astype(jnp.float32)
  # BGR arrays and COLOR_BGR2GRAY: the right weights. Scaled on 0 to 255, where a ratio of 1 leaves
  # whole numbers whole; what follows cuts off the fraction.
  ratio = _mean_ratio(_weighted(pred, _BT601), _weighted(whole, _BT601))
  return jnp.floor(jnp.clip(pred * ratio, 0.0, 255.0)) / 255.0, _unit(target)


def _gt_mean_sid(pred: Array, target: Array) -> Pair:
  pred, target = _unit(pred), _unit(target)
  means = [jnp.mean(frames, axis=-1) for frames in (pred, target)]
  matched = jnp.clip(pred * _mean_ratio(means[0], means[1]), 0.0, 1.0)
  return jnp.round(matched * 255.0) / 255.0, target


def _ssim_of_8_bits(pred: Array, target: Array) -> Array:
  return image.ssim(jnp.round(pred * 255.0) / 255.0, jnp.round(target * 255.0) / 255.0)


def _brightness(pred: Array, target: Array) -> Array:
  del target
  return jnp.mean(255.0 * _weighted(pred, _BT709), axis=(1, 2))


_PLAIN: dict[str, FrameMetric] = {"psnr": image.psnr, "ssim": image.ssim}
_MEANS = "mean over frames, then clips"

PROTOCOLS: dict[str, Protocol] = {
  "plain": Protocol(
    name="plain",
    description=(
      "8-bit sRGB as saved, no brightness matching; PSNR over all pixels and channels, "
      f"SSIM as tf.image.ssim; {_MEANS}"
    ),
    prepare=_as_saved,
    metrics=_PLAIN,
  ),
  "plain_float": Protocol(
    name="plain_float",
    description=(
      "as plain, but a network's output is clipped to [0, 1] and not rounded to 8 bits "
      "(files stay as they are)"
    ),
    prepare=_as_saved,
    metrics=_PLAIN,
    floats=True,
  ),
  "plain_crop8": Protocol(
    name="plain_crop8",
    description="as plain, without the 8 pixels nearest each border",
    prepare=_as_saved,
    metrics=_PLAIN,
    border=8,
  ),
  "plain_matlab": Protocol(
    name="plain_matlab",
    description=(
      "as plain, but SSIM on grey (MATLAB's rgb2gray, not rounded) as its authors' ssim_index.m"
    ),
    prepare=_as_saved,
    metrics={"psnr": image.psnr, "ssim": image.ssim_matlab},
  ),
  "plain_skimage": Protocol(
    name="plain_skimage",
    description="as plain, but SSIM as scikit-image's default: 7 x 7 window of equal weights",
    prepare=_as_saved,
    metrics={"psnr": image.psnr, "ssim": image.ssim_skimage},
  ),
  # System E's sets of dark pictures alone: LIME, MEF, NPE, VV, DICM
  "no_targets": Protocol(
    name="no_targets",
    description=(
      "asks for no target: mean brightness (BT.709, 0 to 255) of 8-bit sRGB as saved, which says "
      f"how bright a result is, not how good; {_MEANS}"
    ),
    prepare=_as_saved,
    metrics={"brightness": _brightness},
    needs_target=False,
  ),
  # SDSD's README: the first 30 frames of each test clip
  "first30": Protocol(
    name="first30",
    description="as plain, on the first 30 frames of each clip (all, where there are fewer)",
    prepare=_as_saved,
    metrics=_PLAIN,
    select=(0, 30),
  ),
  # Chen et al., "Learning to See in the Dark", CVPR 2018; their repository names the three scenes
  "sid_sony": Protocol(
    name="sid_sony",
    description=(
      "as plain, without scenes 10034, 10045 and 10172, whose targets are misaligned: 88 of the 93 "
      "inputs of SID's Sony test"
    ),
    prepare=_as_saved,
    metrics=_PLAIN,
    without=("10034", "10045", "10172"),
  ),
  # Chen et al., "Seeing Motion in the Dark", ICCV 2019
  "frame5": Protocol(
    name="frame5",
    description="as plain, on the fifth frame of each clip alone (index 4)",
    prepare=_as_saved,
    metrics=_PLAIN,
    select=(4, 5),
  ),
  # Enhancement/test_from_dataset.py --GT_mean of github.com/caiyuanhao1998/Retinexformer
  "gt_mean_retinexformer": Protocol(
    name="gt_mean_retinexformer",
    description=(
      "brightness matched to the target as in Retinexformer's program: floats, grey with the "
      "weights of red and blue swapped, clipped; PSNR of floats, SSIM (tf.image.ssim) of 8 bits; "
      f"{_MEANS}"
    ),
    prepare=_gt_mean_retinexformer,
    metrics={"psnr": image.psnr, "ssim": _ssim_of_8_bits},
    floats=True,
  ),
  # measure.py --use_GT_mean of github.com/Fediory/HVI-CIDNet; it adds 1e-8 to the squared error
  "gt_mean_cidnet": Protocol(
    name="gt_mean_cidnet",
    description=(
      "brightness matched to the target as in HVI-CIDNet's program: 8-bit grey, clipped, not "
      f"rounded again; PSNR over all pixels and channels, SSIM as tf.image.ssim; {_MEANS}"
    ),
    prepare=_gt_mean_cidnet,
    metrics=_PLAIN,
  ),
  # test_Sony.py of github.com/cchen156/Learning-to-See-in-the-Dark, its naive row "scale"
  "gt_mean_sid": Protocol(
    name="gt_mean_sid",
    description=(
      "brightness matched to the target as SID's program does with its naive row: the mean of all "
      "pixels and colours, clipped, rounded to 8 bits; PSNR over all pixels and channels, SSIM as "
      f"tf.image.ssim; {_MEANS}"
    ),
    prepare=_gt_mean_sid,
    metrics=_PLAIN,
  ),
  # test.py of github.com/jinnh/GSAD, which follows LLFlow and KinD
  "gt_mean_gsad": Protocol(
    name="gt_mean_gsad",
    description=(
      "brightness matched to the target as in GSAD's program: grey of 8-bit values, not rounded, "
      "clipped, then cut off (not rounded) to 8 bits; PSNR over all pixels and channels, SSIM as "
      f"scikit-image's default; {_MEANS}"
    ),
    prepare=_gt_mean_gsad,
    metrics={"psnr": image.psnr, "ssim": image.ssim_skimage},
  ),
}


def get(name: str) -> Protocol:
  """Returns the protocol called `name`.

  Raises:
    UserError: no such protocol, or the name does not say which of several procedures is meant.
  """
  if name in PROTOCOLS:
    return PROTOCOLS[name]
  known = ", ".join(PROTOCOLS)
  if name.lower().replace("-", "_") in ("gt_mean", "gtmean"):
    raise UserError(
      f"protocol {name!r} is several different things: the prediction is scaled to the target's "
      "mean brightness, but papers differ in whose mean (grey or each colour channel), on which "
      "values (floats or 8-bit), and whether clipping comes before or after. Each needs a name of "
      f"its own; known protocols: {known}"
    )
  raise UserError(f"unknown protocol {name!r}; known protocols: {known}")


# Two programs, not one: fused, the division by 255 is contracted into the difference (FMA) for one
# of the frames only, and identical frames no longer differ by exactly zero.
@functools.partial(jax.jit, static_argnames="protocol")
def _prepare(protocol: Protocol, pred: Array, target: Array) -> Pair:
  inside = slice(protocol.border, -protocol.border or None)
  return protocol.prepare(pred[:, inside, inside], target[:, inside, inside])


@functools.partial(jax.jit, static_argnames="protocol")
def _measure(protocol: Protocol, pred: Array, target: Array) -> dict[str, Array]:
  return {name: metric(pred, target) for name, metric in protocol.metrics.items()}


def _score(protocol: Protocol, pred: np.ndarray, target: np.ndarray) -> dict[str, Array]:
  return _measure(protocol, *_prepare(protocol, pred, target))


def score_frames(
  protocol: Protocol, pred: np.ndarray, target: np.ndarray, *, batch: int = 8
) -> dict[str, np.ndarray]:
  """Scores frames of one size, every one of them: metric name -> float array [t].

  At most `batch` frames, and about four million pixels, are on the device at once.

  Args:
    protocol: what is computed. Its `select` is the caller's affair, who knows which frames these
      are of their clip.
    pred: uint8 [t, h, w, 3]; float32 in [0, 1] as well if the protocol's `floats` says so.
    target: uint8 [t, h, w, 3].
    batch: frames at once.

  Raises:
    ValueError: the shapes differ (both are named), or the frames are not uint8 where they must be.
  """
  if pred.shape != target.shape:
    raise ValueError(f"prediction {pred.shape} and target {target.shape} differ in shape")
  floats = protocol.floats and pred.dtype == np.float32
  if target.dtype != np.uint8 or not (floats or pred.dtype == np.uint8):
    raise ValueError(
      f"protocol {protocol.name} takes uint8 frames{' or float32' * protocol.floats}, got "
      f"{pred.dtype}, and uint8 targets, got {target.dtype}"
    )
  count, height, width, _ = pred.shape
  batch = max(1, min(batch, count, _PIXELS_AT_ONCE // (height * width)))
  parts = []
  for start in range(0, count, batch):
    window = slice(start, start + batch)
    short = max(0, start + batch - count)  # the last batch is filled up: no second compilation
    padding = ((0, short), (0, 0), (0, 0), (0, 0))
    scores = _score(
      protocol,
      np.pad(pred[window], padding, mode="edge"),
      np.pad(target[window], padding, mode="edge"),
    )
    parts.append({name: np.asarray(value)[: batch - short] for name, value in scores.items()})
  return {name: np.concatenate([part[name] for part in parts]) for name in protocol.metrics}
