"""A pair of pictures as a pair of clips, so that one batch can hold pictures and films.

A recurrent network would learn from one picture shown over and over that looking again shows
nothing new. Real noise cannot be had a second time, so some is added that is new in each frame;
what the picture has of its own stays, as a sensor's fixed pattern does. Most windows drift.
"""

import numpy as np

from llve_jax.data.augment import Window2d
from llve_jax.data.frames import Frames
from llve_jax.ops import camera
from llve_jax.ops.color import LINEAR_OF_CODE
from llve_jax.ops.ranges import log_uniform
from llve_jax.shapes import Frame8, Frames8

_STILL = 0.3  # share of clips that do not drift
_FASTEST = 2.0  # pixels per frame
_SHOT_NOISE = (1e-5, 3e-4)  # as a good to middling camera has it in little light


def drift(
  window: Window2d, shape: tuple[int, int], frames: int, rng: np.random.Generator
) -> list[Window2d]:
  """Windows of one size that move by whole pixels, inside frames of (height, width) `shape`."""
  speeds = rng.uniform(-_FASTEST, _FASTEST, 2) * (rng.random() >= _STILL)
  path = []
  for index in range(frames):
    places = []
    for side, length, speed in zip(window, shape, speeds, strict=True):
      size = side.stop - side.start
      start = int(np.clip(side.start + round(speed * index), 0, length - size))
      places.append(slice(start, start + size))
    path.append((places[0], places[1]))
  return path


def as_clip(picture: Frame8 | Frames, path: list[Window2d]) -> Frames:
  """What windows that move over a picture [h, w, c] show."""
  return np.stack([picture[inside] for inside in path])


def add_fresh_noise(low: Frames8, rng: np.random.Generator) -> Frames8:
  """Adds what a camera's sensor adds in little light, new in every frame."""
  sensor = camera.draw_camera(
    rng,
    noise=1.0,
    shot_noise=log_uniform(rng, "shot_noise", _SHOT_NOISE),
    most_noise=1.0,
    fixed_noise=0.0,
    mosaic=0.0,  # the picture has been through one
    black=0.0,
    denoise=0.0,
    sharpen=0.0,
  )
  return np.stack([camera.take(LINEAR_OF_CODE[frame], sensor, rng) for frame in low])
