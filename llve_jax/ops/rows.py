"""Rows at the bottom of frames, so that devices can share any height equally.

A compiled program takes only arrays that its devices split evenly. So frames are filled up before
it; inside, where the compiler splits any height, what was filled up is cut off again, and networks
and statistics see true pixels only.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

HEIGHT = 2  # axis of a clip [b, t, h, w, c]
VIEW = "context"  # of a batch: small pictures of whole frames, whose size is their own


def missing(height: int, devices: int) -> int:
  """How many rows `height` lacks until the devices can share it."""
  return -height % devices


def fill(clip: Any, rows: int) -> Any:
  """The clip [b, t, h, w, c], numpy or JAX, with that many black rows more."""
  pads = [(0, rows if axis == HEIGHT else 0) for axis in range(clip.ndim)]
  return np.pad(clip, pads) if isinstance(clip, np.ndarray) else jnp.pad(clip, pads)


def cut(clip: jax.Array, height: int, filled: int) -> jax.Array:
  """A clip without the rows that it got when one of `height` rows was filled up to `filled`.

  The clip may have more rows than that one, such as a target, as many times as many.
  """
  rows = clip.shape[HEIGHT] // filled * height
  return jax.lax.slice_in_dim(clip, 0, rows, axis=HEIGHT)
