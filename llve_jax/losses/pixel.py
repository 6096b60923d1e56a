"""Losses on the pixels of clips, and the two plain regularisers of System A.

Differences are taken on the network's output as it is, not clipped, so that values outside [0, 1]
are still pulled back.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.losses.contract import check_same_shape

Clip = Float[Array, "b t h w c"]
PerClip = Float[Array, "b"]


def _mean_per_clip(values: Clip) -> PerClip:
  return jnp.mean(values, axis=(1, 2, 3, 4))


def l1(pred: Clip, target: Clip) -> PerClip:
  """Mean absolute difference over all elements of a clip."""
  check_same_shape(pred, target)
  return _mean_per_clip(jnp.abs(pred - target))


def l2(pred: Clip, target: Clip) -> PerClip:
  """Mean squared difference over all elements of a clip."""
  check_same_shape(pred, target)
  return _mean_per_clip(jnp.square(pred - target))


def charbonnier(pred: Clip, target: Clip) -> PerClip:
  """Mean of sqrt(d^2 + 1e-6): L1 with a smooth foot. 1e-3, its least value, on equal clips.

  Lai et al., "Deep Laplacian Pyramid Networks", CVPR 2017, Eq 2 (there summed over pixels).
  """
  check_same_shape(pred, target)
  return _mean_per_clip(jnp.sqrt(jnp.square(pred - target) + 1e-6))


def tv(pred: Clip, target: Clip) -> PerClip:
  """Total variation of the prediction: mean |d/dx| + mean |d/dy|, anisotropic.

  The target takes no part: this is a prior on clips, not a comparison. It is an argument so that
  the term can stand in `compose` beside the others. A side of one pixel adds 0.

  Rudin, Osher and Fatemi, Physica D 1992, in the anisotropic form.
  """
  check_same_shape(pred, target)
  total = jnp.zeros(pred.shape[0], pred.dtype)
  for axis in (2, 3):
    if pred.shape[axis] > 1:
      total += _mean_per_clip(jnp.abs(jnp.diff(pred, axis=axis)))
  return total


def weight_l2(params: Any) -> Float[Array, ""]:
  """Sum of squares of all parameters in the pytree `params`: one number, for the whole batch.

  Not in `LOSSES`, since it sees no clip. Its gradient is 2 * params, and it passes through Adam's
  scaling; a decoupled weight decay in the optimiser does not.
  """
  return sum(
    (jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params)),
    start=jnp.zeros((), jnp.float32),
  )
