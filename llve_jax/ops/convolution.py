"""Convolution whose gradients are as fast on a CPU as itself, inside of loops too.

XLA's fast CPU kernels take images [n, h, w, c] and kernels [h, w, in, out]. What JAX makes of a
convolution's gradients is not in that form. Outside of loops a pass of the compiler brings it
there; in the body of a loop (`lax.scan`) it does not, and the gradient takes twenty times as long.
Here both gradients are written in that form. On any other device they are those of JAX.

A convolution in groups is none of the fast kernels', in either direction: its gradient takes fifty
times as long as that of one without. On a CPU it becomes one, with zeros where groups do not meet.

There are two sets of fast kernels. YNNPACK's, which XLA prefers, share columns and channels of a
picture among cores; Eigen's share rows, are up to 1.7 times as fast on wide maps of few channels,
and slower in gradients of kernels. What is trained is written so that each gets what it is good at.
Gradients where a kernel has one tap, where few pixels meet many channels, and of kernels out of
which few channels come are faster as products of matrices (`ops.patches`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.ops import patches

Images = Float[Array, "n *space ci"]
Kernel = Float[Array, "*taps ci co"]


# On a CPU: from as many rows on, kernels that share rows are the faster ones, if as many channels
# come out; XLA leaves to them what has few channels in and out anyway.
_ROWS, _CHANNELS_OUT, _FEW_CHANNELS = 32, 12, 16


class _Window(NamedTuple):
  """How a kernel moves over images; one entry an axis of space."""

  strides: tuple[int, ...]
  padding: tuple[tuple[int, int], ...]
  holes: tuple[int, ...]  # lhs_dilation
  spread: tuple[int, ...]  # rhs_dilation
  groups: int = 1


def convolve(
  images: Images,
  kernel: Kernel,
  window_strides: Sequence[int],
  padding: str | Sequence[tuple[int, int]],
  lhs_dilation: Sequence[int] | None = None,
  rhs_dilation: Sequence[int] | None = None,
  dimension_numbers: Any = None,
  feature_group_count: int = 1,
  **others: Any,
) -> Float[Array, "n *out co"]:
  """`lax.conv_general_dilated` with channels last: the same values, and gradients of any order.

  One to three axes of space. Arguments are those of JAX, so that
  `flax.linen.Conv(conv_general_dilated=convolve)` takes it. What has symbolic sides or asks for
  anything in `others` is left to JAX with its own gradients. JAX refuses forward-mode
  differentiation (`jax.jvp`) of functions with gradients of their own, such as this one.

  Args:
    images: pixels, channels last.
    kernel: its last axes are channels in and channels out.
    window_strides: steps of the kernel.
    padding: "SAME", "VALID" or zeros before and after.
    lhs_dilation: distance of the pixels to each other, with zeros between; 1 if not given.
    rhs_dilation: distance of the taps.
    dimension_numbers: another order of the axes is left to JAX as well.
    feature_group_count: groups of channels that do not see each other.
    **others: `precision`, `batch_group_count`, `preferred_element_type`.
  """
  space = images.ndim - 2
  numbers = _numbers(space)
  if dimension_numbers is not None:
    numbers = lax.conv_dimension_numbers(images.shape, kernel.shape, dimension_numbers)
  asked = {name: value for name, value in others.items() if value is not None}
  holes, spread = (tuple(x or (1,) * space) for x in (lhs_dilation, rhs_dilation))
  covered = numbers == _numbers(space) and not asked
  covered = covered and all(isinstance(size, int) for size in images.shape[1:-1])
  if not covered or (isinstance(padding, str) and max(holes) > 1):

    def of_jax(images: Images, kernel: Kernel, groups: int = feature_group_count) -> Array:
      how = (window_strides, padding, lhs_dilation, rhs_dilation, numbers, groups)
      return lax.conv_general_dilated(images, kernel, *how, **asked)

    if numbers != _numbers(space) or asked:
      return of_jax(images, kernel)
    return _in_groups(of_jax, feature_group_count, images, kernel)
  if isinstance(padding, str):
    reach = [far * (taps - 1) + 1 for far, taps in zip(spread, kernel.shape[:-2], strict=True)]
    padding = lax.padtype_to_pads(images.shape[1:-1], reach, window_strides, padding)
  pads = tuple((low, high) for low, high in padding)
  window = _Window(tuple(window_strides), pads, holes, spread, feature_group_count)
  return _convolve(window, images, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(window: _Window, images: Images, kernel: Kernel) -> Array:
  def of_jax(images: Images, kernel: Kernel, groups: int = window.groups) -> Array:
    return _of_jax(window._replace(groups=groups), images, kernel)

  return _in_groups(of_jax, window.groups, images, kernel)


# Jitted, here and below, so that what a network has many times of one shape is traced once.
@partial(jax.jit, static_argnums=0, inline=True)
def _forward(window: _Window, images: Images, kernel: Kernel) -> tuple[Array, tuple[Array, Array]]:
  out = lax.platform_dependent(
    images, kernel, cpu=partial(_on_cpu, window), default=partial(_convolve, window)
  )
  return out, (images, kernel)


@partial(jax.jit, static_argnums=0, inline=True)
def _backward(window: _Window, saved: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
  images, kernel = saved

  def images_of_jax(images: Array, kernel: Array, slope: Array) -> Array:
    return jax.linear_transpose(lambda x: _of_jax(window, x, kernel), images)(slope)[0]

  def kernel_of_jax(images: Array, kernel: Array, slope: Array) -> Array:
    return jax.linear_transpose(lambda k: _of_jax(window, images, k), kernel)(slope)[0]

  # Two choices, so that a gradient that nobody wants is never computed.
  of_images = lax.platform_dependent(
    images, kernel, slope, cpu=partial(_slope_of_images, window), default=images_of_jax
  )
  of_kernel = lax.platform_dependent(
    images, kernel, slope, cpu=partial(_slope_of_kernel, window), default=kernel_of_jax
  )
  return of_images, of_kernel


_convolve.defvjp(_forward, _backward)


def _on_cpu(window: _Window, images: Images, kernel: Kernel) -> Array:
  """The convolution as the faster ones of a CPU's kernels take it."""
  if window.groups > 1:
    return _on_cpu(window._replace(groups=1), images, _block_diagonal(kernel, window.groups))
  sides, taps = images.shape[1:-1], kernel.shape[:-2]
  if any(tap > side for tap, side in zip(taps, sides, strict=True)):
    # XLA would take the picture for the kernel, and no fast one does that: so it is padded before.
    spans = [(*ends, holes - 1) for ends, holes in zip(window.padding, window.holes, strict=True)]
    zero = jnp.zeros((), images.dtype)
    images = lax.optimization_barrier(lax.pad(images, zero, [(0, 0, 0), *spans, (0, 0, 0)]))
    none = ((0, 0),) * len(spans)
    return _convolve(window._replace(padding=none, holes=(1,) * len(spans)), images, kernel)
  if _gains_by_rows(window, images, kernel):
    # What has more rows than the picture is not YNNPACK's. The last row is nobody's.
    (low, high), columns = window.padding
    longer = window._replace(padding=((low, high + 1), columns))
    return _convolve(longer, images, kernel)[:, :-1]
  return _convolve(window, images, kernel)


