"""ResNet-18 features with decoder and multi-scale fusion, then a 3-D CNN, on raw video (SMID).

System B's second network. The report gives PSNR 17.18 and SSIM 0.615 on SMID's static test clips
(5th frame, resized; the size is not given). SMID could not be had here: not reproduced. Figures on
`dark_clips/raw` come from `experiments.sweep --table=temporal --size=cpu`, a few minutes a row.

  tfds build tfds_builders/smid --config=static
  python -m experiments.train --config=experiments/configs/conv3d_mff.py --workdir=/tmp/conv3d
  ... --config=experiments/configs/conv3d_mff.py:smoke      # a minute on a CPU, mostly compiling

Ours, and otherwise in `published`: crops of 448 pixels (whole frames, resized; the size is not
given, ours is 448x672); an encoder trained from scratch (ImageNet's, torchvision's
resnet18-f37072fd.pth, or another file: `--config.model.encoder_weights=FILE`); validation by all
frames (the fifth, as in the test); the weights are a moving average (none). A run stops when PSNR
gets no better three times, in the report the loss. Not given and ours in both: five frames, the 3-D
CNN's widths, decay 0.01. The code its authors published has no such network.

Variants, joined by commas:
  published              the report's numbers, see above
  srgb                   for 8-bit pictures instead of raw light
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base

ENCODER = "resnet18-f37072fd.pth"  # torchvision's


def _base() -> ConfigDict:
  config = base.base("conv3d_mff", "smid", "cnn3d")
  config.data.batch = 2
  config.data.frames = 5
  config.data.crop = 448  # the size the report's card held is not given
  config.data.augment = "none"
  config.optimizer.weight_decay = 1e-2  # AdamW's default in PyTorch
  config.train.steps = 10 * 129 * 110 // 2  # at most: it stops when validation gets no better
  config.train.stop_after = 3
  config.eval.every = 129 * 110 // 2
  return config


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.resize = (448, 672)
  config.data.crop_width = 672
  config.model.encoder_weights = ENCODER
  config.eval.protocol = "frame5"


def _quick(config: ConfigDict) -> None:
  config.data.frames = 8
  base.quick(config)
  config.data.augment = "turn"
  config.model.kwargs.update(width=16, blocks=(1, 1, 1), widths=(16, 16, 12))
  config.train.stop_after = 0


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.data.frames = 3
  config.model.kwargs.update(width=8, blocks=(1,), widths=(6, 4))
  config.train.stop_after = 0


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "srgb": lambda config: config.model.kwargs.update(input_kind="srgb"),
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "conv3d_mff")
