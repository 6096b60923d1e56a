"""What every loss checks, and the one norm they share.

A loss takes `(pred, target)` of one shape and returns one number per clip or map, [b].
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

CLIP = "b t h w c"
MAPS = "b h w c"


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


def euclidean_norm(
  vectors: Float[Array, "..."], axis: int | Sequence[int] = -1
) -> Float[Array, "..."]:
  """Euclidean norm over `axis`; its gradient where the norm is 0, where there is none, is 0."""
  squared = jnp.sum(jnp.square(vectors), axis=axis)
  positive = squared > 0
  # Two `where`s: the inner one keeps the infinite slope of sqrt at 0 out of the backward pass.
  return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)
