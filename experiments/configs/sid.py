"""SID: a U-Net from packed raw photographs, exposed by a known ratio, to sRGB.

Chen et al., "Learning to See in the Dark", CVPR 2018 (arXiv 1805.01934): PSNR 28.88 and SSIM 0.787
on Sony, 26.61 and 0.680 on Fuji (from memory of the paper's table; protocol `sid_sony`). The files
could not be had here: not reproduced.

  tfds build tfds_builders/sid --config=sony
  python -m experiments.train --config=experiments/configs/sid.py:sony --workdir=/tmp/sid
  ... --config=experiments/configs/sid.py:smoke      # a minute on a CPU, mostly compiling

Variants, joined by commas:
  sony fuji              Bayer (default) or X-Trans mosaics; dark_clips has no X-Trans ones
  released               light below the black level cut off at 0, packed mosaics flipped
                         blindly
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("sid", "sid", "sid_unet", input_kind="bayer")
  config.data.config = "sony"
  config.data.batch = 1
  config.data.crop = 512
  config.data.augment = "flip"
  config.optimizer.schedule = ConfigDict({"name": "drops", "at": (0.5,), "factor": 0.1})
  config.train.steps = 4000 * 161
  config.train.save_every = 5000
  config.eval.every = 100 * 161
  return config


def _fuji(config: ConfigDict) -> None:
  if config.data.name == "dark_clips":
    raise ValueError("fuji needs the data set sid: dark_clips holds no X-Trans mosaics")
  config.data.config = "fuji"
  config.model.kwargs.input_kind = "xtrans"
  config.train.steps = config.train.steps * 135 // 161


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  config.data.crop = 32  # packed: targets of 64
  config.model.kwargs.widths = (8, 16, 32)


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.model.kwargs.widths = (4, 6, 8)


VARIANTS: dict[str, base.Change] = {
  "sony": lambda config: None,
  "fuji": _fuji,
  "released": lambda config: config.data.update(keep_negatives=False, blind=True),
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "sid")
