"""Structural similarity: the arithmetic that the metric and the loss share.

Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP
2004: SSIM, Eq 13. Wang et al., "Multiscale structural similarity for image quality assessment",
Asilomar 2003: MS-SSIM. Values are sRGB in [0, 1]; k1 0.01, k2 0.03. All arithmetic is float32, also
where a matrix unit would rather round, so a GPU or TPU gives the same value as a CPU.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SSIM_WINDOW = 11  # pixels
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
MS_SSIM_SIDE = SSIM_WINDOW * 2 ** (len(MS_SSIM_WEIGHTS) - 1)  # least side of a frame: 176

Frames = Float[Array, "*b h w c"]
Maps = Float[Array, "*b h-10 w-10 c"]  # as large as there are windows: less by 10 if Gaussian

_BLOCK = 64  # windows that one matrix covers; fewer or more take longer on a CPU
_C1 = 0.01**2
_C2 = 0.03**2


def _gaussian(size: int, sigma: float) -> tuple[float, ...]:
  weights = np.exp(-np.square(np.arange(size) - size // 2) / (2 * sigma**2))
  return tuple(float(weight) for weight in weights / weights.sum())


GAUSSIAN = _gaussian(SSIM_WINDOW, 1.5)


def ssim_maps(
  pred: Frames, target: Frames, *, window: Sequence[float] = GAUSSIAN, covariance_scale: float = 1.0
) -> tuple[Maps, Maps]:
  """SSIM of each window of each channel, and its contrast-structure factor alone.

  No padding. The first map is luminance times contrast-structure, whose mean is SSIM; MS-SSIM needs
  the second. Differentiable, also on flat frames.

  Args:
    pred: frames.
    target: frames of the same shape.
    window: weights along each side, which sum to 1; Wang's 11 x 11 Gaussian of sigma 1.5 if not
      given.
    covariance_scale: what variances and covariance are multiplied by: n / (n - 1) of a window of n
      equal weights gives the sample covariance.

  Raises:
    ValueError: the shapes differ, or a side is shorter than the window.
  """
  _check(pred, target, len(window))
  pred, target = jnp.asarray(pred, jnp.float32), jnp.asarray(target, jnp.float32)
  # Variances do not change when a constant is taken off a channel, but their rounding error does:
  # without this, flat bright frames are wrong in the fourth digit.
  offset_pred = jnp.mean(pred, axis=(-3, -2), keepdims=True)
  offset_target = jnp.mean(target, axis=(-3, -2), keepdims=True)
  pred, target = pred - offset_pred, target - offset_target
  mean_pred, mean_target = window_mean(pred, window), window_mean(target, window)
  covariance = window_mean(pred * target, window) - mean_pred * mean_target
  squares = window_mean(jnp.square(pred) + jnp.square(target), window)
  variances = squares - jnp.square(mean_pred) - jnp.square(mean_target)
  if covariance_scale != 1.0:
    covariance, variances = covariance_scale * covariance, covariance_scale * variances
  mean_pred, mean_target = mean_pred + offset_pred, mean_target + offset_target
  luminance = (2.0 * mean_pred * mean_target + _C1) / (
    jnp.square(mean_pred) + jnp.square(mean_target) + _C1
  )
  structure = (2.0 * covariance + _C2) / (variances + _C2)
  return luminance * structure, structure


def ms_ssim(pred: Frames, target: Frames) -> Float[Array, "*b"]:
  """Multi-scale SSIM of each frame, in TensorFlow's convention; 1 for identical frames.

  Per channel, the product of five scales' mean contrast-structure, the coarsest one's mean SSIM
  instead, each to the power of its weight; then the mean over channels. Scales are halved by 2 x 2
  means; an odd last row or column is repeated first. A negative mean counts as 0, and the channel
  with it: its gradient is 0.

  Raises:
    ValueError: the shapes differ, or a side is shorter than 11 * 16 = 176 pixels.
  """
  _check(pred, target, MS_SSIM_SIDE)
  pred, target = jnp.asarray(pred, jnp.float32), jnp.asarray(target, jnp.float32)
  product = jnp.ones((), jnp.float32)
  for scale, weight in enumerate(MS_SSIM_WEIGHTS):
    if scale:
      pred, target = _half(pred), _half(target)
    similarity, structure = ssim_maps(pred, target)
    factor = similarity if scale == len(MS_SSIM_WEIGHTS) - 1 else structure
    factor = jnp.mean(factor, axis=(-3, -2))
    # A power below 1 has no finite gradient at 0: it must not be taken there, even unselected.
    positive = factor > 0.0
    product = product * jnp.where(positive, jnp.where(positive, factor, 1.0) ** weight, 0.0)
  return jnp.mean(product, axis=-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def window_mean(frames: Frames, window: Sequence[float] = GAUSSIAN) -> Maps:
  """Weighted mean over each window of k x k, [..., h, w, c] -> [..., h - k + 1, w - k + 1, c].

  The window is a product of two, so this is a product with one banded matrix along each side. A
  side is cut in blocks, since most of a long side's matrix would be zeros. The gradient is written
  so too: left to JAX, each block would write a whole padded array.
  """
  for _ in range(2):  # height, then width, come last in turn; a third turn restores the order
    frames = _means_along_last(jnp.moveaxis(frames, -3, -1), window)
  return jnp.moveaxis(frames, -3, -1)


def _means_along_last(lines: Float[Array, "*b n"], window: Sequence[float]) -> Array:
  """Weighted mean over each window of k, [..., n] -> [..., n - k + 1]."""
  border = len(window) - 1
  count = lines.shape[-1] - border
  block = min(_BLOCK, count)
  blocks = -(-count // block)
  band = np.zeros((block + border, block), np.float32)
  for start in range(block):
    band[start : start + len(window), start] = window
  lines = jnp.pad(lines, [(0, 0)] * (lines.ndim - 1) + [(0, blocks * block - count)])
  starts = range(0, blocks * block, block)
  parts = jnp.stack(
    [jax.lax.slice_in_dim(lines, at, at + block + border, axis=-1) for at in starts], axis=-2
  )
  means = jnp.matmul(parts, band, precision=jax.lax.Precision.HIGHEST)
  means = means.reshape(*lines.shape[:-1], blocks * block)
  return jax.lax.slice_in_dim(means, 0, count, axis=-1)


def _window_mean_forward(frames: Frames, window: Sequence[float]) -> tuple[Maps, None]:
  return window_mean(frames, window), None


def _window_mean_backward(window: Sequence[float], _: None, gradient: Maps) -> tuple[Frames]:
  """Each pixel's gradient is the weighted sum over the windows it is in: the window, mirrored."""
  border = len(window) - 1
  sides = [(0, 0)] * (gradient.ndim - 3) + [(border, border), (border, border), (0, 0)]
  return (window_mean(jnp.pad(gradient, sides), tuple(reversed(window))),)


window_mean.defvjp(_window_mean_forward, _window_mean_backward)


def _half(frames: Frames) -> Array:
  """Means of 2 x 2 pixels; an odd last row or column counts twice."""
  for axis in (frames.ndim - 3, frames.ndim - 2):
    length = frames.shape[axis]
    if length % 2:
      last = jax.lax.slice_in_dim(frames, length - 1, length, axis=axis)
      frames = jnp.concatenate([frames, last], axis)
    end = frames.shape[axis]
    even = jax.lax.slice_in_dim(frames, 0, end, stride=2, axis=axis)
    odd = jax.lax.slice_in_dim(frames, 1, end, stride=2, axis=axis)
    frames = 0.5 * (even + odd)
  return frames


def _check(pred: Frames, target: Frames, least: int) -> None:
  if pred.shape != target.shape:
    raise ValueError(f"prediction {pred.shape} and target {target.shape} differ in shape")
  if min(pred.shape[-3:-1]) < least:
    raise ValueError(f"frames must be at least {least} x {least} pixels, got shape {pred.shape}")
