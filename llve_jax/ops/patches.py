"""Gradients of a convolution as products of matrices, with what each pixel sees under a kernel.

With a single tap they are such products, which XLA on a CPU does not see.

XLA's CPU kernels turn a kernel around before they use it. Where few pixels meet a kernel of many
channels, as at the bottom of a deep network on small clips, this takes longer than the convolution.
Products of matrices read each number of the kernel once, where it lies. What comes out is left to
the convolution: unless that is written in another way in training, it has the same bits with
gradients and without, and a loss of two equal clips, one of them without gradients, is 0.

The gradient of a kernel out of which few channels come has no fast kernel at all if the batch is
small too. What each pixel sees of the slope is little then, and its product with the images is that
gradient in a fraction of the time.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

Images = Float[Array, "n *space ci"]
Kernel = Float[Array, "*taps ci co"]
Slope = Float[Array, "n *out co"]

# Products are faster for up to so many pixels that come out, and from so many channels in times
# channels out on.
_PIXELS, _NUMBERS = 128, 2**16
# The gradient of a kernel is faster with patches of the slope for up to so many channels out, half
# as many as come in or fewer, and up to so many numbers in the patches.
_CHANNELS_OUT, _PATCHES = 16, 5 * 2**19


class Grid(NamedTuple):
  """Which pixels a kernel meets; one entry an axis of space.

  Attributes:
    taps: of the kernel.
    strides: steps of the kernel.
    padding: zeros before and after.
    spread: distance of the taps.
  """

  taps: tuple[int, ...]
  strides: tuple[int, ...]
  padding: tuple[tuple[int, int], ...]
  spread: tuple[int, ...]

  def out(self, sides: tuple[int, ...]) -> tuple[int, ...]:
    """How many pixels come out of images of such sides."""
    axes = zip(sides, *self, strict=True)
    return tuple(
      (side + low + high - spread * (taps - 1) - 1) // stride + 1
      for side, taps, stride, (low, high), spread in axes
    )


def are_faster(grid: Grid, images: Images, kernel: Kernel) -> bool:
  """Whether both gradients are faster so than as convolutions of XLA on a CPU."""
  *_, channels, channels_out = kernel.shape
  pixels = len(images) * math.prod(grid.out(images.shape[1:-1]))
  few = pixels <= _PIXELS and channels * channels_out >= _NUMBERS
  return pixels > 0 and (few or math.prod(grid.taps) == 1)


def slope_of_images(grid: Grid, images: Images, kernel: Kernel, slope: Slope) -> Images:
  """The slope of the images, given that of what comes out."""
  # In this order, since XLA would turn the kernel around as the second factor.
  seen = jnp.tensordot(kernel.reshape(-1, *kernel.shape[-2:]), slope, axes=((-1,), (-1,)))
  seen = jnp.moveaxis(seen, (0, 1), (-2, -1))
  return jax.linear_transpose(lambda x: of_images(grid, x), images)(seen)[0]


def slope_of_kernel(grid: Grid, images: Images, kernel: Kernel, slope: Slope) -> Kernel:
  """The slope of the kernel, given that of what comes out."""
  pixels = tuple(range(slope.ndim - 1))
  return jnp.tensordot(of_images(grid, images), slope, axes=(pixels, pixels)).reshape(kernel.shape)


def are_few_of_slope(grid: Grid, images: Images, kernel: Kernel) -> bool:
  """Whether the slope of the kernel is faster with patches of the slope than in any other way."""
  *_, channels, channels_out = kernel.shape
  if {*grid.strides} != {1} or channels_out > min(_CHANNELS_OUT, channels // 2):
    return False
  return images.size // channels * channels_out * math.prod(grid.taps) <= _PATCHES


def slope_of_kernel_by_slope(grid: Grid, images: Images, slope: Slope) -> Kernel:
  """The same without strides: each pixel of the images times what it was seen for."""
  reach = [spread * (taps - 1) for spread, taps in zip(grid.spread, grid.taps, strict=True)]
  ends = zip(reach, grid.padding, strict=True)
  padding = tuple((far - low, far - high) for far, (low, high) in ends)
  seen = of_images(grid._replace(padding=padding), slope)
  pixels = tuple(range(slope.ndim - 1))
  found = jnp.tensordot(seen, images, axes=(pixels, pixels))
  found = found.reshape(*grid.taps, *found.shape[-2:])
  return jnp.flip(found, range(len(grid.taps))).swapaxes(-1, -2)


def of_images(grid: Grid, images: Images) -> Float[Array, "n *out all_taps ci"]:
  """What each pixel that comes out sees under each tap."""
  sides = grid.out(images.shape[1:-1])
  zero = jnp.zeros((), images.dtype)  # less than none cuts off
  spans = [(0, 0, 0), *((low, high, 0) for low, high in grid.padding), (0, 0, 0)]
  images = lax.pad(images, zero, spans)
  seen = []
  for tap in np.ndindex(*grid.taps):
    starts = [at * spread for at, spread in zip(tap, grid.spread, strict=True)]
    ends = [
      start + stride * (side - 1) + 1
      for start, stride, side in zip(starts, grid.strides, sides, strict=True)
    ]
    whole = (len(images), *ends, images.shape[-1])
    seen.append(lax.slice(images, (0, *starts, 0), whole, (1, *grid.strides, 1)))
  return jnp.stack(seen, axis=-2)
