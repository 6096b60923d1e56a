"""The part of dark_clips that films with a raw camera: its dark clips are Bayer mosaics."""

from typing import Any

import numpy as np
from jaxtyping import UInt16

from llve_jax.ops import degrade_raw
from llve_jax.ops.degrade import Degradation
from llve_jax.shapes import Frames8

CFA = "RGGB"
BLACK = 512
WHITE = 16383  # 14 bits


def even(frames: Frames8) -> Frames8:
  """Cuts off the last row or column of an odd size: mosaics consist of cells of 2x2 pixels."""
  height, width = frames.shape[1:3]
  return frames[:, : height - height % 2, : width - width % 2]


def film(
  high: Frames8, degradation: Degradation, rng: np.random.Generator
) -> UInt16[np.ndarray, "t h w 1"]:
  """The mosaics of a bright clip of even size under `degradation`."""
  mosaics = degrade_raw.apply_raw(high, degradation, rng, cfa=CFA, black=BLACK, white=WHITE)
  return mosaics[..., None]


def facts(degradation: Degradation, frames: int) -> dict[str, Any]:
  """What an example of `frames` frames says of its mosaics: `base.schema.RAW_FEATURES`.

  The camera does not exist: sensitivity and exposure time are 0, for unknown.
  """
  return {
    "cfa": CFA,
    "black": np.full(len(CFA), BLACK, np.float32),
    "white": float(WHITE),
    "ratio": np.full(frames, 1 / degradation.exposure, np.float32),
    "camera": "simulated",
    "iso": 0.0,
    "exposure_time": 0.0,
  }
