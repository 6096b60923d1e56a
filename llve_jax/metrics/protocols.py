"""Named protocols: what is done to frames before they are compared, and which numbers result.

Two papers' "PSNR" may differ by several dB for the same images. Every table and file we write names
the protocol that made it; numbers of different protocols stand in different tables.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from llve_jax.errors import UserError
from llve_jax.metrics import image
from llve_jax.shapes import Frames8

FrameMetric = Callable[[Array, Array], Array]
Prepare = Callable[[Array, Array], tuple[Array, Array]]

_PIXELS_AT_ONCE = 4_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class Protocol:
  """How frames are compared.

  Attributes:
    name: key in `PROTOCOLS`.
    description: one line, printed above every table.
    prepare: (prediction, target), uint8 [n, h, w, 3] -> the float pair in [0, 1] that is compared.
    metrics: name -> function of that pair, [n, h, w, 3] -> [n]; larger is better.
  """

  name: str
  description: str
  prepare: Prepare
  metrics: Mapping[str, FrameMetric]


def _as_saved(
  pred: UInt8[Array, "n h w 3"], target: UInt8[Array, "n h w 3"]
) -> tuple[Float[Array, "n h w 3"], Float[Array, "n h w 3"]]:
  return pred.astype(jnp.float32) / 255.0, target.astype(jnp.float32) / 255.0


PROTOCOLS: dict[str, Protocol] = {
  "plain": Protocol(
    name="plain",
    description=(
      "8-bit sRGB as saved, no brightness matching; PSNR over all pixels and channels, "
      "SSIM as tf.image.ssim; mean over frames, then clips"
    ),
    prepare=_as_saved,
    metrics={"psnr": image.psnr, "ssim": image.ssim},
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
def _prepare(protocol: Protocol, pred: Array, target: Array) -> tuple[Array, Array]:
  return protocol.prepare(pred, target)


@functools.partial(jax.jit, static_argnames="protocol")
def _measure(protocol: Protocol, pred: Array, target: Array) -> dict[str, Array]:
  return {name: metric(pred, target) for name, metric in protocol.metrics.items()}


def _score(protocol: Protocol, pred: np.ndarray, target: np.ndarray) -> dict[str, Array]:
  return _measure(protocol, *_prepare(protocol, pred, target))


def score_frames(
  protocol: Protocol, pred: Frames8, target: Frames8, *, batch: int = 8
) -> dict[str, np.ndarray]:
  """Scores frames of one size: metric name -> float array [t].

  At most `batch` frames, and about four million pixels, are on the device at once.

  Raises:
    ValueError: the shapes differ (both are named), or the frames are not uint8.
  """
  if pred.shape != target.shape:
    raise ValueError(f"prediction {pred.shape} and target {target.shape} differ in shape")
  if pred.dtype != np.uint8 or target.dtype != np.uint8:
    raise ValueError(f"expected uint8 frames, got {pred.dtype} and {target.dtype}")
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
