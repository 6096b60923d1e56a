"""SCI: learns an illumination to divide by, from dark pictures alone.

Ma et al., CVPR 2022 (arXiv 2204.10137). Its training pictures could not be had here: not
reproduced; its published weights load with `python -m llve_jax.zoo.import_weights`.

  tfds build tfds_builders/paired_images --config=folders --manual_dir=DIR  # targets: to score
  python -m experiments.train --config=experiments/configs/sci.py --workdir=/tmp/sci
  ... --config=experiments/configs/sci.py:smoke      # a minute on a CPU, mostly compiling

Variants, joined by commas:
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("sci", "paired_images", "sci", stages=3)
  config.data.batch = 1
  config.data.crop = 256
  config.data.augment = "none"
  config.phases.all.loss = ConfigDict({"sci": 1.0})
  config.optimizer.rate = 3e-4
  config.optimizer.weight_decay = 3e-4
  config.optimizer.clip_norm = 5.0
  config.train.steps = 100_000
  return config


VARIANTS: dict[str, base.Change] = {
  "quick": base.quick,
  "smoke": base.smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "sci")
