"""Change the size of images: pad to a multiple, double by interpolation or transposed convolution.

Images are [n, h, w, c]. Every function accepts symbolic n, h and w (`jax.export`), so none asks
more of a size than whether it is known.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.ops.convolution import convolve
from llve_jax.ops.larger import larger

Images = Float[Array, "n h w c"]


def _reflected_line(images: Array, axis: int, place: int, *, after: bool = False) -> Array:
  """The line at a place that may lie outside, counted from the start of the axis or its end.

  Indices go back and forth (a triangle wave).
  """
  length = images.shape[axis]
  if isinstance(length, int):
    period = max(2 * length - 2, 1)  # the border is not repeated
    place = place + length if after else place
    place = min(place % period, -place % period)
    return lax.slice_in_dim(images, place, place + 1, axis=axis)
  end = jnp.asarray(length)
  period = jnp.maximum(2 * end - 2, 1)
  position = (end + place if after else jnp.asarray(place)) % period
  return lax.dynamic_slice_in_dim(images, jnp.minimum(position, period - position), 1, axis)


def _reflected(images: Array, axis: int, before: int, after: int) -> Array:
  """So many lines more before and after an axis, reflected again and again."""
  lines = [_reflected_line(images, axis, -place) for place in range(before, 0, -1)]
  ends = [_reflected_line(images, axis, place, after=True) for place in range(after)]
  return jnp.concatenate([*lines, images, *ends], axis) if lines or ends else images


def pad_to_multiple(
  images: Images, multiple: int, *, centred: bool = False
) -> Float[Array, "n hp wp c"]:
  """Reflects images at the bottom and right until both sides divide by `multiple`.

  Works for sides of any length, also shorter than the padding. The caller crops back with
  `crop_to`. With `centred`, half is added on each side, the odd line at the bottom or right; then
  the place of a pixel in the network's coarsest cell depends on the size of the image.
  """
  for axis in (1, 2):
    length = images.shape[axis]
    # So written, the new length of a symbolic one is a product, which halves exactly.
    padded = multiple * ((length + multiple - 1) // multiple)
    before = (padded - length) // 2 if centred else 0
    if isinstance(length, int):
      images = _reflected(images, axis, before, padded - length - before)
      continue
    # As many lines as could be missing, one by one, since one gather of as many as are has no
    # counterpart in TensorFlow Lite. The compiler drops those that are cut off.
    most = multiple - 1
    reflected = _reflected(images, axis, most if centred else 0, most)
    start = most - before if centred else 0
    images = lax.slice_in_dim(reflected, start, start + padded, axis=axis)
  return images


def reflect_pad(images: Images, width: int) -> Float[Array, "n h+2*width w+2*width c"]:
  """Reflects `width` pixels at every side without repeating the border, like PyTorch's layer.

  Unlike that, takes images smaller than `width`: the reflection goes on back and forth as in
  `numpy.pad`, and a single pixel is repeated.
  """
  return _reflected(_reflected(images, 1, width, width), 2, width, width)


def _double(images: Array, axis: int, align_corners: bool) -> Array:
  """Doubles one axis; new samples 2k and 2k + 1 both lie next to the old sample k.

  Sample i lies at (i - 1/2) / 2 in old samples, so neighbours weigh 1/4. With aligned corners it
  lies at i (n - 1) / (2n - 1): 2k at k - k / (2n - 1) and 2k + 1 at k + (n - 1 - k) / (2n - 1).
  """
  length = images.shape[axis]
  last = lax.slice_in_dim(images, length - 1, length, axis=axis)
  first = lax.slice_in_dim(images, 0, 1, axis=axis)
  before = jnp.concatenate([first, lax.slice_in_dim(images, 0, length - 1, axis=axis)], axis)
  after = jnp.concatenate([lax.slice_in_dim(images, 1, length, axis=axis), last], axis)
  to_before = to_after = jnp.full((1,) * images.ndim, 0.25, images.dtype)
  if align_corners:
    shape = [1] * images.ndim
    shape[axis] = length
    place = jnp.arange(length, dtype=jnp.float32).reshape(shape)
    count = jnp.asarray(length).astype(jnp.float32)
    to_before = (place / (2 * count - 1)).astype(images.dtype)
    to_after = ((count - 1 - place) / (2 * count - 1)).astype(images.dtype)
  pair = [(1 - to) * images + to * other for to, other in ((to_before, before), (to_after, after))]
  shape = list(images.shape)
  shape[axis] = 2 * length
  return jnp.stack(pair, axis + 1).reshape(shape)


def bilinear_double(images: Images, *, align_corners: bool = False) -> Float[Array, "n 2*h 2*w c"]:
  """Bilinear up-sampling by two, as shifts and adds instead of a matrix product or a gather.

  With half-pixel centres, the same numbers as `jax.image.resize(..., "bilinear")`.

  Args:
    images: what is up-sampled.
    align_corners: the first and the last samples stay where they are, and the steps between them
      shrink: PyTorch's convention before 0.4, and `align_corners=True` since. The place of a sample
      then depends on the size of the image, so a tile is up-sampled differently from the whole.
  """
  return _double(_double(images, 1, align_corners), 2, align_corners)


def bilinear_enlarge(
  images: Images, factor: int, *, align_corners: bool = False
) -> Float[Array, "n factor*h factor*w c"]:
  """Bilinear up-sampling by any whole factor; with 2 the same as `bilinear_double`."""
  return _enlarge(_enlarge(images, 1, factor, align_corners), 2, factor, align_corners)


def _enlarge(images: Array, axis: int, factor: int, align_corners: bool) -> Array:
  """Enlarges one axis; new samples f k + p, p < f, lie less than one old sample from sample k.

  Sample i lies at (i + 1/2) / f - 1/2 in old samples, or at i (n - 1) / (f n - 1) with aligned
  corners: (p + 1/2) / f - 1/2 or (p (n - 1) - k (f - 1)) / (f n - 1) away from k.
  """
  if factor == 1:
    return images
  length = images.shape[axis]
  last = lax.slice_in_dim(images, length - 1, length, axis=axis)
  first = lax.slice_in_dim(images, 0, 1, axis=axis)
  before = jnp.concatenate([first, lax.slice_in_dim(images, 0, length - 1, axis=axis)], axis)
  after = jnp.concatenate([lax.slice_in_dim(images, 1, length, axis=axis), last], axis)
  phase = jnp.arange(factor, dtype=jnp.float32)
  away = ((phase + 0.5) / factor - 0.5)[None]
  if align_corners:
    place = jnp.arange(length, dtype=jnp.float32)[:, None]
    count = jnp.asarray(length).astype(jnp.float32)
    away = (phase[None] * (count - 1) - place * (factor - 1)) / (factor * count - 1)
  away = jnp.expand_dims(away, [*range(axis), *range(axis + 2, images.ndim + 1)])
  here, before, after = (jnp.expand_dims(x, axis + 1) for x in (images, before, after))
  weight = jnp.abs(away).astype(images.dtype)
  if isinstance(length, int):
    aside = weight * jnp.where(away < 0, before, after)
  else:  # TensorFlow Lite cannot compare what has an open size; here one of both weighs nothing
    to_before = jnp.maximum(-away, 0.0).astype(images.dtype)
    aside = to_before * before + (weight - to_before) * after
  shape = list(images.shape)
  shape[axis] = factor * length
  return ((1 - weight) * here + aside).reshape(shape)


def transposed_conv_double(
  images: Images, kernel: Float[Array, "2 2 c d"]
) -> Float[Array, "n 2*h 2*w d"]:
  """Transposed convolution with a 2 x 2 kernel and stride 2.

  out[n, 2i + p, 2j + q] = images[n, i, j] @ kernel[p, q]: windows never overlap, so it is one
  matrix product per pixel.
  """
  count, height, width, channels = images.shape
  features = kernel.shape[-1]
  # Not an einsum: its batched product is two to four times slower on a CPU.
  columns = kernel.transpose(2, 0, 1, 3).reshape(channels, 4 * features)
  blocks = images.reshape(count * height * width, channels) @ columns
  blocks = blocks.reshape(count, height, width, 2, 2, features).transpose(0, 1, 3, 2, 4, 5)
  return blocks.reshape(count, 2 * height, 2 * width, features)


def transposed_conv3_double(
  images: Images, kernel: Float[Array, "3 3 c d"]
) -> Float[Array, "n 2*h 2*w d"]:
  """Transposed convolution with a 3 x 3 kernel, stride 2, padding 1 and output padding 1.

  out[n, 2i + p - 1, 2j + q - 1] += images[n, i, j] @ kernel[p, q], where that lies inside:
  ConvTranspose2d of PyTorch, its weight [c, d, p, q] put in the order p, q, c, d. Each phase of
  the output is a convolution by the taps that fall on it: as many products as there are, and a
  backward pass that takes a tenth of the time of a dilated convolution's on a CPU.
  """
  count, height, width, _ = images.shape
  beyond = jnp.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
  rows = []
  for odd_row in (False, True):
    some_rows = beyond if odd_row else crop_to(beyond, height, width + 1)
    columns = []
    for odd_column in (False, True):
      some = some_rows
      if not odd_column:
        some = lax.slice_in_dim(some, 0, width, axis=2)
      # An odd place gets the last tap of the pixel before it and the first of the one after.
      taps = kernel[::-2] if odd_row else kernel[1:2]
      taps = taps[:, ::-2] if odd_column else taps[:, 1:2]
      columns.append(convolve(some, taps, (1, 1), "VALID"))
    rows.append(jnp.stack(columns, 3))
  return jnp.stack(rows, 2).reshape(count, 2 * height, 2 * width, kernel.shape[-1])


def max_pool_half(images: Images) -> Float[Array, "n h//2 w//2 c"]:
  """2 x 2 maximum with stride 2; an odd last row or column is dropped.

  Two strided maxima instead of `reduce_window`: the same values, and a backward pass that takes a
  twentieth of the time on a CPU. Ties share the gradient.
  """
  return _max_of_pairs(_max_of_pairs(images, 1), 2)


def max_pool3_half(images: Float[Array, "n 2*h 2*w c"]) -> Float[Array, "n h w c"]:
  """3 x 3 maximum with stride 2 and padding 1, of even sides; PyTorch's MaxPool2d(3, 2, 1)."""
  return _max_of_threes(_max_of_threes(images, 1), 2)


