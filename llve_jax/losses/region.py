"""Region losses: dark areas count four times, each region averaged over its own size.

4 * sum(|p - t| in the dark) / (1 + n_dark) + sum(|p - t| elsewhere) / (1 + n_elsewhere), from Lv et
al., "MBLLEN: Low-light Image/Video Enhancement Using CNNs", BMVC 2018. The forms differ in what
they call dark: the target's darkest 40 % (`region_quantile`), or what the prediction has below a
threshold (System C). The second can be gamed: lifted out of the dark, a pixel costs less.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from llve_jax.losses.contract import Clip, Mask, PerClip, trusted, trusted_mean
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
