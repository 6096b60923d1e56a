"""Tone curves that keep black black and white white, for a whole frame and bent in every place.

Frames are halved: the 2 x 2 pixels of a block are the 12 channels of one position. Curves are
those of sRGB values in [0, 1].
"""

import math

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.models.settle import box, colors, of_pixels

_CODE = 1.0 / 255.0
_TOE = 0.02  # where the power of the curve gives way to a straight line

Blocks = Float[Array, "n h w 12"]


@flax.struct.dataclass
class Curve:
  """How whole frames are developed.

  Attributes:
    exponent: p of `power`, of each colour.
    balance: g of `bend` by itself, of each colour.
    gain: g of `bend`, of all colours together.
    mixture: 3 x 3 matrices of colours (from, to); columns sum to 1, so that greys stay.
    settle: what `models.settle` is told.
    border: 1 where what is flat and black is to stay as it is, see `empty_fade`.
  """

  exponent: Float[Array, "n 3"]
  balance: Float[Array, "n 3"]
  gain: Float[Array, "n 1 1 1"]
  mixture: Float[Array, "n 3 3"]
  settle: Float[Array, "n 4"]
  border: Float[Array, "n 1 1 1"]

  def balanced(self, blocks: Blocks) -> Blocks:
    """Power and balance of each colour; what is left is how bright it all should be."""
    toned = self.power(blocks)
    return bend(toned, toned, jnp.tile(self.balance, 4)[:, None, None])

  def power(self, blocks: Blocks) -> Blocks:
    """x^p with a straight toe: ((x + e)^p - e^p) / ((1 + e)^p - e^p); a negative x counts as 0.

    Written in ((x + e) / (1 + e))^p: what is constant over a frame is computed for every pixel when
    the compiler fuses it, and an exponential costs a CPU a tenth of a power.
    """
    exponent = jnp.tile(self.exponent, 4)[:, None, None]
    low = jnp.exp(exponent * math.log(_TOE / (1.0 + _TOE)))
    scaled = (jnp.maximum(blocks, 0.0) + _TOE) * (1.0 / (1.0 + _TOE))
    return (jnp.exp(exponent * jnp.log(scaled)) - low) / (1.0 - low)

  def mix(self, blocks: Blocks) -> Blocks:
    """Every pixel's colours times the matrix."""
    whole = jnp.einsum("pq,nij->npiqj", jnp.eye(4, dtype=blocks.dtype), self.mixture)
    return jnp.einsum("nhwi,nij->nhwj", blocks, whole.reshape(-1, 12, 12))


class Develop(nn.Module):
  """From what is known of a frame to its curve; before anything is learnt, `guess` and no more."""

  @nn.compact
  def __call__(
    self, code: Float[Array, "n k"], guess: Float[Array, "n 1"], border: Float[Array, "n 1"]
  ) -> Curve:
    """Args: code: of the frame. guess: log gain to start from. border: whether it has bars."""
    small = nn.initializers.normal(0.02)
    parts = nn.Dense(17, kernel_init=small, name="curve")(code)
    exponent, balance, gain, others, settle = jnp.split(parts, (3, 6, 7, 13), axis=-1)
    # log g between -1.25 and 4.75, nearly straight in between.
    gain = jnp.exp(1.75 + 3.0 * jnp.tanh((guess + gain - 1.75) / 3.0))[:, None, None]
    exponent = jnp.exp(0.7 * jnp.tanh(exponent))
    balance = jnp.exp(1.2 * jnp.tanh(balance))
    # Around the diagonal, which is 0, written without a scatter: other runtimes have none.
    first, second = jnp.split(0.5 * jnp.tanh(others), 2, axis=-1)
    none = jnp.zeros_like(first[..., :1])
    taken = jnp.concatenate([none, first, none, second, none], axis=-1).reshape(-1, 3, 3)
    eye = jnp.eye(3, dtype=others.dtype)[None]
    mixture = eye + taken - eye * jnp.sum(taken, axis=1, keepdims=True)
    return Curve(exponent, balance, gain, mixture, 2.0 * jnp.tanh(settle), border[:, None, None])


def bend(blocks: Blocks, value: Blocks, gain: Float[Array, "n h w k"]) -> Blocks:
  """x g / (1 + (g - 1) v): slope g at black.

  With v = x, a curve through 0 and 1 for any g > 0. With v the pixel's brightest colour (`value`)
  that colour follows the curve and the others keep their ratio to it: as under more light, what is
  red stays red, where a curve of each colour would turn it pink.
  """
  return blocks * gain / (1.0 + (gain - 1.0) * value)


def value(blocks: Blocks) -> Blocks:
  """The brightest colour of every pixel, in the place of each."""
  shape = blocks.shape
  brightest = of_pixels(blocks)[..., None]
  return jnp.broadcast_to(brightest, (*shape[:-1], 4, 3)).reshape(shape)


def local_gain(maps: Float[Array, "n h w 1"]) -> Float[Array, "n h w 1"]:
  """Gain of each block, between 1/7.4 and 7.4."""
  return jnp.exp(2.0 * jnp.tanh(0.5 * maps))


def empty_fade(blocks: Blocks) -> Float[Array, "n h w 1"]:
  """0 where a neighbourhood is black and flat, as bars and borders are; 1 for most blocks.

  Of the mean brightness and of how far pixels are from their block's colour, in 8-bit codes:
  mean + 3 apart from 1 to 2.5. A film's black may be (0, 0, 2), its mean is 2/3; the noise of a
  sensor is apart by 1/2 or more.
  """
  apart = jnp.abs(blocks - jnp.tile(colors(blocks), 4))
  seen = box(jnp.mean(blocks + 3.0 * apart, axis=-1, keepdims=True))
  return jnp.clip((seen / _CODE - 1.0) / 1.5, 0.0, 1.0)