def _max_of_threes(images: Array, axis: int) -> Array:
  length = images.shape[axis]
  even = lax.slice_in_dim(images, 0, length, stride=2, axis=axis)
  odd = lax.slice_in_dim(images, 1, length, stride=2, axis=axis)
  # There is nothing before the first sample, so its window holds it twice.
  first = lax.slice_in_dim(even, 0, 1, axis=axis)
  before = lax.slice_in_dim(odd, 0, odd.shape[axis] - 1, axis=axis)
  return larger(larger(jnp.concatenate([first, before], axis), even), odd)


def _pairs(images: Array, axis: int) -> tuple[Array, Array]:
  # `lax` slices: those of numpy's notation become gathers where sizes are symbolic.
  end = images.shape[axis] // 2 * 2
  even = lax.slice_in_dim(images, 0, end, stride=2, axis=axis)
  return even, lax.slice_in_dim(images, 1, end, stride=2, axis=axis)


def _max_of_pairs(images: Array, axis: int) -> Array:
  return larger(*_pairs(images, axis))


def average_pool_half(images: Images) -> Float[Array, "n h//2 w//2 c"]:
  """2 x 2 mean with stride 2; an odd last row or column is dropped."""
  upper, lower = _pairs(images, 1)
  left, right = _pairs(upper + lower, 2)
  return 0.25 * (left + right)


def crop_to(
  images: Images, height: int, width: int, *, centred: bool = False
) -> Float[Array, "n height width c"]:
  """The upper left part of images that are at least that large, or their middle if `centred`."""
  for axis, length in ((1, height), (2, width)):
    start = (images.shape[axis] - length) // 2 if centred else 0
    images = lax.slice_in_dim(images, start, start + length, axis=axis)
  return images
