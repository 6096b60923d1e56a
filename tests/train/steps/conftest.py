"""What tests of several steps ask for."""

from typing import Any

import numpy as np
import pytest

from llve_jax.io.weights import VGG16_WIDTHS


@pytest.fixture(scope="module")
def narrow() -> dict[str, Any]:
  """A VGG-16 of an eighth of the channels with random weights."""
  rng = np.random.default_rng(0)
  weights = {}
  for name, (before, after) in VGG16_WIDTHS.items():
    shape = (3, 3, before if before == 3 else before // 8, after // 8)
    kernel = rng.normal(size=shape) * np.sqrt(2 / (9 * shape[2]))
    weights[name] = {
      "kernel": kernel.astype(np.float32),
      "bias": np.zeros(shape[3], np.float32),
    }
  return {"vgg16": weights}
