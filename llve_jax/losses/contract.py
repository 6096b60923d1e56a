"""What every loss checks, how it leaves untrusted pixels out, and the one norm they share.

A loss takes `(pred, target)` of one shape and returns one number per clip or map, [b]. Losses on
clips also take `mask`, [b, t, h, w, 1]: 1 where the target may be trusted, 0 where it may not, as
where a registered pair shows different things. Pixel losses average over trusted pixels; values in
between weigh a pixel. Losses that look at neighbourhoods see the target where the mask is 0.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

CLIP = "b t h w c"
MAPS = "b h w c"

Clip = Float[Array, "b t h w c"]
Mask = Float[Array, "b t h w 1"]
PerClip = Float[Array, "b"]


def check_same_shape(pred: Array, target: Array, axes: str = CLIP) -> None:
  """Refuses arrays a loss would silently broadcast or misread.

  Args:
    pred: the prediction.
    target: what it should be.
    axes: the axis letters both must have, such as "b t h w c".

  Raises:
    ValueError: shapes that differ, a wrong number of axes, or integers (8-bit frames, most likely).
  """
  if pred.shape != target.shape or pred.ndim != len(axes.split()):
    letters = ", ".join(axes.split())
    raise ValueError(
      f"pred {pred.shape} and target {target.shape} must have one shape [{letters}]; "
      "an image is a clip of one frame"
    )
  for name, array in (("pred", pred), ("target", target)):
    if not jnp.issubdtype(array.dtype, jnp.floating):
      raise ValueError(f"{name} {array.shape} is {array.dtype}; losses expect floats in [0, 1]")


def trusted(pred: Clip, target: Clip, mask: Mask | None) -> tuple[Clip, Mask | None]:
  """The prediction, replaced by the target where the mask is 0, and the mask as floats.

  What stands at untrusted pixels then changes neither loss nor gradient, not even NaN. Checks both
  clips as `check_same_shape` does.

  Raises:
    ValueError: the shapes differ, or the mask is not [b, t, h, w, 1].
  """
  check_same_shape(pred, target)
  if mask is None:
    return pred, None
  if mask.shape != (*pred.shape[:-1], 1):
    raise ValueError(f"mask {mask.shape} must have the shape {(*pred.shape[:-1], 1)}")
  mask = jnp.asarray(mask, pred.dtype)
  return jnp.where(mask > 0, pred, target), mask


def trusted_mean(values: Clip, mask: Mask | None = None) -> PerClip:
  """Mean over all elements of a clip, each pixel weighed by the mask; 0 if that is 0 all over."""
  axes = (1, 2, 3, 4)
  if mask is None:
    return jnp.mean(values, axis=axes)
  weight = jnp.sum(mask, axis=axes) * float(values.shape[-1])
  return jnp.sum(values * mask, axis=axes) / jnp.where(weight > 0, weight, 1.0)


def euclidean_norm(
  vectors: Float[Array, "..."], axis: int | Sequence[int] = -1
) -> Float[Array, "..."]:
  """Euclidean norm over `axis`; its gradient where the norm is 0, where there is none, is 0."""
  squared = jnp.sum(jnp.square(vectors), axis=axis)
  positive = squared > 0
  # Two `where`s: the inner one keeps the infinite slope of sqrt at 0 out of the backward pass.
  return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)
