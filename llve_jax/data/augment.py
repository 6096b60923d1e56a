"""System A's augmentations, on a pair of clips [t, h, w, c] (numpy, no batch axis).

Geometry and colour act on both clips alike, so that the pair still fits; noise acts on the input
only. Every function draws from the `numpy.random.Generator` it is given.
"""

from typing import NotRequired, TypedDict

import grain
import numpy as np
from jaxtyping import Float, Shaped

from llve_jax.errors import UserError

AnyClip = Shaped[np.ndarray, "t h w c"]
FloatClip = Float[np.ndarray, "t h w c"]


class Pair(TypedDict):
  """A dark clip and its bright counterpart, float32 in [0, 1]; mask, 1 where it can be trusted."""

  low: FloatClip
  high: FloatClip
  mask: NotRequired[FloatClip]


def crop(
  low: AnyClip, high: AnyClip, rng: np.random.Generator, size: int
) -> tuple[AnyClip, AnyClip]:
  """Cuts the same square of `size` pixels, anywhere inside, from every frame of both clips.

  Raises:
    UserError: the frames are smaller than the square.
  """
  height, width = low.shape[1:3]
  if size > min(height, width):
    raise UserError(
      f"crop={size} is larger than a frame of {width}x{height} pixels (width x height); "
      f"take a crop of at most {min(height, width)}"
    )
  top = rng.integers(height - size + 1)
  left = rng.integers(width - size + 1)
  window = (slice(None), slice(top, top + size), slice(left, left + size))
  return low[window], high[window]


def flip(low: AnyClip, high: AnyClip, rng: np.random.Generator) -> tuple[AnyClip, AnyClip]:
  """Mirrors both clips left-right, and upside down, each with probability 1/2."""
  for axis in (1, 2):
    if rng.integers(2):
      low, high = np.flip(low, axis), np.flip(high, axis)
  return low, high


def rotate(low: AnyClip, high: AnyClip, rng: np.random.Generator) -> tuple[AnyClip, AnyClip]:
  """Turns both clips by the same random multiple of 90 degrees.

  Raises:
    UserError: the frames are not square, so that clips of one batch would differ in shape.
  """
  if low.shape[1] != low.shape[2]:
    raise UserError(f"rotation needs square frames, found {low.shape[1:3]}; crop them first")
  turns = int(rng.integers(4))
  return np.rot90(low, turns, axes=(1, 2)), np.rot90(high, turns, axes=(1, 2))


def permute_channels(
  low: AnyClip, high: AnyClip, rng: np.random.Generator
) -> tuple[AnyClip, AnyClip]:
  """Shuffles the colour channels of both clips in the same way."""
  order = rng.permutation(low.shape[-1])
  return low[..., order], high[..., order]


def add_noise(low: FloatClip, rng: np.random.Generator, *, spread: float = 2 / 255) -> FloatClip:
  """Adds Gaussian noise of standard deviation |s|, s ~ N(0, spread), and clips to [0, 1]."""
  deviation = np.float32(abs(rng.normal(0, spread)))
  noise = rng.standard_normal(low.shape, np.float32)
  return np.clip(low + deviation * noise, 0, 1, dtype=np.float32)


class Augment(grain.transforms.RandomMap):
  """All of them as one step of a pipeline: flip, rotate, permute the channels, add noise."""

  def random_map(self, element: Pair, rng: np.random.Generator) -> Pair:
    """Maps a pair of float32 clips with square frames to another one of the same shape."""
    low, high = element["low"], element["high"]
    masks = [element["mask"]] if "mask" in element else []
    target = np.concatenate([high, *masks], axis=-1)  # a mask lies as its target does
    low, target = flip(low, target, rng)
    low, target = rotate(low, target, rng)
    colors = high.shape[-1]
    low, high = permute_channels(low, target[..., :colors], rng)
    pair: Pair = {"low": add_noise(low, rng), "high": np.ascontiguousarray(high)}
    if masks:
      pair["mask"] = np.ascontiguousarray(target[..., colors:])
    return pair
