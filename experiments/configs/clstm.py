"""ResNet-18 features fused over scales, then a convolutional LSTM, on raw video (SMID).

System B, course project at NTU. The report gives PSNR 18.42 and SSIM 0.593 on SMID's static test
clips (5th frame, frames resized to an unknown size; 3-D CNN 17.18 / 0.615; SMID's own network 28.26
/ 0.815). SMID could not be had here: not reproduced. Figures on `dark_clips/raw` come from
`experiments.sweep --table=temporal --size=cpu`, a few minutes a row.

  tfds build tfds_builders/smid --config=static
  python -m experiments.train --config=experiments/configs/clstm.py --workdir=/tmp/clstm
  ... --config=experiments/configs/clstm.py:smoke      # a minute on a CPU, mostly compiling

Ours, and otherwise in `published`: crops of 448 pixels (whole frames, resized; the size is not
given, ours is 448x672); an encoder trained from scratch (ImageNet's, torchvision's
resnet18-f37072fd.pth, or another file: `--config.model.encoder_weights=FILE`); validation by all
frames (the fifth, as in the test); the weights are a moving average (none). A run stops when PSNR
gets no better three times, in the report the loss. Not given and ours in both: five frames, widths
of the cell, decay 0.01.

`released`, the code: three frames, whole frames of 918x1374, the published encoder frozen, decoder
and two usual cells at half the size, where its mean squared error is taken, seed 87. Left out: once
validation gets no better, the code divides the rate by a half of itself, which makes it 2; here it
is halved.

Variants, joined by commas:
  published released     the report, or the code its authors published, see above
  report                 the network of the report (default)
  code                   the network of the code alone
  srgb                   for 8-bit pictures instead of raw light
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base

ENCODER = "resnet18-f37072fd.pth"  # torchvision's


def _base() -> ConfigDict:
  config = base.base("clstm", "smid", "conv_lstm", form="report")
  config.data.batch = 2
  config.data.frames = 5
  config.data.crop = 448  # the size the report's card held is not given
  config.data.augment = "none"
  config.phases.all.loss = ConfigDict({"l2": 1.0})
  config.optimizer.weight_decay = 1e-2  # AdamW's default in PyTorch
  config.train.steps = 129 * 110 // 2  # every start frame of 129 clips once is one epoch
  config.train.steps *= 10  # at most: it stops when validation gets no better
  config.train.stop_after = 3
  config.eval.every = 129 * 110 // 2
  return config


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.resize = (448, 672)
  config.data.crop_width = 672
  config.model.encoder_weights = ENCODER
  config.eval.protocol = "frame5"


def _released(config: ConfigDict) -> None:
  _published(config)
  _code(config)
  config.seed = 87
  config.data.resize = ()
  config.data.update(crop=918, crop_width=1374)
  config.model.kwargs.freeze_encoder = True
  config.train.update(halve_after=1, stop_after=0)
  config.phases.all.loss = ConfigDict({"half_l2": 1.0})


def _code(config: ConfigDict) -> None:
  config.model.kwargs.form = "released"
  config.data.frames = 3


def _srgb(config: ConfigDict) -> None:
  config.model.kwargs.input_kind = "srgb"


def _quick(config: ConfigDict) -> None:
  config.data.frames = 8
  _embedded(config)
  base.quick(config)
  config.data.augment = "turn"
  config.model.kwargs.update(width=16, blocks=(1, 1, 1))
  config.train.stop_after = 0


def _embedded(config: ConfigDict) -> None:
  """A small encoder, of which there are no weights to freeze."""
  config.model.kwargs.freeze_encoder = False
  config.train.halve_after = 0


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  _embedded(config)
  config.data.frames = 3
  config.model.kwargs.update(width=8, blocks=(1,))
  config.train.stop_after = 0


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "released": _released,
  "report": lambda config: config.model.kwargs.update(form="report"),
  "code": _code,
  "srgb": _srgb,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "clstm")
