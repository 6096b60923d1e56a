"""Other people's published networks: which of ours each is, and how its weights are read."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.io import bundle, keras_weights, torch_weights
from llve_jax.zoo import import_mbllen, import_sci, import_zero_dce
from llve_jax.zoo.trained import Trained


@dataclasses.dataclass(frozen=True)
class Importer:
  """One published program.

  Attributes:
    model: its name in `llve_jax.models.MODELS`.
    fields: the fields of the network it published.
    read: from a path to arrays by name.
    convert: from those arrays and the network to the network's variables.
    origin: where the weights are published.
    license: of the published weights.
  """

  model: str
  fields: dict[str, Any]
  read: Callable[[str | os.PathLike[str]], Any]
  convert: Callable[..., dict[str, Any]]
  origin: str
  license: str


IMPORTERS: dict[str, Importer] = {
  "mbllen": Importer(
    "mbllen",
    {},
    keras_weights.read_tensors,
    import_mbllen.convert,
    "github.com/Lvfeifan/MBLLEN",
    "Apache-2.0",
  ),
  "sci": Importer(
    "sci",
    {},
    torch_weights.read_tensors,
    import_sci.convert,
    "github.com/vis-opt-group/SCI",
    "MIT",
  ),
  "zero_dce": Importer(
    "zero_dce",
    {},
    torch_weights.read_tensors,
    import_zero_dce.convert,
    "github.com/Li-Chongyi/Zero-DCE",
    "CC BY-NC 4.0: not for commercial use",
  ),
}


def load(path: str | os.PathLike[str], name: str) -> Trained:
  """The published network `name` with the weights of a file in its program's own format.

  Raises:
    UserError: no such importer, an unreadable file, or weights of another architecture.
  """
  if name not in IMPORTERS:
    raise UserError(f"no importer is called {name!r}; known: {', '.join(sorted(IMPORTERS))}")
  importer = IMPORTERS[name]
  module = models.build(importer.model, **importer.fields)
  variables = importer.convert(importer.read(path), module, source=str(path))
  origin = {
    "imported": Path(path).name,
    "published": importer.origin,
    "license": importer.license,
  }
  variables = jax.tree.map(jnp.asarray, variables)
  return Trained(importer.model, dict(importer.fields), module, variables, origin)


def save(network: Trained, path: str | os.PathLike[str]) -> None:
  """Writes it as the file that `llve_jax.zoo.trained.load` reads.

  Raises:
    UserError: `path` does not end in .safetensors.
  """
  if Path(path).suffix != ".safetensors":
    raise UserError(f"{path}: weights are written as .safetensors; choose such a name")
  bundle.save(path, bundle.Bundle(network.name, network.kwargs, network.variables, network.origin))
