"""An example whose pixels say where they lie."""

from typing import Any

import numpy as np

from llve_jax.io.images import encode_png


def numbered(height: int, width: int) -> dict[str, Any]:
  """A pair of frames whose pixels tell row and column."""
  y, x = np.indices((height, width))
  image = encode_png(np.stack([y, x, y], axis=-1).astype(np.uint8))
  return {"low": [image] * 3, "high": [image] * 3, "clip": b"wide", "variant": 0, "start": 0}
