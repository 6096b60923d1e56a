"""Losses on the pixels of clips, and the plain regularisers of System A.

Differences are taken on the network's output as it is, not clipped, so that values outside [0, 1]
are still pulled back. `mask` is explained in `losses/contract.py`; a difference of two pixels
counts where both are trusted.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.losses.contract import Clip, Mask, PerClip, trusted, trusted_mean


def l1(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Mean absolute difference over all elements of a clip."""
  pred, mask = trusted(pred, target, mask)
  return trusted_mean(jnp.abs(pred - target), mask)


def l2(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Mean squared difference over all elements of a clip."""
  pred, mask = trusted(pred, target, mask)
  return trusted_mean(jnp.square(pred - target), mask)


def charbonnier(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Mean of sqrt(d^2 + 1e-6): L1 with a smooth foot. 1e-3, its least value, on equal clips.

  Lai et al., "Deep Laplacian Pyramid Networks", CVPR 2017, Eq 2 (there summed over pixels).
  """
  pred, mask = trusted(pred, target, mask)
  return trusted_mean(jnp.sqrt(jnp.square(pred - target) + 1e-6), mask)


def edge(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """L1 of the gradients' difference: mean |d/dx (p - t)| + mean |d/dy (p - t)|.

  A constant offset costs nothing. The gradient term of Mildenhall et al., "Burst Denoising with
  Kernel Prediction Networks", CVPR 2018.
  """
  pred, mask = trusted(pred, target, mask)
  steps = _steps(pred - target, mask)
  return _sum((trusted_mean(jnp.abs(step), both) for step, both in steps), pred)


def tv(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Total variation of the prediction: mean |d/dx| + mean |d/dy|, anisotropic.

  The target takes no part: this is a prior on clips, not a comparison. It is an argument so that
  the term can stand in `compose` beside the others. A side of one pixel adds 0.

  Rudin, Osher and Fatemi, Physica D 1992, in the anisotropic form.
  """
  pred, mask = trusted(pred, target, mask)
  return _sum((trusted_mean(jnp.abs(step), both) for step, both in _steps(pred, mask)), pred)


def tv_squared(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Total variation with squares, 2 (sum dx^2 / n_x + sum dy^2 / n_y); the target takes no part.

  n counts differences of pixels, not of channels, so that channels add up. It is the form in the
  released code of Zero-DCE (Guo et al., CVPR 2020), where it smooths the curves.
  """
  pred, mask = trusted(pred, target, mask)
  means = (trusted_mean(jnp.square(step), both) for step, both in _steps(pred, mask))
  return 2.0 * pred.shape[-1] * _sum(means, pred)


def multi_scale(loss: Callable[..., PerClip], scales: int = 3) -> Callable[..., PerClip]:
  """The mean of a loss over a pyramid: at full size, and halved by 2 x 2 means again and again.

  A halved pixel is trusted as far as the least trusted of its four. An odd last row or column is
  dropped from the halved clips.

  Args:
    loss: `(pred, target, *, mask) -> [b]` on clips.
    scales: how many sizes; the sides must be 2^(scales - 1) pixels at least.
  """

  def mean_over_scales(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
    pred, mask = trusted(pred, target, mask)
    if min(pred.shape[2:4]) < 2 ** (scales - 1):
      raise ValueError(
        f"{scales} scales need frames of {2 ** (scales - 1)} pixels a side; found {pred.shape}"
      )
    total = loss(pred, target, mask=mask)
    for _ in range(scales - 1):
      pred, target = (_halved(clip, lambda a, b: 0.5 * (a + b)) for clip in (pred, target))
      mask = None if mask is None else _halved(mask, jnp.minimum)
      total += loss(pred, target, mask=mask)
    return total / float(scales)

  return mean_over_scales


multi_scale_l1 = multi_scale(l1)


def weight_l2(params: Any) -> Float[Array, ""]:
  """Sum of squares of all parameters in the pytree `params`: one number, for the whole batch.

  Not in `LOSSES`, since it sees no clip. Its gradient is 2 * params, and it passes through Adam's
  scaling; a decoupled weight decay in the optimiser does not.
  """
  return sum(
    (jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params)),
    start=jnp.zeros((), jnp.float32),
  )


def _steps(clip: Clip, mask: Mask | None) -> Iterator[tuple[Clip, Mask | None]]:
  """Differences down and across, each with what is trusted of them."""
  for axis in (2, 3):
    if clip.shape[axis] > 1:
      both = None if mask is None else mask_of_pairs(mask, axis)
      yield jnp.diff(clip, axis=axis), both


def mask_of_pairs(mask: Mask, axis: int) -> Array:
  """The less trusted of each two neighbours along `axis`."""
  last = mask.shape[axis] - 1
  before, after = (lax.slice_in_dim(mask, start, start + last, axis=axis) for start in (0, 1))
  return jnp.minimum(before, after)


def _halved(clip: Array, join: Callable[[Array, Array], Array]) -> Array:
  for axis in (2, 3):
    end = clip.shape[axis] // 2 * 2
    even = lax.slice_in_dim(clip, 0, end, stride=2, axis=axis)
    odd = lax.slice_in_dim(clip, 1, end, stride=2, axis=axis)
    clip = join(even, odd)
  return clip


def _sum(terms: Iterator[PerClip], clip: Clip) -> PerClip:
  return sum(terms, start=jnp.zeros(clip.shape[0], clip.dtype))
