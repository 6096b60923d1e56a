"""What may be set in a configuration though its file does not preset it.

That is whatever the code takes by keyword: fields of a network and of a critic, options of a step
and of a schedule, losses.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from experiments.run.assemble import STEPS, step_options
from llve_jax.losses import CARRIED_LOSSES, LOSSES, OUTPUT_LOSSES
from llve_jax.models import CRITICS, MODELS
from llve_jax.train.optim import SCHEDULES

ANYTHING = inspect.Parameter.empty  # a default that says nothing of the type

# Of an optimiser, beside what the file has.
_OPTIMIZER = {"weight_decay": 0.0, "clip_norm": 0.0, "coupled_decay": False}


def settings(config: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
  """Names that may be set at `path`, and their defaults; what is called otherwise has none.

  Args:
    config: nested; says which network, step, critics and schedule there are. One that is not known
      has nothing to set here; `assemble` refuses it by its name.
    path: such as ("model", "kwargs").
  """
  match path:
    case ("model", "kwargs"):
      # The type of the computation is `model.dtype`.
      fields = _fields(MODELS, config["model"]["name"])
      return {name: default for name, default in fields.items() if name != "dtype"}
    case ("critics", critic, "kwargs"):
      return _fields(CRITICS, config["critics"][critic]["name"])
    case ("critics", _):
      return dict(_OPTIMIZER)
    case ("step", "options"):
      name = config["step"]["name"]
      return _defaults(step_options(name)) if name in STEPS else {}
    case ("optimizer", "schedule"):
      return _schedule(SCHEDULES.get(config["optimizer"]["schedule"]["name"]))
    case ("phases", _, "loss"):
      return dict.fromkeys([*LOSSES, *OUTPUT_LOSSES, *CARRIED_LOSSES], 0.0)
  return {}


def _fields(registry: Mapping[str, Any], name: str) -> dict[str, Any]:
  if name not in registry:
    return {}
  return {
    field.name: ANYTHING if field.default is dataclasses.MISSING else field.default
    for field in dataclasses.fields(registry[name])
    if field.name not in ("parent", "name")
  }


def _schedule(make: Callable[..., Any] | None) -> dict[str, Any]:
  if make is None:
    return {}
  parameters = list(inspect.signature(make).parameters.values())[2:]  # after rate and steps
  return _defaults({parameter.name: parameter for parameter in parameters})


def _defaults(parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
  return {name: parameter.default for name, parameter in parameters.items()}
