"""Networks whose variables are all far from their defaults, so that each one shows."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest


@pytest.fixture(scope="session")
def drawn() -> Callable[..., Any]:
  """`drawn(module, clip, spread=0.3, seed=0)`: variables of a module, drawn at random."""

  def draw(module: nn.Module, clip: np.ndarray, spread: float = 0.3, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)

    def leaf(path, shape):
      name = path[-1].key
      if name in ("scale", "var"):
        return random.uniform(0.5, 1.5, shape.shape).astype(np.float32)
      deviation = spread if name == "kernel" else 0.1
      return (deviation * random.normal(size=shape.shape)).astype(np.float32)

    shapes = jax.eval_shape(module.init, jax.random.key(0), clip)
    return jax.tree_util.tree_map_with_path(leaf, shapes)

  return draw
