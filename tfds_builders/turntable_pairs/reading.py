"""Reads a registered crop: dark image, bright image and where they can be compared."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from tfds_builders.base import generate
from tfds_builders.base.readers import check_sizes
from tfds_builders.base.scan import Clip
from tfds_builders.base.schema import encoded


def read(clip: Clip) -> Iterator[generate.Example]:
  """Yields the one example of a crop.

  Raises:
    UserError: a file cannot be read, sizes differ, or the mask is not grey.
  """
  facts = dict(clip.facts)
  paths = (clip.low[0], clip.high[0], facts.pop("mask"))
  low, high, mask = read_image(paths[0]), read_image(paths[1]), read_mask(paths[2])
  check_sizes(paths, [low, high, mask], low.shape[:2])
  yield {
    **{"low": encoded([low]), "high": encoded([high]), "mask": encoded([mask])},
    **{"clip": clip.name, "variant": 0, "start": 0},
    **facts,
  }


def read_mask(path: Path) -> UInt8[np.ndarray, "h w"]:
  """Reads a grey image as one plane.

  Raises:
    UserError: as `read_image`; or the image has colours.
  """
  image = read_image(path)
  if np.any(image != image[..., :1]):
    raise UserError(
      f"{path}: expected a grey mask, 255 where the bright image can be trusted, found colours; is "
      "this the right file?"
    )
  return image[..., 0]
