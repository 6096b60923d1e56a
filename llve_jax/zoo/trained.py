"""Networks that this library trained, ready to use."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.models.contract import Traits
from llve_jax.zoo import shipped

BEST = "best.safetensors"


@dataclasses.dataclass(frozen=True)
class Enhancer:
  """A network with its weights; call it on clips."""

  name: str
  kwargs: dict[str, Any]
  module: nn.Module
  variables: dict[str, Any]
  origin: dict[str, Any]

  @property
  def traits(self) -> Traits:
    """How the network may be run."""
    return self.module.traits

  def apply(
    self, variables: dict[str, Any], clip: Float[Array, "b t h w c"]
  ) -> Float[Array, "b t h w c"]:
    """What a call computes, as a pure function of the weights."""
    result: Any = self.module.apply(variables, clip)
    return jnp.clip(result["clip"], 0.0, 1.0)

  @functools.cached_property
  def compiled(self) -> Callable[[dict[str, Any], Array], Array]:
    """`apply`, compiled once for each size."""
    return jax.jit(lambda variables, clip: self.apply(variables, clip))

  def stream(
    self, clip: Float[Array, "b t h w c"], carry: Any = None
  ) -> tuple[Float[Array, "b t h w c"], Any]:
    """Enhances the next frames of a video by a network that streams (`traits.streaming`).

    Args:
      clip: in [0, 1].
      carry: what the call before returned; None starts a video.

    Returns:
      The enhanced clip, clipped to [0, 1], and the carry for the frames that follow.
    """
    return self._stream_compiled(self.variables, clip, carry)

  @functools.cached_property
  def _stream_compiled(self) -> Callable[..., tuple[Array, Any]]:
    def step(variables: dict[str, Any], clip: Array, carry: Any) -> tuple[Array, Any]:
      result: Any = self.module.apply(variables, clip, carry=carry)
      return jnp.clip(result["clip"], 0.0, 1.0), result["carry"]

    return jax.jit(step)

  def __call__(self, clip: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
    """Enhances clips in [0, 1]; the result is clipped to [0, 1]."""
    return self.compiled(self.variables, clip)


def load(path: str | os.PathLike[str]) -> Enhancer:
  """The best network of a training folder, of one weights file, or one that is shipped.

  Args:
    path: the `--workdir` of a training run, a `.safetensors` file from one, or the name of a
      shipped network (`zoo.shipped`).

  Raises:
    UserError: nothing there, or its weights do not fit the network it names.
  """
  path = shipped.checked(str(path)) if shipped.is_name(path) else Path(path)
  file = path / BEST if path.is_dir() or path.suffix != ".safetensors" else path
  if not file.is_file():
    raise UserError(
      f"{path}: holds no trained network ({file.name} is missing); expected the --workdir of "
      "`python -m experiments.train` after its first evaluation, or one of the shipped networks "
      f"{', '.join(shipped.SHIPPED)}"
    )
  read = bundle.load(file)
  module = models.build(read.name, **read.kwargs)
  traits: Traits = module.traits
  side = max(traits.stride, traits.least_side)
  shape = (1, traits.least_frames, side, side, traits.channels)
  expected = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(shape)))
  bundle.check_matches(read.variables, expected, file)
  variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), read.variables)
  return Enhancer(read.name, read.kwargs, module, variables, read.origin)
