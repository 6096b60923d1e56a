"""Move pixels between channels and space: depth to space, and pooling that can be undone.

Images are [n, h, w, c]. Every function accepts symbolic n, h and w (`jax.export`), and none
scatters or gathers, so that all of them have a counterpart in TensorFlow Lite.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError


def depth_to_space(
  images: Float[Array, "n h w rate*rate*c"], rate: int
) -> Float[Array, "n rate*h rate*w c"]:
  """Spreads groups of channels over blocks of `rate` x `rate` pixels, as TensorFlow does.

  Channel (dy * rate + dx) * c + k becomes channel k of pixel (dy, dx) of the block: the place is
  the slow index and the colour the fast one. PyTorch's pixel shuffle is the other way round.

  Raises:
    UserError: the channels do not divide by `rate`^2.
  """
  count, height, width, channels = images.shape
  if rate < 1 or channels % (rate * rate):
    raise UserError(
      f"depth to space with rate {rate} needs a multiple of {rate * rate} channels; found "
      f"images {images.shape}"
    )
  out = channels // (rate * rate)
  blocks = images.reshape(count, height, width, rate, rate, out).transpose(0, 1, 3, 2, 4, 5)
  return blocks.reshape(count, rate * height, rate * width, out)


def max_pool_with_mask(
  images: Float[Array, "n h w c"],
) -> tuple[Float[Array, "n h//2 w//2 c"], Float[Array, "n 2*(h//2) 2*(w//2) c"]]:
  """2 x 2 maximum with stride 2, and where it was: a mask of exactly one 1 per window and channel.

  Ties go to the first of a window, row by row, and so does their gradient, as in PyTorch's and
  TensorFlow's pooling with indices. A value that is no number wins. An odd last row or column is
  dropped. No gradient flows through the mask.
  """
  upper, lower = (_every_second(images, 1, first) for first in (0, 1))
  (a, b), (c, d) = ([_every_second(row, 2, first) for first in (0, 1)] for row in (upper, lower))
  right_above, above = _later_wins(a, b)
  right_below, below = _later_wins(c, d)
  is_below, pooled = _later_wins(above, below)
  rows = [
    jnp.stack([row & ~right, row & right], axis=3)
    for row, right in ((~is_below, right_above), (is_below, right_below))
  ]
  count, height, width, channels = pooled.shape
  mask = jnp.stack(rows, axis=2).astype(images.dtype)  # [n, h, 2, w, 2, c]
  return pooled, mask.reshape(count, 2 * height, 2 * width, channels)


def unpool(
  images: Float[Array, "n h w c"], mask: Float[Array, "n 2*h 2*w c"]
) -> Float[Array, "n 2*h 2*w c"]:
  """Puts every value back where `max_pool_with_mask` found its maximum; zero elsewhere.

  Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, as the
  nearest neighbour times a mask instead of a scatter.

  Raises:
    UserError: `mask` is not twice the size of `images` with as many channels.
  """
  count, height, width, channels = images.shape
  if mask.shape != (count, 2 * height, 2 * width, channels):
    raise UserError(
      f"unpooling {images.shape} needs a mask {(count, 2 * height, 2 * width, channels)}; found "
      f"{mask.shape}; pad to a multiple of the stride, and bring the channels back to those of "
      "the images that were pooled"
    )
  blocks = mask.reshape(count, height, 2, width, 2, channels)
  return (images[:, :, None, :, None] * blocks).reshape(mask.shape)


def _every_second(images: Array, axis: int, first: int) -> Array:
  # `lax` slices: those of numpy's notation become gathers where sizes are symbolic.
  end = images.shape[axis] // 2 * 2
  return lax.slice_in_dim(images, first, end, stride=2, axis=axis)


def _later_wins(first: Array, later: Array) -> tuple[Array, Array]:
  """Where the later of two is strictly larger (or no number), and the larger of both."""
  wins = (later > first) | (later != later)
  return wins, jnp.where(wins, later, first)