def _grid(window: _Window, images: Images, kernel: Kernel) -> patches.Grid | None:
  """Which pixels the kernel meets, where products of matrices may be faster."""
  known = isinstance(images.shape[0], int)  # symbolic where a program is exported
  if not known or {*window.holes} != {1} or images.dtype != jnp.float32:
    return None
  return patches.Grid(kernel.shape[:-2], window.strides, window.padding, window.spread)


def _gains_by_rows(window: _Window, images: Images, kernel: Kernel) -> bool:
  """Whether kernels that share rows are faster, and one row more takes the convolution to them."""
  plain = {*window.strides, *window.holes, *window.spread} == {1}
  if images.ndim != 4 or not plain or images.dtype != jnp.float32:
    return False
  *taps, channels, channels_out = kernel.shape
  kept = sum(window.padding[0]) == taps[0] - 1
  wide = images.shape[1] >= _ROWS and channels_out >= _CHANNELS_OUT
  return kept and wide and max(taps) > 1 and max(channels, channels_out) > _FEW_CHANNELS


def _in_groups(
  convolution: Callable[..., Array], groups: int, images: Images, kernel: Kernel
) -> Array:
  """A convolution of (images, kernel, groups); on a CPU that without groups that does the same."""
  if groups == 1:
    return convolution(images, kernel)

  def whole(images: Images, kernel: Kernel) -> Array:
    return convolution(images, _block_diagonal(kernel, groups), 1)

  return lax.platform_dependent(images, kernel, cpu=whole, default=convolution)


