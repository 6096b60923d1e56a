"""What an export is tried on: noise in the dark, a night scene in 8 bits, frames of a video."""

import dataclasses

import numpy as np
from jaxtyping import Float, Shaped

from llve_jax.models.contract import Traits
from llve_jax.ops.frames import to_8_bit, to_unit
from llve_jax.shapes import Frames8

Size = tuple[int, int, int, int]

# Odd sides, sides below every stride, several clips, several frames. Each size compiles twice.
SIZES: tuple[Size, ...] = ((3, 2, 33, 47), (1, 1, 5, 3))
STREAMED: Size = (2, 50, 36, 52)


@dataclasses.dataclass(frozen=True)
class Probe:
  """One trial of an export.

  Attributes:
    way: how the frames go through it: "serving_default": clips [b, t, h, w, c]; "next": the first
      of such frames through `start`, the others one by one through `next`; "frames": uint8
      [t, h, w, 3] of one video; "encoded": uint8 [n, h, w, 3] of stills, as PNG; "planes": float32
      [1, c, h, w] (`llve_jax.export.planes`).
    given: float32, or uint8.
    what: noise, scene or video.
  """

  way: str
  given: Shaped[np.ndarray, "..."]
  what: str = "noise"

  def __str__(self) -> str:
    sizes = self.given.shape if self.way == "planes" else self.given.shape[:-1]
    return f"{self.way}, {self.what} of {' x '.join(map(str, sizes))}"


def open_sizes(traits: Traits, real: Frames8 | None, *, eight_bits: bool) -> list[Probe]:
  """Trials of an export that takes any size.

  Args:
    traits: of the network.
    real: frames of a video.
    eight_bits: whether the export has the ways "frames" and "encoded".
  """
  sizes = [at_least(traits, size) for size in SIZES]
  found = [Probe("serving_default", noise(size, traits, seed)) for seed, size in enumerate(sizes)]
  one = scene(at_least(traits, (1, 3, 45, 64)), traits)
  found.append(Probe("serving_default", one, "scene"))
  if traits.streaming:
    found.append(Probe("next", scene(at_least(traits, STREAMED), traits), "scene"))
  if eight_bits and traits.input_kind == "srgb":
    found.append(Probe("frames", to_8_bit(one[0]), "scene"))
    if traits.least_frames == 1:
      found.append(Probe("encoded", to_8_bit(one[0, :2]), "scene"))
  if real is not None:
    found.append(Probe("serving_default", to_unit(real)[None], "video"))
  return found


def streamed(traits: Traits, real: Frames8 | None) -> list[Probe]:
  """Trials of an export that takes frames of any size, one by one alone."""
  found = [
    Probe("next", scene(at_least(traits, STREAMED), traits), "scene"),
    Probe("next", noise(at_least(traits, (3, 2, 5, 3)), traits, 0)),
  ]
  if real is not None:
    found.append(Probe("next", to_unit(real)[None], "video"))
  return found


def fixed_size(traits: Traits, size: Size, real: Frames8 | None) -> list[Probe]:
  """Trials of an export that takes clips [b, t, h, w] of one size, or such frames in a row."""
  if traits.streaming:
    size = (size[0], 8, *size[2:])
  way = "next" if traits.streaming else "serving_default"
  found = [
    Probe(way, scene(size, traits), "scene"),
    Probe(way, noise(size, traits, 0)),
  ]
  if real is not None:
    found.insert(0, Probe(way, to_unit(real)[None, : size[1]], "video"))
  return found


def at_least(traits: Traits, size: Size) -> Size:
  """The size, or what the network needs."""
  batch, time, height, width = size
  side = traits.least_side
  return batch, max(time, traits.least_frames), max(height, side), max(width, side)


def noise(size: Size, traits: Traits, seed: int) -> Float[np.ndarray, "b t h w c"]:
  """Random dark clips, from black at the left to 1/8 of the range at the right.

  Dark, since that is what the networks are for: brighter ones drive them far beyond [0, 1], where
  clipping hides what they compute.
  """
  values = np.random.default_rng(seed).random((*size, traits.channels), dtype=np.float32)
  exposure = np.linspace(0, 1 / 8, size[3] + 1, dtype=np.float32)[1:]
  return _ranged(values * exposure[:, None], traits)


def scene(size: Size, traits: Traits) -> Float[np.ndarray, "b t h w c"]:
  """A lamp that moves before walls with edges and stripes, with the noise and steps of 8 bits."""
  batch, time, height, width = size
  y, x = (np.linspace(0, 1, side, dtype=np.float32) for side in (height, width))
  wall = (
    0.05 + 0.1 * y[:, None] * (1 - 0.5 * x) + 0.06 * (np.floor(12 * x) % 2) * (y[:, None] > 0.5)
  )
  color = np.asarray([1.2, 1.0, 0.7], np.float32)[np.arange(traits.channels) % 3]
  rng = np.random.default_rng(7)
  frames = np.empty((batch, time, height, width, traits.channels), np.float32)
  for clip in range(batch):
    for index in range(time):
      place = 0.2 + 0.6 * ((index + 7 * clip) % 20) / 20
      lamp = np.exp(-40 * ((x - place) ** 2 + (y[:, None] - 0.3) ** 2))
      light = (wall + 0.9 * lamp)[..., None] * color
      grain = rng.normal(size=light.shape).astype(np.float32) * np.sqrt(0.0004 + 0.002 * light)
      frames[clip, index] = light + grain
  return _ranged(to_unit(to_8_bit(frames)), traits)


def _ranged(values: np.ndarray, traits: Traits) -> np.ndarray:
  low, high = traits.value_range
  return (np.float32(low) + np.float32(high - low) * values).astype(np.float32)
