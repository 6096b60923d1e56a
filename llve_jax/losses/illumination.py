"""SCI's loss without a target: every stage's illumination is near its input, and smooth.

Ma et al., "Toward Fast, Flexible, and Robust Low-Light Image Enhancement", CVPR 2022
(arXiv 2204.10137): a fidelity ||x_t - (y + s_{t-1})||^2 and a smoothness sum_i
sum_{j in 5 x 5} w_ij |x_i - x_j|, w_ij = exp(-sum_c (Y_ic - Y_jc)^2 / (2 sigma^2)), where Y is the
stage's input y + s_{t-1} in YUV, x_t its illumination.

Sums over pixels are means here, as in the authors' program. From that program, not from the paper:
the weights 1.5 and 1, the sum over colours in |x_i - x_j|, pairs inside the frame only, and that
the slope also follows w back into the stage's input. The paper does not say which YUV: it is the
analogue one of BT.601 here.
"""

import itertools
from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.losses.contract import PerClip
from llve_jax.ops.color import luma

FIDELITY_WEIGHT = 1.5
REACH = 2  # pixels: a window of 5 x 5
SIGMA = 0.1
SIGMA_RELEASED = 10.0

Maps = Float[Array, "n h w 3"]


def sci(outputs: Mapping[str, Array], batch: Mapping[str, Array], step: Array) -> PerClip:
  """1.5 fidelity + smoothness, summed over the stages, mean over the frames.

  Args:
    outputs: what `models.sci` returns in training: "inputs" and "illuminations".
    batch: not looked at: the first stage's input is the dark clip.
    step: not looked at.

  Raises:
    UserError: outputs of another network.
  """
  del batch, step
  return _sum_of_stages(outputs, SIGMA)


def sci_released(outputs: Mapping[str, Array], batch: Mapping[str, Array], step: Array) -> PerClip:
  """The same with the program's sigma of 10: each w_ij is nearly 1, edges are smoothed, too.

  The program also takes its luma and chroma of numbers that are no pixel's red, green and blue;
  with this sigma nothing comes of that.
  """
  del batch, step
  return _sum_of_stages(outputs, SIGMA_RELEASED)


def fidelity(illumination: Maps, seen: Maps) -> Float[Array, "n"]:
  """Mean square of illumination less input, over pixels and colours."""
  return jnp.mean(jnp.square(illumination - seen), axis=(1, 2, 3))


def smoothness(illumination: Maps, seen: Maps, sigma: float = SIGMA) -> Float[Array, "n"]:
  """The sum over the 24 neighbours of a pixel of the mean of w |difference|.

  Each mean is over the pixels that have such a neighbour; a frame too small for any gives 0.

  Args:
    illumination: what is to be smooth.
    seen: where this has an edge, the illumination may have one.
    sigma: the deviation of the weights, in units of YUV.
  """
  height, width = seen.shape[1:3]
  guide = _yuv(seen)
  total = jnp.zeros(seen.shape[0], jnp.float32)
  for down, right in itertools.product(range(REACH + 1), range(-REACH, REACH + 1)):
    # Half of the window: each pair is a neighbour's neighbour, and counts twice.
    if (down, right) <= (0, 0) or down >= height or abs(right) >= width:
      continue
    weight = jnp.exp(-jnp.sum(jnp.square(_apart(guide, down, right)), axis=-1) / (2.0 * sigma**2))
    slope = jnp.sum(jnp.abs(_apart(illumination, down, right)), axis=-1)
    total += 2.0 * jnp.mean(weight * slope, axis=(1, 2))
  return total


def _apart(maps: Maps, down: int, right: int) -> Maps:
  """Each pixel less its neighbour `down` rows below and `right` columns beside it."""
  height, width = maps.shape[1:3]
  shift = abs(right)
  here, there = maps[:, : height - down], maps[:, down:]
  if right < 0:
    here, there = there, here
  return here[:, :, : width - shift] - there[:, :, shift:]


def _sum_of_stages(outputs: Mapping[str, Array], sigma: float) -> PerClip:
  if lacking := [name for name in ("inputs", "illuminations") if name not in outputs]:
    raise UserError(
      f"the loss sci needs {' and '.join(lacking)} of every stage, which the network sci returns "
      f"in training; found {', '.join(sorted(outputs))}"
    )
  inputs, illuminations = outputs["inputs"], outputs["illuminations"]
  batch, time, stages = inputs.shape[:3]
  seen, found = (maps.reshape(-1, *maps.shape[3:]) for maps in (inputs, illuminations))
  costs = FIDELITY_WEIGHT * fidelity(found, seen) + smoothness(found, seen, sigma)
  return jnp.mean(jnp.sum(costs.reshape(batch, time, stages), axis=2), axis=1)


def _yuv(rgb: Maps) -> Maps:
  """Luma, 0.492 (B - Y) and 0.877 (R - Y)."""
  y = luma(rgb)
  return jnp.concatenate([y, 0.492 * (rgb[..., 2:] - y), 0.877 * (rgb[..., :1] - y)], axis=-1)
