"""What a network knows of the whole frame: a vector, from a small picture of it.

How much light a dark frame wants cannot be told from a part of it: a wall may be dark because the
room is, or because it is black. The vector is global on purpose. Tiles of one frame that are given
the same picture get the same vector, so they agree.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.models.blocks import Conv, leaky_relu, turns_at_once

_SHADE = 1.0 / 255.0  # what logarithms begin at
_BINS = 16


def bordered(context: Float[Array, "n s s 3"]) -> Float[Array, "n 1"]:
  """1 where two opposite edges of the frame are black all along, as bars are, else 0.

  Of the brightest colour along both, in 8-bit codes: 1 up to 2.5, 0 from 4. One such edge says
  nothing: a dark ceiling or a night sky may be as black.
  """
  shade = 255.0 * jnp.max(context, axis=-1)
  edges = [lax.index_in_dim(shade, at, axis, keepdims=False) for axis in (1, 2) for at in (0, -1)]
  top, bottom, left, right = (jnp.max(edge, axis=-1, keepdims=True) for edge in edges)
  darkest = jnp.minimum(jnp.maximum(top, bottom), jnp.maximum(left, right))
  return jnp.clip((4.0 - darkest) / 1.5, 0.0, 1.0)


def statistics(context: Float[Array, "n s s 3"]) -> Float[Array, "n 47"]:
  """Of each colour mean, its root and its logarithm, mean root and maximum; two histograms.

  The histograms are those of the brightest and of the darkest colour of each place, by triangles
  over the square root, so that they move smoothly with the picture.
  """
  roots = jnp.sqrt(context + 1e-4)
  mean = jnp.mean(context, axis=(1, 2))
  parts = [mean, jnp.sqrt(mean + 1e-4), jnp.log(mean + _SHADE) / 4.0, jnp.mean(roots, axis=(1, 2))]
  parts.append(jnp.max(context, axis=(1, 2)))
  centres = jnp.linspace(0.0, 1.0, _BINS, dtype=jnp.float32)
  for shade in (jnp.max(roots, axis=-1), jnp.min(roots, axis=-1)):
    apart = jnp.abs(shade.reshape(shade.shape[0], -1, 1) - centres[None, None]) * (_BINS - 1)
    parts.append(4.0 * jnp.mean(jnp.maximum(1.0 - apart, 0.0), axis=1))
  return jnp.concatenate(parts, axis=-1)


class FrameCode(nn.Module):
  """Statistics of the picture and what a few convolutions see in it, as one vector.

  Attributes:
    features: length of the vector.
    widths: channels of the convolutions; each halves the picture.
  """

  features: int = 64
  widths: tuple[int, ...] = (16, 24, 32, 48)
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, context: Float[Array, "n s s 3"]) -> Float[Array, "n features"]:
    """Of dark sRGB pictures in [0, 1]."""
    conv = partial(Conv, kernel_size=(3, 3), strides=2, dtype=self.dtype)
    x = jnp.concatenate([context, jnp.sqrt(context + 1e-4)], axis=-1).astype(self.dtype)
    for index, width in enumerate(self.widths):
      x = leaky_relu(conv(width, kernel_init=nn.initializers.he_normal(), name=f"look_{index}")(x))
    seen = [statistics(context), jnp.mean(x, axis=(1, 2)), jnp.max(x, axis=(1, 2))]
    x = jnp.concatenate([part.astype(jnp.float32) for part in seen], axis=-1)
    x = leaky_relu(nn.Dense(self.features, name="gather")(x))
    return nn.Dense(self.features, name="code")(x)


def follow(
  codes: Float[Array, "b t k"], past: Float[Array, "b k"] | None, rate: float
) -> tuple[Float[Array, "b t k"], Float[Array, "b k"]]:
  """Codes that move towards each frame's own by `rate`, and the last; the first frame sets them."""
  if past is None and codes.shape[1] == 1:
    return codes, jnp.squeeze(codes, 1)

  def step(before: Array, now: Array) -> tuple[Array, Array]:
    code = before + rate * (now - before)
    return code, code

  start = lax.index_in_dim(codes, 0, 1, keepdims=False) if past is None else past
  last, smooth = lax.scan(
    step, start, jnp.swapaxes(codes, 0, 1), unroll=turns_at_once(codes.shape[1])
  )
  return jnp.swapaxes(smooth, 0, 1), last
