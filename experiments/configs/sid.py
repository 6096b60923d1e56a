"""SID: a U-Net from packed raw photographs, exposed by a known ratio, to sRGB.

Chen et al., "Learning to See in the Dark", CVPR 2018 (arXiv 1805.01934): PSNR 28.88 and SSIM 0.787
on Sony, 26.61 and 0.680 on Fuji (from memory of the paper's table; protocol `sid_sony`). The files
could not be had here: not reproduced.

  tfds build tfds_builders/sid --config=sony
  python -m experiments.train --config=experiments/configs/sid.py:sony --workdir=/tmp/sid
  ... --config=experiments/configs/sid.py:smoke      # a minute on a CPU, mostly compiling

Ours, and otherwise in `published`: every short exposure is an example (a scene is one, of which
each epoch takes a random exposure); light below the black level is kept (cut off at 0); flips that
leave the mosaic's colours in place (blind ones); the weights are a moving average (none). Left out:
the program counts its 4000 epochs from 0 to 4000.

  tfds build tfds_builders/sid --config=sony_scenes       # what `published` trains on

Variants, joined by commas:
  sony fuji              Bayer (default) or X-Trans mosaics; dark_clips has no X-Trans ones
  published              the paper and its program, see above
  released               the same with every short exposure an example
  smoid                  as System C retrained it on its own video: equalised clips of SMOID, crops
                         of 128, 60 epochs, blind flips (there never left-right, by a slip)
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


def _released(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.update(keep_negatives=False, blind=True)
  config.eval.protocol = "sid_sony"


def _published(config: ConfigDict) -> None:
  _released(config)
  config.data.config = "sony_scenes"
  config.test_data.update(name="sid", config="sony")


def _smoid(config: ConfigDict) -> None:
  if config.data.name == "dark_clips":
    return  # the small sizes have one data set for all
  base.follow_source(config)
  config.data.update(name="smoid", config="he2he", crop=128, frames=16, blind=True)
  config.test_data.name = ""
  config.eval.update(protocol="plain", every=46 * 125)
  config.train.steps = 60 * 46 * 125  # the 3-D U-Net's windows; its frames are images here


def _fuji(config: ConfigDict) -> None:
  if config.data.name == "dark_clips":
    raise ValueError("fuji needs the data set sid: dark_clips holds no X-Trans mosaics")
  fuji_scenes = config.data.config == "sony_scenes"
  config.data.config = "fuji_scenes" if fuji_scenes else "fuji"
  config.test_data.config = "fuji" if fuji_scenes else ""
  config.eval.protocol = "plain"
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
  "published": _published,
  "released": _released,
  "smoid": _smoid,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "sid")
