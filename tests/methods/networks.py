"""Networks for the tests of methods: functions with traits, which note what they are asked."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from llve_jax import models
from llve_jax.methods.compiled import Compiled
from llve_jax.methods.network import Network
from llve_jax.models.contract import Traits

POINT = Traits(stride=1, receptive_field=1)


@dataclasses.dataclass(frozen=True, eq=False)
class Function:
  """What of a module a `Compiled` needs."""

  traits: Traits
  apply: Callable[..., Any]


class Noted(Compiled):
  """Keeps the shape of the frames of each call, and whether it came without a memory."""

  def __init__(self, module: Any, **options: Any):
    super().__init__(module, **options)
    self.asked: list[tuple[tuple[int, ...], bool]] = []

  def __call__(self, variables: Any, frames: Any, carry: Any = None, *view: Any, **how: Any) -> Any:
    self.asked.append((frames.shape, carry is None))
    return super().__call__(variables, frames, carry, *view, **how)

  @property
  def shapes(self) -> list[tuple[int, ...]]:
    return [shape for shape, _ in self.asked]


def of_function(
  apply: Callable[..., Any], traits: Traits = POINT, **options: Any
) -> tuple[Network, Noted]:
  """A network without weights: from a clip, of one that streams with a carry, to a clip."""

  def call(variables: Any, clip: Any, carry: Any = None) -> dict[str, Any]:
    del variables
    if not traits.streaming:
      return {"clip": apply(clip)}
    out, carry = apply(clip, carry)
    return {"clip": out, "carry": carry}

  compiled = Noted(Function(traits, call))
  return Network("function", compiled, {}, **options), compiled


def of_model(name: str, fields: dict[str, Any], **options: Any) -> tuple[Network, Noted, Any]:
  """A network of the library with random weights, and its variables."""
  module = models.build(name, **fields)
  traits = module.traits
  side = max(traits.stride, traits.least_side)
  shape = (1, traits.least_frames, side, side, traits.channels)
  variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros(shape))
  compiled = Noted(module)
  return Network(name, compiled, variables, **options), compiled, variables


def noise(count: int, height: int, width: int) -> np.ndarray:
  shape = (count, height, width, 3)
  return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
