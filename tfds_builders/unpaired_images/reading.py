"""Reads an image that has no counterpart."""

from collections.abc import Iterator

from llve_jax.io.images import read_image
from tfds_builders.base import generate
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded


def read(clip: Clip) -> Iterator[generate.Example]:
  """Yields the one example of an image; the side that it is not on is empty.

  Raises:
    UserError: the file cannot be read.
  """
  yield {
    "low": encoded(map(read_image, clip.low)),
    "high": encoded(map(read_image, clip.high)),
    "clip": clip.name,
    "variant": 0,
    "start": 0,
    "fps": 0.0,
  }
