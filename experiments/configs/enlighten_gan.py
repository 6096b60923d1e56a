"""EnlightenGAN: brightens without pairs, by a global and a local discriminator.

System E; Jiang et al., "EnlightenGAN", IEEE TIP 2021 (arXiv 1906.06972). The paper reports NIQE
(3.39 on all its sets, from memory), System E a FID against the dark inputs, which says nothing of
brightness. Its training pictures could not be had here: not reproduced.

  tfds build tfds_builders/unpaired_images --manual_dir=DIR     # two folders, dark and bright
  python -m experiments.train --config=experiments/configs/enlighten_gan.py --workdir=/tmp/enlighten
  ... --config.test_data.name=paired_images --config.test_data.config=folders
  ... --config=experiments/configs/enlighten_gan.py:smoke      # a minute on a CPU, mostly compiling

Progress can only be scored on pairs, any: `test_data` names them (default: paired_images).

System E trained the released program, so what it published is `released`. Ours, and otherwise in
`published`, the paper: 6 patches, as the program (5); the weights are a moving average (none). Ours
in both: each side is mirrored by itself (both alike). `released`: 6 patches; VGG-16's input without
its mean taken off; every dark picture always with the same bright one; enlarging that does not
align corners, as System E's PyTorch (the weights of EnlightenGAN's authors want it aligned); frames
reflected on both sides, and those wider than 2200 pixels at half the size. An epoch is 1016
pictures, the larger side.

Variants, joined by commas:
  published released     the paper, or the program as System E ran it, see above
  rate1e2 rate1e3 rate1e5 rate1e6 batch8 batch16 tanh epochs300
                         System E's grid around `released`: rate (rate1e2: 1e-2), batch, an
                         option, length
  small                  less width, and a quarter of an hour on two busy CPU cores
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base

EPOCH = 1016  # bright pictures


def _base() -> ConfigDict:
  config = base.base("enlighten_gan", "unpaired_images", "attention_unet")
  config.data.train = "train_low"
  config.data.partner = "train_high"
  config.data.batch = 32  # below 8 the authors saw artefacts
  config.data.crop = 320
  config.data.augment = "flip"
  config.test_data.name = "paired_images"
  config.step = ConfigDict({"name": "unpaired_gan", "options": {"patches": 6, "patch_size": 32}})
  for name, layers in (("global", 5), ("local", 4)):
    config.critics[name] = base.critic("patch_gan", rate=1e-4, layers=layers)
  config.phases.all.loss = ConfigDict()
  config.optimizer.beta1 = 0.5
  config.optimizer.schedule = ConfigDict({"name": "linear_end", "start": 0.5})
  config.train.steps = 200 * EPOCH // 32
  config.eval.batch = 1
  return config


def _small(config: ConfigDict) -> None:
  config.data.batch = 8
  config.data.crop = 96
  config.model.kwargs.update(widths=(8, 16, 32, 64), bottleneck=96)
  for critic in config.critics.values():
    critic.kwargs.features = 12
    critic.rate = 1e-3
  # Crops of 96 pixels, not of 320.
  config.critics["global"].kwargs.layers = 4
  config.critics["local"].kwargs.layers = 3
  config.step.options.patches = 3
  config.optimizer.rate = 1e-3
  config.train.steps = 300
  config.train.average_decay = 0.98
  config.train.save_every = 100
  config.eval.every = 100


def _embedded(config: ConfigDict) -> None:
  """Dark clips of one segment, bright ones of another."""
  config.data.train = config.data.partner = "train"
  config.test_data.name = ""


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  _embedded(config)
  config.data.batch = 8
  config.data.crop = 96
  config.model.kwargs.update(widths=(8, 16, 32), bottleneck=48)
  for critic in config.critics.values():
    critic.kwargs.features = 8
    critic.rate = 4e-4
  config.critics["global"].kwargs.layers = 4
  config.critics["local"].kwargs.layers = 3
  config.optimizer.rate = 1e-3


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  _embedded(config)
  config.data.crop = 48
  config.model.kwargs.update(widths=(4, 6), bottleneck=8)
  config.step.options.update(patches=2, patch_size=24)
  for critic in config.critics.values():
    critic.kwargs.update(features=4, layers=2)


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.step.options.patches = 5


def _released(config: ConfigDict) -> None:
  base.follow_source(config)
  config.step.options.self_feature = "released"
  config.data.fixed_partner = True
  config.model.kwargs.update(align_corners=False, centred_padding=True)
  config.model.kwargs.update(half_resolution="released", half_above=2200)


def _rate(rate: float) -> base.Change:
  def change(config: ConfigDict) -> None:
    factor = rate / 1e-4
    for learner in (config.optimizer, *config.critics.values()):
      learner.rate *= factor

  return change


def _batch(size: int) -> base.Change:
  def change(config: ConfigDict) -> None:
    if config.data.name != "dark_clips":  # small sizes have a length of their own
      config.train.steps = config.train.steps * config.data.batch // size
    config.data.batch = size

  return change


def _epochs300(config: ConfigDict) -> None:
  config.train.steps = config.train.steps * 3 // 2


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "released": _released,
  "rate1e2": _rate(1e-2),
  "rate1e3": _rate(1e-3),
  "rate1e5": _rate(1e-5),
  "rate1e6": _rate(1e-6),
  "batch8": _batch(8),
  "batch16": _batch(16),
  "tanh": lambda config: config.model.kwargs.update(tanh=True),
  "epochs300": _epochs300,
  "small": _small,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "enlighten_gan")
