"""The weights that a run begins with, where they are not fresh."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.run.assemble import Run
from llve_jax.errors import UserError
from llve_jax.io import bundle, torch_weights
from llve_jax.io.run_folder import BEST
from llve_jax.models.resnet_encoder import ResNetEncoder
from llve_jax.zoo import import_resnet


def starting_variables(run: Run, fresh: dict[str, Any]) -> dict[str, Any] | None:
  """The variables that the configuration names: `train.init_from` or `model.encoder_weights`.

  Args:
    run: of the configuration.
    fresh: variables of the network to be trained.

  Returns:
    All of its variables; None where the configuration names nothing.

  Raises:
    UserError: what is named is not there, does not fit, or both are named.
  """
  run_or_file, encoder = run.config.train.init_from, run.config.model.encoder_weights
  if run_or_file and encoder:
    raise UserError(
      "train.init_from and model.encoder_weights both say what the encoder starts from; give one"
    )
  if run_or_file:
    return initial_weights(run_or_file, fresh, part=run.config.train.init_part)
  return pretrained_encoder(encoder, run.kwargs, fresh) if encoder else None


def pretrained_encoder(
  path: str, fields: Mapping[str, Any], fresh: dict[str, Any]
) -> dict[str, Any]:
  """Fresh variables of "conv_lstm" or "cnn3d" with the encoder of torchvision's or timm's file.

  Args:
    path: the file, .safetensors or what `torch.save` wrote; only tensors are read, nothing in it is
      run. Both libraries call the layers of ResNet-18 the same.
    fields: what the network is built with; its `width` and `blocks` are the encoder's.
    fresh: variables of the network.

  Raises:
    UserError: no such file, an encoder of another form, or a network without one.
  """
  if not Path(path).is_file():
    raise UserError(
      f"{path}: not found; model.encoder_weights names torchvision's file, such as "
      "resnet18-f37072fd.pth"
    )
  form = {name: fields[name] for name in ("width", "blocks") if name in fields}
  safe = Path(path).suffix == ".safetensors"
  tensors = bundle.read_tensors(path) if safe else torch_weights.read_tensors(path)
  weights = import_resnet.convert(tensors, ResNetEncoder(**form), source=path)
  return import_resnet.with_encoder(fresh, weights)


def initial_weights(
  path: str, expected: Mapping[str, Any], *, part: bool = False
) -> dict[str, Any]:
  """The variables that `train.init_from` names, such as a first phase's.

  Args:
    path: workdir of a run, or a file of weights.
    expected: variables of the network that is to start from them.
    part: take of a larger network what this one has too (`train.init_part`).

  Raises:
    UserError: there are none, or they are of another network.
  """
  file = Path(path)
  if not file.exists():
    raise UserError(
      f"{path}: not found; train.init_from names the workdir of a run that has been evaluated "
      "once, or a file of weights"
    )
  if file.is_dir():
    file = file / BEST
  flat, wanted = bundle.flatten(bundle.load(file).variables), bundle.flatten(dict(expected))
  if part:
    flat = {name: value for name, value in flat.items() if name in wanted}
  bundle.check_matches(bundle.unflatten(flat), expected, file)
  # Shipped weights have 16 bits.
  return bundle.unflatten(
    {name: np.asarray(value).astype(wanted[name].dtype) for name, value in flat.items()}
  )
