"""Region losses: dark areas count four times, each region averaged over its own size.

4 * sum(|p - t| in the dark) / (1 + n_dark) + sum(|p - t| elsewhere) / (1 + n_elsewhere), from Lv et
al., "MBLLEN: Low-light Image/Video Enhancement Using CNNs", BMVC 2018. The forms differ in what
they call dark: the target's darkest 40 % (`region_quantile`), the input's (`region_input`), or what
the prediction has below a threshold (System C). The last can be gamed: lifted out of the dark, a
pixel costs less.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from llve_jax.losses.contract import (
  Clip,
  Mask,
  PerClip,
  euclidean_norm,
  trusted,
  trusted_mean,
)
from llve_jax.ops.color import luma

DARK_SHARE = 0.4
ADAPTIVE_START = 0.03  # System C's first threshold
_ADAPTIVE_GROWTH = 1.1
_ADAPTIVE_MOST = 0.7

_LOW, _HIGH = 4.0, 1.0
_MBLLEN_RELEASED = (0.39, 0.5, 0.11)  # sic: BT.601 has 0.299, 0.587, 0.114


def region_quantile(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Dark is what lies at or below the 40 % quantile of the target clip's luma, whole pixels.

  Clips of other than three channels: of their channels' mean.
  """
  pred, mask = trusted(pred, target, mask)
  brightness = luma(target) if target.shape[-1] == 3 else jnp.mean(target, -1, keepdims=True)
  known = brightness if mask is None else jnp.where(mask > 0, brightness, jnp.nan)
  limit = jnp.nanquantile(known, DARK_SHARE, axis=(1, 2, 3, 4), keepdims=True)
  return weigh_regions(pred, target, brightness <= limit, mask=mask)


def region_fixed(
  pred: Clip, target: Clip, threshold: float | Float[Array, ""] = 0.03, *, mask: Mask | None = None
) -> PerClip:
  """Dark is each element, colour by colour, that the prediction has below `threshold` (System C).

  Its configuration holds 0.03, its report says 0.7, which is where the adaptive one ends.
  """
  pred, mask = trusted(pred, target, mask)
  return weigh_regions(pred, target, lax.stop_gradient(pred) < threshold, mask=mask)


def region_adaptive(
  pred: Clip, target: Clip, threshold: Float[Array, ""], *, mask: Mask | None = None
) -> tuple[PerClip, Float[Array, ""]]:
  """`region_fixed`, and the threshold of the next step: System C's released script.

  A batch with fewer than 40 % of its elements below the threshold raises it by a tenth, to 0.7 at
  most. Start at `ADAPTIVE_START`, keep the result in the training state.
  """
  loss = region_fixed(pred, target, threshold, mask=mask)
  share = jnp.mean(jnp.asarray(lax.stop_gradient(pred) < threshold, jnp.float32))
  raised = jnp.minimum(threshold * _ADAPTIVE_GROWTH, _ADAPTIVE_MOST)
  return loss, jnp.where(share < DARK_SHARE, raised, threshold)


