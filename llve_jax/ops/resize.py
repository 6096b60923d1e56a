"""Change the size of images: pad to a multiple, double by interpolation or transposed convolution.

Images are [n, h, w, c]. Every function accepts symbolic n, h and w (`jax.export`), so none branches
on a size.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Images = Float[Array, "n h w c"]


def _reflect_to(images: Array, axis: int, multiple: int) -> Array:
  """Reflects the end of one axis, again and again, until its length divides by `multiple`."""
  length = images.shape[axis]
  # Indices go 0 .. length-1, then back and forth without repeating the border (a triangle wave).
  period = jnp.maximum(2 * jnp.asarray(length) - 2, 1)
  lines = [images]
  # As many lines as could be missing, one by one: how many are may be symbolic, and one gather of
  # them has no counterpart in TensorFlow Lite. The compiler drops those that are cut off.
  for place in range(multiple - 1):
    position = (jnp.asarray(length) + place) % period
    index = jnp.minimum(position, period - position)
    lines.append(lax.dynamic_slice_in_dim(images, index, 1, axis))
  # So written, the new length of a symbolic one is a product, which halves exactly.
  padded = multiple * ((length + multiple - 1) // multiple)
  return lax.slice_in_dim(jnp.concatenate(lines, axis), 0, padded, axis=axis)


def pad_to_multiple(images: Images, multiple: int) -> Float[Array, "n hp wp c"]:
  """Reflects images at the bottom and right until both sides divide by `multiple`.

  Works for sides of any length, also shorter than the padding. The caller crops back with
  `crop_to`.
  """
  return _reflect_to(_reflect_to(images, 1, multiple), 2, multiple)


def _double(images: Array, axis: int) -> Array:
  """Doubles one axis: each new sample is 3/4 the nearer and 1/4 the farther old one."""
  length = images.shape[axis]
  last = lax.slice_in_dim(images, length - 1, length, axis=axis)
  first = lax.slice_in_dim(images, 0, 1, axis=axis)
  before = jnp.concatenate([first, lax.slice_in_dim(images, 0, length - 1, axis=axis)], axis)
  after = jnp.concatenate([lax.slice_in_dim(images, 1, length, axis=axis), last], axis)
  pair = jnp.stack([0.75 * images + 0.25 * before, 0.75 * images + 0.25 * after], axis + 1)
  shape = list(images.shape)
  shape[axis] = 2 * length
  return pair.reshape(shape)


def bilinear_double(images: Images) -> Float[Array, "n 2*h 2*w c"]:
  """Bilinear up-sampling by two with half-pixel centres (corners not aligned).

  The same numbers as `jax.image.resize(..., "bilinear")`, as shifts and adds instead of a matrix
  product whose cost grows with the square of the side.
  """
  return _double(_double(images, 1), 2)


def transposed_conv_double(
  images: Images, kernel: Float[Array, "2 2 c d"]
) -> Float[Array, "n 2*h 2*w d"]:
  """Transposed convolution with a 2 x 2 kernel and stride 2.

  out[n, 2i + p, 2j + q] = images[n, i, j] @ kernel[p, q]: windows never overlap, so it is one
  matrix product per pixel.
  """
  count, height, width, _ = images.shape
  blocks = jnp.einsum("nhwc,pqcd->nhpwqd", images, kernel)
  return blocks.reshape(count, 2 * height, 2 * width, kernel.shape[-1])


def max_pool_half(images: Images) -> Float[Array, "n h//2 w//2 c"]:
  """2 x 2 maximum with stride 2; an odd last row or column is dropped.

  Two strided maxima instead of `reduce_window`: the same values, and a backward pass that takes a
  twentieth of the time on a CPU. Ties share the gradient.
  """
  return _max_of_pairs(_max_of_pairs(images, 1), 2)


def _max_of_pairs(images: Array, axis: int) -> Array:
  # `lax` slices: those of numpy's notation become gathers where sizes are symbolic.
  end = images.shape[axis] // 2 * 2
  even = lax.slice_in_dim(images, 0, end, stride=2, axis=axis)
  odd = lax.slice_in_dim(images, 1, end, stride=2, axis=axis)
  return jnp.maximum(even, odd)


def crop_to(images: Images, height: int, width: int) -> Float[Array, "n height width c"]:
  """The upper left part of images that are at least that large."""
  rows = lax.slice_in_dim(images, 0, height, axis=1)
  return lax.slice_in_dim(rows, 0, width, axis=2)
