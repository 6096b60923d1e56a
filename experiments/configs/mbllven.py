"""MBLLVEN: the video form of MBLLEN, 3-D branches on mosaics as the sensor laid them out.

Lv et al., BMVC 2018, rebuilt by System C for SMOID: PSNR 24.60 and SSIM 0.794 there, scored on
compressed video. SMOID could not be had here: not reproduced.

  tfds build tfds_builders/smoid
  python -m experiments.train --config=experiments/configs/mbllven.py --workdir=/tmp/mbllven
  ... --config=experiments/configs/mbllven.py:smoke      # two minutes on a CPU, mostly compiling

The perceptual term looks through VGG-19: name its weights (`--config.vgg19.file=FILE`).

Ours, and otherwise in `published`: windows of natural clips (equalised ones, dark and bright); the
dark region is that of the target (of the input); flips that leave the mosaic's colours in place
(blind ones); the weights are a moving average (none).

Variants, joined by commas:
  published              System C's program, see above
  l1                     L1 alone
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("mbllven", "smoid", "mbllven")
  config.data.batch = 1
  config.data.frames = 16
  config.data.crop = 112  # packed: planes of 224
  config.phases.all.loss = ConfigDict({"structure": 1.0, "vgg19_mbllven": 1e-6, "region": 1.0})
  config.optimizer.schedule = ConfigDict({"name": "exponential", "epochs": 60, "factor": 0.99})
  config.train.steps = 60 * 125 * 23  # every 8th start frame
  config.train.save_every = 2000
  config.eval = ConfigDict({"every": 2875, "batch": 1, "max_frames": 16, "protocol": "plain"})
  return config


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.update(config="he2he", blind=True)
  config.seed = 236
  loss = {"structure": 1.0, "vgg19_mbllven": 1e-6, "region_input": 1.0}
  config.phases.all.loss = ConfigDict(loss)


def _l1(config: ConfigDict) -> None:
  config.phases.all.loss = ConfigDict({"l1": 1.0})


def _quick(config: ConfigDict) -> None:
  config.data.frames = 8
  base.quick(config)
  config.data.batch = 1
  config.data.crop = 24
  config.model.kwargs.update(features=8, branches=2, encoder=(6, 8), decoder=(3,))
  _l1(config)


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.data.frames = 5
  config.data.crop = 16
  config.model.kwargs.update(features=5, branches=2, encoder=(4, 4), decoder=(3,))
  config.eval.max_frames = 6
  _l1(config)


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "l1": _l1,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "mbllven")