def _block_diagonal(kernel: Kernel, groups: int) -> Kernel:
  """The kernel without groups that does the same: [*taps, ci / groups, co] to [*taps, ci, co]."""
  *taps, inputs, outputs = kernel.shape
  parts = kernel.reshape(*taps, inputs, groups, outputs // groups)
  where = jnp.eye(groups, dtype=kernel.dtype)
  return jnp.einsum("...igo,gj->...jigo", parts, where).reshape(*taps, groups * inputs, outputs)


def _blocks(kernel: Kernel, groups: int) -> Kernel:
  """What stands in the blocks of such a kernel: the transpose of `_block_diagonal`."""
  *taps, inputs, outputs = kernel.shape
  parts = kernel.reshape(*taps, groups, inputs // groups, groups, outputs // groups)
  return jnp.einsum("...gigo->...igo", parts).reshape(*taps, inputs // groups, outputs)


def _slope_of_images(window: _Window, images: Images, kernel: Kernel, slope: Array) -> Images:
  """The slope, spread by the strides, convolved with the kernel mirrored in space and channels."""
  if window.groups > 1:
    whole = _block_diagonal(kernel, window.groups)
    return _slope_of_images(window._replace(groups=1), images, whole, slope)
  grid = _grid(window, images, kernel)
  if grid and patches.are_faster(grid, images, kernel):
    return patches.slope_of_images(grid, images, kernel, slope)
  padding = []
  for size, taps, (low, _), step, holes, spread, out in _axes(window, images, kernel, slope):
    before = spread * (taps - 1) - low
    length = holes * (size - 1) + 1
    reached = step * (out - 1) + 1
    padding.append((before, length + spread * (taps - 1) - reached - before))
  mirrored = jnp.flip(kernel, range(kernel.ndim - 2)).swapaxes(-1, -2)
  back = _Window(window.holes, tuple(padding), window.strides, window.spread)
  return _cropped(back, slope, mirrored)


def _slope_of_kernel(window: _Window, images: Images, kernel: Kernel, slope: Array) -> Kernel:
  """Images convolved with the slope: channels take the place of images, and images of channels."""
  if window.groups > 1:
    whole = _block_diagonal(kernel, window.groups)
    return _blocks(_slope_of_kernel(window._replace(groups=1), images, whole, slope), window.groups)
  grid = _grid(window, images, kernel)
  if grid and patches.are_faster(grid, images, kernel):
    return patches.slope_of_kernel(grid, images, kernel, slope)
  if grid and patches.are_few_of_slope(grid, images, kernel):
    return patches.slope_of_kernel_by_slope(grid, images, slope)
  padding = []
  for size, taps, (low, _), step, holes, spread, out in _axes(window, images, kernel, slope):
    length = holes * (size - 1) + 1
    reached = step * (out - 1) + 1
    padding.append((low, reached - length + spread * (taps - 1) - low))
  by_channel = jnp.swapaxes(images, 0, -1)
  as_kernel = jnp.moveaxis(slope, 0, -2)
  across = _Window(window.spread, tuple(padding), window.holes, window.strides)
  return jnp.moveaxis(_cropped(across, by_channel, as_kernel), 0, -2)


def _cropped(window: _Window, images: Images, kernel: Kernel) -> Array:
  """The convolution, without what a padding of less than none cuts off.

  XLA's CPU kernels read beyond the images there.
  """
  cuts = [(min(low, 0), min(high, 0)) for low, high in window.padding]
  if any(map(any, cuts)):
    spans = [(*cut, holes - 1) for cut, holes in zip(cuts, window.holes, strict=True)]
    zero = jnp.zeros((), images.dtype)
    images = lax.pad(images, zero, [(0, 0, 0), *spans, (0, 0, 0)])
    left = [
      (low - before, high - after)
      for (low, high), (before, after) in zip(window.padding, cuts, strict=True)
    ]
    window = window._replace(padding=tuple(left), holes=(1,) * len(left))
  return _on_cpu(window, images, kernel)


def _axes(window: _Window, images: Array, kernel: Array, slope: Array) -> Any:
  """For each axis of space: pixels, taps, padding, stride, both dilations, pixels that come out."""
  return zip(
    images.shape[1:-1],
    kernel.shape[:-2],
    window.padding,
    window.strides,
    window.holes,
    window.spread,
    slope.shape[1:-1],
    strict=True,
  )


def _of_jax(window: _Window, images: Array, kernel: Array) -> Array:
  return lax.conv_general_dilated(
    images,
    kernel,
    window.strides,
    window.padding,
    window.holes,
    window.spread,
    _numbers(images.ndim - 2),
    window.groups,
  )


def _numbers(space: int) -> lax.ConvDimensionNumbers:
  """Channels last, in images as in kernels."""
  images = (0, space + 1, *range(1, space + 1))
  return lax.ConvDimensionNumbers(images, (space + 1, space, *range(space)), images)
