"""Convolution in time and space, [b, t, h, w, c], in two forms that give the same numbers.

`conv3d_taps` stacks the frames that a kernel spans (its temporal taps) on the channels of one 2-D
convolution; `conv3d` is the plain 3-D convolution. Both are cross-correlations, as in TensorFlow,
PyTorch and Flax, take the same kernel and accept symbolic b, t, h and w.

Padding is the same in all three axes: "SAME" keeps the sizes, "VALID" loses kernel - 1, and "FULL"
gains kernel - 1. "FULL" is the transposed convolution of stride 1, with its kernel stored the way
a convolution reads it: flipped in time, height and width.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.ops.convolution import convolve

Padding = Literal["SAME", "VALID", "FULL"]
Kernel = Float[Array, "kt kh kw ci co"]


def conv3d_taps(
  clip: Float[Array, "b t h w ci"], kernel: Kernel, *, padding: Padding = "SAME"
) -> Float[Array, "b to ho wo co"]:
  """3-D convolution of stride 1 as one 2-D convolution over kt * ci channels.

  Compilers lower 2-D convolutions far better than 3-D ones; the price is kt copies of the clip.
  In an export with a symbolic number of frames, a clip from which frames were cut is left to
  `conv3d`: JAX cannot prove that its images, b * (t - n), are not less than none.

  Raises:
    UserError: shapes that do not fit, or an unknown padding.
  """
  time, height, width = _pads(clip, kernel, padding)
  taps, rows, columns, channels, features = kernel.shape
  zero = jnp.zeros((), clip.dtype)
  padded = lax.pad(clip, zero, [(0, 0, 0), (*time, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)])
  frames = padded.shape[1] - (taps - 1)
  if not _provably_not_negative(clip.shape[0] * frames):
    return conv3d(clip, kernel, padding=padding)
  stacked = jnp.concatenate(
    [lax.slice_in_dim(padded, tap, tap + frames, axis=1) for tap in range(taps)], axis=-1
  )
  out = convolve(
    stacked.reshape(clip.shape[0] * frames, *stacked.shape[2:]),
    kernel.transpose(1, 2, 0, 3, 4).reshape(rows, columns, taps * channels, features),
    window_strides=(1, 1),
    padding=(height, width),
  )
  return out.reshape(clip.shape[0], frames, *out.shape[1:])


def conv3d(
  clip: Float[Array, "b t h w ci"], kernel: Kernel, *, padding: Padding = "SAME"
) -> Float[Array, "b to ho wo co"]:
  """The same as one 3-D convolution.

  Raises:
    UserError: shapes that do not fit, or an unknown padding.
  """
  return convolve(clip, kernel, (1, 1, 1), _pads(clip, kernel, padding))


def _provably_not_negative(size: int) -> bool:
  """True of numbers; of a symbolic size, if JAX can tell."""
  try:
    return size >= 0
  except jax.errors.InconclusiveDimensionOperation:
    return False


def _pads(clip: Array, kernel: Array, padding: str) -> list[tuple[int, int]]:
  """Zeros before and after, for time, height and width."""
  if clip.ndim != 5 or kernel.ndim != 5 or clip.shape[-1] != kernel.shape[3]:
    raise UserError(
      "a clip [b, t, h, w, ci] needs a kernel [kt, kh, kw, ci, co] with the same ci; found "
      f"{clip.shape} and {kernel.shape}"
    )
  if padding == "SAME":  # an even kernel gets its odd zero at the end, as in TensorFlow
    return [((size - 1) // 2, size // 2) for size in kernel.shape[:3]]
  if padding == "VALID":
    return [(0, 0)] * 3
  if padding == "FULL":
    return [(size - 1, size - 1) for size in kernel.shape[:3]]
  raise UserError(f'padding is {padding!r}; expected "SAME", "VALID" or "FULL"')
