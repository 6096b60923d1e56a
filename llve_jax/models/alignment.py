"""A memory of features: what was at a place before is fetched from where it has moved from."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Align(nn.Module):
  """Fetches from the past, for every position, what looks like it within a window.

  Attributes:
    reach: positions to each side that are looked at.
    keys: channels that are compared.
  """

  reach: int
  keys: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, now: Float[Array, "n h w c"], past: Float[Array, "n h w c"]
  ) -> Float[Array, "n h w c"]:
    """Weighted mean of the past's neighbours; beyond the border there is nothing to fetch."""
    query = nn.Dense(self.keys, use_bias=False, dtype=self.dtype, name="query")(now)
    key = nn.Dense(self.keys, use_bias=False, dtype=self.dtype, name="key")(past)
    scale = 1.0 / self.keys**0.5
    scores = jnp.stack(
      [jnp.sum(query * moved, axis=-1).astype(jnp.float32) for moved in _around(key, self.reach)],
      -1,
    )
    inside = jnp.ones((1, *past.shape[1:3], 1), jnp.float32)
    allowed = jnp.concatenate(_around(inside, self.reach), -1) > 0
    # The same place is the first guess: features that differ little do not wander.
    count = scores.shape[-1]
    here = jnp.asarray([2.0 if place == count // 2 else 0.0 for place in range(count)], jnp.float32)
    weights = jax.nn.softmax(
      jnp.where(allowed, scores * scale + lax.broadcast_to_rank(here, 4), -1e9), axis=-1
    )
    each = jnp.split(weights.astype(self.dtype), count, axis=-1)
    parts = [weight * moved for weight, moved in zip(each, _around(past, self.reach), strict=True)]
    return sum(parts[1:], start=parts[0])


class Fuse(nn.Module):
  """Blends features with their memory.

  Attributes:
    reach: window of the alignment.
  """

  reach: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, past: Float[Array, "n h w c"], now: Float[Array, "n h w c"]
  ) -> tuple[Float[Array, "n h w c"], Float[Array, "n h w c"]]:
    """Returns the blend twice: as the next memory and as the output (the form of `nn.scan`)."""
    channels = now.shape[-1]
    past = Align(self.reach, max(1, channels // 4), dtype=self.dtype, name="align")(now, past)
    gate = nn.Dense(
      channels, dtype=self.dtype, kernel_init=nn.initializers.he_normal(), name="gate"
    )
    trust = jax.nn.sigmoid(gate(jnp.concatenate([now, past, jnp.abs(now - past)], axis=-1)))
    blend = now + trust * (past - now)
    return blend, blend


def _around(x: Float[Array, "n h w c"], reach: int) -> list[Float[Array, "n h w c"]]:
  """What lies up to `reach` away from every position, row by row; zero beyond the border."""
  count, height, width, channels = x.shape
  beyond = jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
  return [
    lax.slice(beyond, (0, top, left, 0), (count, top + height, left + width, channels))
    for top in range(2 * reach + 1)
    for left in range(2 * reach + 1)
  ]
