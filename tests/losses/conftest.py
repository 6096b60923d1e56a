"""VGG networks for tests: narrow ones with random weights, and the real first blocks."""

import os
from pathlib import Path

import numpy as np
import pytest

from llve_jax.io.vgg19 import VGG19_WIDTHS, load_vgg19
from llve_jax.io.weights import VGG16_WIDTHS


def network(widths, divisor=8):
  rng = np.random.default_rng(len(widths))
  weights = {}
  for name, (before, after) in widths.items():
    shape = (3, 3, before if before == 3 else before // divisor, after // divisor)
    kernel = rng.normal(size=shape) * np.sqrt(2 / (9 * shape[2]))  # keeps the scale of the maps
    bias = rng.normal(size=shape[3]) * 0.1
    weights[name] = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
  return weights


@pytest.fixture(scope="session")
def narrow():
  """{"vgg16": ..., "vgg19": ...}, as an objective's `frozen`."""
  vgg19 = network(VGG19_WIDTHS)
  vgg19["input"] = {  # as Keras's weights have it
    "scale": np.full(3, 255, np.float32),
    "offset": -np.array((123.68, 116.779, 103.939), np.float32),
  }
  return {"vgg16": network(VGG16_WIDTHS), "vgg19": vgg19}


@pytest.fixture(scope="session")
def keras_blocks():
  """Path of the first three blocks of Keras's VGG-19."""
  folder = os.environ.get("LLVE_TEST_DATA")
  if folder is None:
    pytest.skip("LLVE_TEST_DATA is not set: no weights of VGG-19")
  return Path(folder) / "weights" / "vgg19_block1to3_keras.npz"


@pytest.fixture(scope="session")
def vgg19_blocks(keras_blocks):
  return load_vgg19(keras_blocks)
