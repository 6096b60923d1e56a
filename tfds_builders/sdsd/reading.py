"""Reads the frames of SDSD: one array a file, blue first."""

from pathlib import Path

import numpy as np

from llve_jax.io.arrays import read_npy
from llve_jax.shapes import Frame8


def read_frame(path: Path) -> Frame8:
  """Reads a frame as R'G'B'.

  Raises:
    UserError: the file is damaged, or no uint8 [h, w, 3].
  """
  return np.asarray(read_npy(path, dtype=np.uint8, shape=(None, None, 3)))[..., ::-1]
