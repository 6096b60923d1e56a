"""ResNet-18 features fused over scales, then a convolutional LSTM, on raw video (SMID).

System B. The report gives PSNR 18.42 and SSIM 0.593 on SMID's static test clips (5th frame, frames
resized to an unknown size; 3-D CNN 17.18 / 0.615; SMID's own network 28.26 / 0.815). SMID could not
be had here: not reproduced. Figures on `dark_clips/raw` come from `experiments.sweep
--table=temporal --size=cpu`, a few minutes a row.

  tfds build tfds_builders/smid --config=static
  python -m experiments.train --config=experiments/configs/clstm.py --workdir=/tmp/clstm
  ... --config=experiments/configs/clstm.py:smoke      # a minute on a CPU, mostly compiling

Variants, joined by commas:
  report released        the network of the report (default), or that of the code it published,
                         trained from scratch; its ImageNet encoder is not frozen here
  srgb                   for 8-bit pictures instead of raw light
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


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


def _released(config: ConfigDict) -> None:
  config.model.kwargs.form = "released"
  config.data.frames = 3


def _srgb(config: ConfigDict) -> None:
  config.model.kwargs.input_kind = "srgb"


def _quick(config: ConfigDict) -> None:
  config.data.frames = 8
  base.quick(config)
  config.data.augment = "turn"
  config.model.kwargs.update(width=16, blocks=(1, 1, 1))
  config.train.stop_after = 0


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.data.frames = 3
  config.model.kwargs.update(width=8, blocks=(1, 1))
  config.train.stop_after = 0


VARIANTS: dict[str, base.Change] = {
  "report": lambda config: config.model.kwargs.update(form="report"),
  "released": _released,
  "srgb": _srgb,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "clstm")
