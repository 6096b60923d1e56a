"""Networks by the name their field knows, and the critics that train some of them."""

from typing import Any

import flax.linen as nn

from llve_jax.errors import UserError
from llve_jax.models.turntable_critic import TurntableCritic
from llve_jax.models.turntable_unet import TurntableUNet

MODELS: dict[str, type[nn.Module]] = {
  "turntable_unet": TurntableUNet,
}

CRITICS: dict[str, type[nn.Module]] = {
  "turntable_critic": TurntableCritic,
}


def _build(registry: dict[str, type[nn.Module]], kind: str, name: str, **kwargs: Any) -> nn.Module:
  if name not in registry:
    raise UserError(f"no {kind} is called {name!r}; known: {', '.join(sorted(registry))}")
  fields = registry[name].__dataclass_fields__.keys() - {"parent", "name"}
  if unknown := sorted(kwargs.keys() - fields):
    raise UserError(f"{name} takes no {', '.join(unknown)}; known: {', '.join(sorted(fields))}")
  return registry[name](**kwargs)


def build(name: str, **kwargs: Any) -> nn.Module:
  """The network called `name`: a module from clips to `{"clip": ...}`, with `traits`.

  Raises:
    UserError: no such network, or it has no such attribute; the message lists the known ones.
  """
  return _build(MODELS, "network", name, **kwargs)


def build_critic(name: str, **kwargs: Any) -> nn.Module:
  """The critic called `name`: a module from images [n, h, w, c] to score maps [n, hs, ws, 1]."""
  return _build(CRITICS, "critic", name, **kwargs)
