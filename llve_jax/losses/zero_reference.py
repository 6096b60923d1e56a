"""Losses without a target, of Zero-DCE: they ask what a well exposed frame looks like.

Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020 (arXiv
2001.06826), Eq 2 to 5. Its released program differs from its equations; `released=True` follows the
program. All take clips [b, t, h, w, c] in [0, 1] and give [b], the mean over frames.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.losses.contract import Clip, PerClip, check_same_shape, euclidean_norm
from llve_jax.losses.pixel import tv_squared

SPATIAL_REGION = 4  # pixels a side
EXPOSURE_REGION = 16
WELL_EXPOSED = 0.6


def spatial_consistency(enhanced: Clip, dark: Clip, *, released: bool = False) -> PerClip:
  """Contrast between neighbouring regions of 4 x 4 pixels is kept (Eq 2).

  The mean over regions of the sum over their up to four neighbours of (|Y_i - Y_j| - |I_i -
  I_j|)^2, Y and I the regions' mean brightness in output and input. The program leaves the absolute
  values out, so that a contrast must keep its sign, and compares the outermost regions with 0
  beyond the frame.

  Raises:
    ValueError: the shapes differ, or frames smaller than a region.
  """
  check_same_shape(enhanced, dark)
  after, before = (_region_means(clip, SPATIAL_REGION) for clip in (enhanced, dark))
  total = jnp.zeros(enhanced.shape[0], enhanced.dtype)
  regions = float(after.shape[2] * after.shape[3])
  for axis in (2, 3):
    if released:
      steps = [jnp.diff(_framed(clip, axis), axis=axis) for clip in (after, before)]
      squares = jnp.square(steps[0] - steps[1])
      count = squares.shape[axis]
      # Each inner step is seen from both its regions, those to the frame's outside from one.
      seen = jnp.full(count, 2.0, squares.dtype).at[jnp.array([0, count - 1])].set(1.0)
      shape = [1] * squares.ndim
      shape[axis] = count
      squares = squares * seen.reshape(shape)
    else:
      steps = [jnp.abs(jnp.diff(clip, axis=axis)) for clip in (after, before)]
      squares = 2.0 * jnp.square(steps[0] - steps[1])
    total += jnp.mean(jnp.sum(squares, axis=(2, 3, 4)), axis=1) / regions
  return total


def exposure(enhanced: Clip, *, level: float = WELL_EXPOSED, released: bool = False) -> PerClip:
  """Regions of 16 x 16 pixels have brightness 0.6: mean |Y - level| (Eq 3); released: squared.

  Raises:
    ValueError: frames smaller than a region.
  """
  error = _region_means(enhanced, EXPOSURE_REGION) - level
  error = jnp.square(error) if released else jnp.abs(error)
  return jnp.mean(error, axis=(1, 2, 3, 4))


def color_constancy(enhanced: Clip, *, released: bool = False) -> PerClip:
  """Mean colours of a frame are equal: the sum over pairs of (J_p - J_q)^2 (Eq 4).

  Released: the root of the sum of fourth powers. Frames are RGB.
  """
  means = jnp.mean(enhanced, axis=(2, 3))
  pairs = jnp.square(means - jnp.roll(means, 1, axis=-1))
  costs = euclidean_norm(pairs) if released else jnp.sum(pairs, axis=-1)
  return jnp.mean(costs, axis=1)


def illumination_smoothness(curves: Clip, *, released: bool = False) -> PerClip:
  """Curves change slowly from pixel to pixel (Eq 5).

  `curves` are all of the network's maps, three channels for each of its N steps. (mean |dx| + mean
  |dy|)^2, summed over the channels and divided by N. Released: `tv_squared`.
  """
  if released:
    return tv_squared(curves, curves)
  slopes = jnp.zeros((*curves.shape[:2], curves.shape[-1]), curves.dtype)
  for axis in (2, 3):
    if curves.shape[axis] > 1:
      slopes += jnp.mean(jnp.abs(jnp.diff(curves, axis=axis)), axis=(2, 3))
  return 3.0 * jnp.mean(jnp.square(slopes), axis=(1, 2))


def zero_dce(enhanced: Clip, dark: Clip, curves: Clip, *, released: bool = False) -> PerClip:
  """The whole objective: spatial + 10 exposure + 5 colour + 200 smoothness."""
  return (
    spatial_consistency(enhanced, dark, released=released)
    + 10.0 * exposure(enhanced, released=released)
    + 5.0 * color_constancy(enhanced, released=released)
    + 200.0 * illumination_smoothness(curves, released=released)
  )


def _region_means(clip: Clip, side: int) -> Float[Array, "b t r s 1"]:
  """Mean brightness of regions; an incomplete last row or column of them is dropped."""
  batch, time, height, width, _ = clip.shape
  rows, columns = height // side, width // side
  if not rows or not columns:
    raise ValueError(f"frames must be at least {side} x {side} pixels; found {clip.shape}")
  whole = lax.slice_in_dim(clip, 0, rows * side, axis=2)
  whole = lax.slice_in_dim(whole, 0, columns * side, axis=3)
  blocks = whole.reshape(batch, time, rows, side, columns, side, -1)
  return jnp.mean(blocks, axis=(3, 5, 6))[..., None]


def _framed(regions: Float[Array, "b t r s 1"], axis: int) -> Array:
  widths = [(0, 0)] * regions.ndim
  widths[axis] = (1, 1)
  return jnp.pad(regions, widths)
