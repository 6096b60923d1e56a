"""Networks with their weights, from a training folder or a weights file."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.io import bundle
from llve_jax.io.run_folder import BEST
from llve_jax.models.contract import Traits
from llve_jax.zoo import shipped


@dataclasses.dataclass(frozen=True)
class Trained:
  """A network and its weights; `llve_jax.methods.network.of` makes it a method.

  Attributes:
    name: key of `MODELS`.
    kwargs: the fields it is built with.
    module: the network.
    variables: its weights.
    origin: where they come from.
  """

  name: str
  kwargs: dict[str, Any]
  module: nn.Module
  variables: dict[str, Any]
  origin: dict[str, Any]

  @property
  def traits(self) -> Traits:
    """How the network may be run."""
    return self.module.traits


def load(path: str | os.PathLike[str]) -> Trained:
  """The best network of a training folder, of one weights file, or one that is shipped.

  Args:
    path: the `--workdir` of a training run, a `.safetensors` file from one, or the name of a
      shipped network (`zoo.shipped`).

  Raises:
    UserError: nothing there, or its weights do not fit the network it names.
  """
  path = shipped.checked(str(path)) if shipped.is_name(path) else Path(path)
  names = ", ".join(shipped.SHIPPED)
  if not path.exists():
    raise UserError(
      f"{path}: no such file or folder, and no shipped network is called so (those are {names}); "
      "expected one of them, a weights file, or the --workdir of `python -m experiments.train`"
    )
  file = path / BEST if path.is_dir() or path.suffix != ".safetensors" else path
  if not file.is_file():
    raise UserError(
      f"{path}: holds no trained network ({file.name} is missing); expected the --workdir of "
      "`python -m experiments.train` after its first evaluation, or one of the shipped networks "
      f"{names}"
    )
  read = bundle.load(file)
  module = models.build(read.name, **read.kwargs)
  traits: Traits = module.traits
  side = max(traits.stride, traits.least_side)
  shape = (1, traits.least_frames, side, side, traits.channels)
  expected = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(shape)))
  bundle.check_matches(read.variables, expected, file)
  variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), read.variables)
  return Trained(read.name, read.kwargs, module, variables, read.origin)
