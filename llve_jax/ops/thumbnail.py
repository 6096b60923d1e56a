"""A small picture of a whole frame: what a network sees of the frame beside the part it is given.

Areas are averaged by products with one matrix for each axis, which symbolic sizes (`jax.export`)
allow. The same numbers come out of NumPy and of JAX.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def averaging_matrix(length: Any, side: int, xp: Any = jnp) -> Any:
  """[side, length]: row i averages the i-th of `side` equal parts of a line of `length` pixels.

  A pixel on the border of two parts counts in both, by its share; a line shorter than `side` is
  repeated. Rows sum to 1.
  """
  step = xp.asarray(length).astype(xp.float32) / side
  part = xp.arange(side, dtype=xp.float32)[:, None] * step
  pixel = xp.arange(length).astype(xp.float32)[None]
  overlap = xp.minimum(part + step, pixel + 1.0) - xp.maximum(part, pixel)
  return xp.maximum(overlap, 0.0) / step


def thumbnail(clip: Float[Array, "b t h w c"], side: int) -> Float[Array, "b t side side c"]:
  """Every frame averaged to `side` x `side` parts, whatever its shape."""
  rows = averaging_matrix(clip.shape[2], side)
  columns = averaging_matrix(clip.shape[3], side)
  return jnp.einsum("yh,bthwc,xw->btyxc", rows, clip, columns)


def thumbnail_of(frames: np.ndarray, side: int) -> np.ndarray:
  """The same in NumPy, [t, h, w, c] of any type in, float32 [t, side, side, c] out, same units."""
  rows, columns = (averaging_matrix(length, side, np) for length in frames.shape[1:3])
  narrow = np.einsum("thwc,xw->thxc", frames.astype(np.float32), columns, optimize=True)
  return np.einsum("yh,thxc->tyxc", rows, narrow, optimize=True).astype(np.float32)