def region_mbllen_released(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """As MBLLEN's code has it: mean(4 |m (p - t)| + |(1 - m)(p - t)|), m from the prediction.

  m holds the darkest 40 % of each frame of the prediction, by a luminance with two slips, 0.39 R +
  0.5 G + 0.11 B; both regions are averaged over all pixels. The paper means `region_quantile`.
  """
  pred, mask = trusted(pred, target, mask)
  red, green, blue = _MBLLEN_RELEASED
  seen = lax.stop_gradient(pred)
  brightness = red * seen[..., 0:1] + green * seen[..., 1:2] + blue * seen[..., 2:3]
  limit = jnp.quantile(brightness, DARK_SHARE, axis=(2, 3, 4), keepdims=True)
  factor = jnp.where(brightness <= limit, _LOW, _HIGH)
  return trusted_mean(factor * jnp.abs(pred - target), mask)


def region_input(
  pred: Clip, target: Clip, low: Float[Array, "b t h w n"], *, mask: Mask | None = None
) -> PerClip:
  """MBLLVEN as System C rebuilt it: dark is what the INPUT has at or below its 40 % quantile.

  The quantile is that of the whole clip's luma. Per pixel the error is the Euclidean norm over
  colours, and each part is averaged over its own pixels, the dark one with weight 4.

  Args:
    pred: the prediction.
    target: what it should be.
    low: what the network was given, as large as the target: RGB, or one plane of an RGGB mosaic.
    mask: 1 where the target may be trusted.

  Raises:
    ValueError: an input of another size, or of other than one or three channels.
  """
  pred, mask = trusted(pred, target, mask)
  if low.shape[:-1] != target.shape[:-1] or low.shape[-1] not in (1, 3):
    raise ValueError(
      f"region_input: the input {low.shape} must be RGB, or one plane of a mosaic, as large as the "
      f"target {target.shape}"
    )
  seen = luma(low if low.shape[-1] == 3 else demosaic_rggb(low[..., 0]))
  limit = jnp.quantile(seen, DARK_SHARE, axis=(1, 2, 3, 4), keepdims=True)
  error = euclidean_norm(pred - target)[..., None]
  weight = jnp.ones_like(error) if mask is None else mask
  total = jnp.zeros(pred.shape[0], error.dtype)
  for factor, part in ((_LOW, seen <= limit), (_HIGH, seen > limit)):
    share = jnp.where(part, weight, 0.0)
    count = jnp.maximum(jnp.sum(share, axis=(1, 2, 3, 4)), 1.0)
    total += factor * jnp.sum(error * share, axis=(1, 2, 3, 4)) / count
  return total


def demosaic_rggb(planes: Float[Array, "b t h w"]) -> Float[Array, "b t h w 3"]:
  """RGB by bilinear interpolation: measured colours stay, others are means of neighbours."""
  row, column = (lax.broadcasted_iota(jnp.int32, planes.shape, axis) % 2 for axis in (2, 3))
  colors = []
  for sites in ((row == 0) & (column == 0), row != column, (row == 1) & (column == 1)):
    there = jnp.asarray(sites, planes.dtype)
    mean = _smooth(planes * there) / jnp.maximum(_smooth(there), 1e-6)
    colors.append(jnp.where(sites, planes, mean))
  return jnp.stack(colors, axis=-1)


def _smooth(plane: Float[Array, "*b h w"]) -> Float[Array, "*b h w"]:
  """Filters with (1, 2, 1) down and across; outside is 0."""
  for axis in (-2, -1):
    length = plane.shape[axis]
    padding = [(0, 0)] * plane.ndim
    padding[axis] = (1, 1)
    padded = jnp.pad(plane, padding)
    before, here, after = (
      lax.slice_in_dim(padded, first, first + length, axis=axis % plane.ndim) for first in range(3)
    )
    plane = before + 2 * here + after
  return plane


def weigh_regions(
  pred: Clip,
  target: Clip,
  dark: Bool[Array, "b t h w #c"],
  *,
  low: float = _LOW,
  high: float = _HIGH,
  mask: Mask | None = None,
) -> PerClip:
  """low * sum(dark error) / (1 + n_dark) + high * sum(other error) / (1 + n_other), per clip.

  n counts elements, so colours too.
  """
  axes = (1, 2, 3, 4)
  error = jnp.abs(pred - target)
  weight = jnp.ones_like(error) if mask is None else jnp.broadcast_to(mask, error.shape)
  total = jnp.zeros(pred.shape[0], error.dtype)
  for factor, part in ((low, dark), (high, ~dark)):
    share = jnp.where(part, weight, 0.0)
    total += factor * jnp.sum(error * share, axis=axes) / (1.0 + jnp.sum(share, axis=axes))
  return total
