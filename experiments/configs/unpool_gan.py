"""Max-unpooling U-Net with a patch discriminator on patches of photographs, made for phones.

System D. Its slides have no table: about 50 ms a picture on a phone, target 33 ms. SID's files
could not be had here: nothing is reproduced.

  tfds build tfds_builders/sid --config=srgb_darkest
  python -m experiments.train --config=experiments/configs/unpool_gan.py --workdir=/tmp/unpool
  ... --config=experiments/configs/unpool_gan.py:smoke      # a minute on a CPU, mostly compiling

Ours, and otherwise in `published`: the weights are a moving average (none). The slides give the
form of both networks, patches of 100 pixels at a stride of 50 and the two steps; widths, weights of
the losses, optimiser, flips, batch and length are ours in both.

Variants, joined by commas:
  published              the slides' numbers, see above
  gan no_critic          L1 and cross-entropy of a discriminator (default), or L1 alone
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("unpool_gan", "sid", "unpool_unet")
  config.data.config = "srgb_darkest"
  config.data.batch = 32
  config.data.crop = 100
  config.data.augment = "flip"
  config.optimizer.rate = 2e-4
  config.optimizer.beta1 = 0.5
  config.step = ConfigDict(
    {
      "name": "paired_gan",
      "options": {"kind": "bce", "adversarial_weight": 0.01, "critic_updates": 1},
    }
  )
  config.critics.critic = base.critic("patch_classifier", rate=2e-4)
  config.train.steps = 100_000
  return config


def _no_critic(config: ConfigDict) -> None:
  config.step = ConfigDict({"name": "supervised", "options": {}})
  config.critics = ConfigDict()


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  config.data.batch = 13
  config.data.crop = 100
  config.model.kwargs.update(widths=(12, 24), bottleneck=48)
  config.critics.critic.kwargs.update(widths=(8, 16), hidden=32)
  config.critics.critic.rate = 4e-4


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.model.kwargs.update(widths=(4, 8), bottleneck=8)
  config.critics.critic.kwargs.update(widths=(4, 4), hidden=8)


VARIANTS: dict[str, base.Change] = {
  "published": base.follow_source,
  "gan": lambda config: None,
  "no_critic": _no_critic,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "unpool_gan")
