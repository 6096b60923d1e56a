"""Tone curves that keep black black and white white, for a whole frame and bent in every place.

Frames are halved: the 2 x 2 pixels of a block are the 12 channels of one position. Curves are
those of sRGB values in [0, 1].
"""

import math

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.models.settle import box, colors, of_pixels

_CODE = 1.0 / 255.0
_TOE = 0.02  # where the power of the curve gives way to a straight line
_LEVEL = 0.44  # mean of a picture that the exposure aims at before anything is learnt
_LEVELS = 0.35  # how far a frame may be from that, in its logit: means from 0.36 to 0.53
_GAINS = (-1.25, 4.75)  # least and largest log g
_CORE = 4.0 * _CODE  # distance from grey, root of the sum over the colours, that is halved
_STEPS = 4  # of Newton's method, and one that is differentiated
_FLATTEST = 0.2  # slope of the mean, both in logits, below which Newton's steps are held back

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


@flax.struct.dataclass
class Exposure:
  """How bright a frame is to be.

  Attributes:
    wanted: logit of the mean that it is brought to.
    share: how much of the logarithm of the gain for that it gets; 0: it stays as bright as it is.
  """

  wanted: Float[Array, "n 1"]
  share: Float[Array, "n 1"]


class Develop(nn.Module):
  """From what is known of a frame to its curve, but for the gain, which follows from a picture."""

  @nn.compact
  def __call__(self, code: Float[Array, "n k"]) -> tuple[Curve, Exposure]:
    """The curve with a gain of 1 and no border, and what the gain is to be."""
    small = nn.initializers.normal(0.02)
    parts = nn.Dense(17, kernel_init=small, name="curve")(code)
    exponent, balance, level, others, settle = jnp.split(parts, (3, 6, 7, 13), axis=-1)
    kept = nn.Dense(1, kernel_init=small, name="kept")(code)
    exponent = jnp.exp(0.7 * jnp.tanh(exponent))
    balance = jnp.exp(1.2 * jnp.tanh(balance))
    # Around the diagonal, which is 0, written without a scatter: other runtimes have none.
    first, second = jnp.split(0.5 * jnp.tanh(others), 2, axis=-1)
    none = jnp.zeros_like(first[..., :1])
    taken = jnp.concatenate([none, first, none, second, none], axis=-1).reshape(-1, 3, 3)
    eye = jnp.eye(3, dtype=others.dtype)[None]
    mixture = eye + taken - eye * jnp.sum(taken, axis=1, keepdims=True)
    gain = jnp.ones_like(kept)[:, None, None]
    curve = Curve(exponent, balance, gain, mixture, 2.0 * jnp.tanh(settle), jnp.zeros_like(gain))
    return curve, Exposure(
      math.log(_LEVEL / (1.0 - _LEVEL)) + _LEVELS * jnp.tanh(level), jax.nn.sigmoid(3.0 - kept)
    )


def log_gain(curve: Curve, exposure: Exposure, blocks: Blocks) -> Float[Array, "n 1"]:
  """log g of `bend` that takes the mean of a small picture to what is wanted, times a share of it.

  By Newton's method, in logits of the mean, which rise nearly straight with log g. Only the last
  step is differentiated: at the solution its slope is that of the solution.
  """
  balanced = curve.balanced(blocks)
  brightest = value(balanced)

  def step(log: Array, balanced: Array, brightest: Array, wanted: Array) -> Array:
    gain = jnp.exp(log)[:, None, None]
    bent = bend(balanced, brightest, gain)
    mean = jnp.clip(_average(bent), 1e-4, 1.0 - 1e-4)
    rise = bent * (1.0 - brightest) / (1.0 + (gain - 1.0) * brightest)
    slope = _average(rise) / (mean * (1.0 - mean))
    error = wanted - jnp.log(mean / (1.0 - mean))
    return jnp.clip(log + error / jnp.maximum(lax.stop_gradient(slope), _FLATTEST), *_GAINS)

  fixed = [lax.stop_gradient(x) for x in (balanced, brightest, exposure.wanted)]
  log = jnp.zeros_like(exposure.wanted)
  for _ in range(_STEPS):
    log = step(log, *fixed)
  return exposure.share * step(log, balanced, brightest, exposure.wanted)


def _average(blocks: Blocks) -> Float[Array, "n 1"]:
  """The mean of each picture, by rows: one sum of 12,288 values loses 4 digits in some runtimes."""
  return jnp.mean(jnp.mean(jnp.mean(blocks, axis=-1), axis=-1), axis=-1)[:, None]


def cored(blocks: Blocks) -> Blocks:
  """Colours that are no farther from grey than codecs and sensors put them there become greyer.

  The distance d from grey, of a neighbourhood's mean, shrinks to d^3 / (d^2 + `_CORE`^2): a sky of
  (11, 8, 12) that is brightened five times would be violet. The mean of a pixel's colours stays.
  """
  mean = box(colors(blocks))
  apart = jnp.sum(jnp.square(mean - jnp.mean(mean, axis=-1, keepdims=True)), axis=-1, keepdims=True)
  share = apart / (apart + _CORE**2)
  pixels = blocks.reshape(*blocks.shape[:-1], 4, 3)
  grey = jnp.broadcast_to(jnp.mean(pixels, axis=-1, keepdims=True), pixels.shape)
  grey = grey.reshape(blocks.shape)
  return grey + share * (blocks - grey)


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
