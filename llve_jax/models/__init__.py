"""Networks by the name their field knows, and the critics that train some of them."""

from typing import Any

import flax.linen as nn

from llve_jax.errors import UserError
from llve_jax.models.attention_unet import AttentionUNet
from llve_jax.models.cnn3d import CNN3D
from llve_jax.models.conv_lstm import ConvLSTM
from llve_jax.models.deblur_gan import DeblurGAN
from llve_jax.models.kpn import KPN
from llve_jax.models.mbllen import MBLLEN
from llve_jax.models.mbllven import MBLLVEN
from llve_jax.models.patch_classifier import PatchClassifier
from llve_jax.models.patch_gan import PatchGAN
from llve_jax.models.recurrent_unet import RecurrentUNet
from llve_jax.models.sci import SCI
from llve_jax.models.sid_unet import SidUNet
from llve_jax.models.smid_resunet import SmidResUNet
from llve_jax.models.smoid_discriminator import SmoidDiscriminator
from llve_jax.models.turntable_critic import TurntableCritic
from llve_jax.models.turntable_unet import TurntableUNet
from llve_jax.models.unet3d import UNet3D
from llve_jax.models.unpool_unet import UnpoolUNet
from llve_jax.models.zero_dce import ZeroDCE

MODELS: dict[str, type[nn.Module]] = {
  "attention_unet": AttentionUNet,
  "deblur_gan": DeblurGAN,
  "cnn3d": CNN3D,
  "conv_lstm": ConvLSTM,
  "kpn": KPN,
  "mbllen": MBLLEN,
  "mbllven": MBLLVEN,
  "recurrent_unet": RecurrentUNet,
  "sci": SCI,
  "sid_unet": SidUNet,
  "smid_resunet": SmidResUNet,
  "turntable_unet": TurntableUNet,
  "unpool_unet": UnpoolUNet,
  "unet3d": UNet3D,
  "zero_dce": ZeroDCE,
}

CRITICS: dict[str, type[nn.Module]] = {
  "smoid_discriminator": SmoidDiscriminator,
  "patch_classifier": PatchClassifier,
  "patch_gan": PatchGAN,
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
