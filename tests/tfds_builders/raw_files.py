"""Raw files for the builders' tests: DNG inside, named as the data set names them."""

import os
from pathlib import Path

import numpy as np

from tests.dng import write_dng

LEVELS = {4: (512, 16383), 36: (1024, 16383)}  # by letters of the cell


def write_raw(path: Path, seed: int, *, shape=(24, 36), cfa="RGGB", seconds=0.1, light=0.1):
  """Writes a raw file of noise; returns its mosaic."""
  black, white = LEVELS[len(cfa)]
  rng = np.random.default_rng(seed)
  noise = rng.gamma(2, light / 2, shape)
  mosaic = (black + noise * (white - black)).clip(0, white).astype(np.uint16)
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_suffix(".dng")
  write_dng(
    temporary,
    mosaic,
    cfa=cfa,
    black=(black,) * len(cfa),
    white=white,
    exposure_time=seconds,
    iso=200,
    camera="Test Camera",
  )
  os.replace(temporary, path)
  return mosaic
