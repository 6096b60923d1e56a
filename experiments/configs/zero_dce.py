"""Zero-DCE: learns a tone curve for every pixel from dark pictures alone.

Guo et al., CVPR 2020 (arXiv 2001.06826). Its training pictures could not be had here: not
reproduced; its published weights load with `python -m llve_jax.zoo.import_weights`.

  tfds build tfds_builders/paired_images --config=folders --manual_dir=DIR  # targets: to score
  python -m experiments.train --config=experiments/configs/zero_dce.py --workdir=/tmp/zero_dce
  ... --config=experiments/configs/zero_dce.py:smoke      # a minute on a CPU, mostly compiling

Ours, and otherwise in `published`: crops of 256 pixels (whole pictures, resized to 512x512);
decoupled decay (`published`: Adam's own, which adds it to the gradient); the weights are a moving
average (none). `released` further has the losses as the program computes them, not its equations.

Variants, joined by commas:
  published released     the paper, or its program, see above
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("zero_dce", "paired_images", "zero_dce")
  config.data.batch = 8
  config.data.crop = 256
  config.data.augment = "none"
  config.phases.all.loss = ConfigDict({"zero_dce": 1.0})
  config.optimizer.weight_decay = 1e-4
  config.optimizer.clip_norm = 0.1
  config.train.steps = 200 * 2002 // 8
  return config


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.update(resize=(512, 512), crop=512)
  config.optimizer.coupled_decay = True


def _released(config: ConfigDict) -> None:
  _published(config)
  config.phases.all.loss = ConfigDict({"zero_dce_released": 1.0})


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  config.model.kwargs.features = 16


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.model.kwargs.update(features=4, iterations=2)


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "released": _released,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "zero_dce")
