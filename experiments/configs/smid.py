"""SMID: a per-frame residual U-Net trained on two frames of one still scene at a time.

Chen et al., "Seeing Motion in the Dark", ICCV 2019. System B's report quotes PSNR 28.26 and SSIM
0.815 for it (5th frame), and 38.31 dB between neighbouring output frames of still clips. SMID could
not be had here: not reproduced. With its 85 M parameters two frames of 918x1374 need 32 GB.

  tfds build tfds_builders/smid --config=static
  python -m experiments.train --config=experiments/configs/smid.py --workdir=/tmp/smid
  ... --config=experiments/configs/smid.py:smoke      # a minute on a CPU, mostly compiling

It needs still scenes: with `--config.data.name=dark_clips` those of `dark_clips/raw_static`; it is
scored on the moving ones of `dark_clips/raw`. The published loss looks through VGG-19 up to
conv4_2: name its weights (`--config.vgg19.file=FILE`).

Ours, and otherwise in `published`: crops of 896 pixels, mirrored and transposed (whole frames of
918x1374, mirrored; the authors transpose whole batches, too); validation by all frames (the fifth,
as in the test); the weights are a moving average (none).

Variants, joined by commas:
  published              the paper and its program, see above
  siamese single         two frames and their agreement (default), or one frame at a time
  srgb                   for 8-bit pictures instead of raw light
  l1                     L1 instead of VGG-19 and pixels
  whole                  whole frames, as published, each on four accelerators; recomputes in the
                         backward pass. 917x1374: "flip" moves a mosaic by a row
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("smid", "smid", "smid_resunet")
  config.data.config = "static"
  config.data.batch = 1
  config.data.frames = 2
  config.data.crop = 896
  config.data.augment = "flip"
  config.step = ConfigDict({"name": "siamese", "options": {"weight": 0.05}})
  config.phases.all.loss = ConfigDict({"vgg19_smid": 1.0})
  config.optimizer.schedule = ConfigDict({"name": "drops", "at": (0.5,), "factor": 0.1})
  config.train.steps = 1000 * 129
  config.train.save_every = 2000
  config.eval.every = 50 * 129
  return config


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.update(crop=918, crop_width=1374)
  config.eval.protocol = "frame5"


def _single(config: ConfigDict) -> None:
  config.step = ConfigDict({"name": "supervised", "options": {}})
  config.data.frames = 1


def _l1(config: ConfigDict) -> None:
  config.phases.all.loss = ConfigDict({"l1": 1.0})


def _whole(config: ConfigDict) -> None:
  config.data.crop = 917
  config.data.crop_width = 1374
  config.mesh.rows = 4
  config.model.kwargs.remat = True


def _srgb(config: ConfigDict) -> None:
  config.model.kwargs.input_kind = "srgb"


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  config.model.kwargs.update(widths=(8, 16, 32), blocks=2)
  _l1(config)


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.model.kwargs.update(widths=(4, 6, 8), blocks=1)
  _l1(config)


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "siamese": lambda config: None,
  "single": _single,
  "srgb": _srgb,
  "l1": _l1,
  "whole": _whole,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "smid")
