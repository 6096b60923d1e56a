"""KPN: every pixel of a burst filtered by kernels of its own, then averaged. Denoises only.

Mildenhall et al., "Burst Denoising with Kernel Prediction Networks", CVPR 2018 (arXiv 1712.02327).
System B quotes PSNR 18.81 and SSIM 0.540 on SMID, the burst rendered by a raw converter. SMID could
not be had here: not reproduced. The network brightens nothing: its input must be exposed already,
as raw light times its ratio is.

  tfds build tfds_builders/smid --config=static
  python -m experiments.train --config=experiments/configs/kpn.py --workdir=/tmp/kpn
  ... --config=experiments/configs/kpn.py:smoke      # a minute on a CPU, mostly compiling

Ours, and otherwise in `published`: pairs of SMID (bursts made of bright pictures: shifted by 2 and
now and then 16 pixels, linear by a gamma of 2.2, with noise from 10^-3 to 10^-1.5 in the dark; the
losses compare what has been encoded again); the weights are a moving average (none). Ours in both:
every frame of a burst has a target, not the first one alone; the network is told a noise of the
middle of that range, not each burst's.

  tfds build tfds_builders/bright_media --manual_dir=DIR      # what `published` trains on

Variants, joined by commas:
  published              the training of both forms, see above
  pytorch google         the two published forms
  srgb                   for 8-bit pictures
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("kpn", "smid", "kpn", form="pytorch", input_kind="raw_rgb")
  config.data.batch = 16
  config.data.frames = 8
  config.data.crop = 128
  config.phases.all.loss = ConfigDict({"l2": 1.0, "edge": 1.0, "kpn_burst": 1.0})
  config.optimizer.rate = 2e-4
  config.train.steps = 500_000
  config.train.save_every = 5000
  config.eval.every = 10_000
  return config


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.update(name="bright_media", bursts=True, augment="none")
  config.test_data.update(name="smid", config="static")
  config.model.kwargs.render = True
  config.eval.protocol = "frame5"


def _google(config: ConfigDict) -> None:
  config.model.kwargs.update(form="google", color=False)
  if config.data.name != "dark_clips":
    config.model.kwargs.widths = (64, 128, 256)
    config.data.batch = 4
  config.optimizer.rate *= 0.5


def _quick(config: ConfigDict) -> None:
  config.data.frames = 4
  base.quick(config)
  config.data.batch = 2
  config.model.kwargs.update(widths=(8, 16, 24), burst=3, kernel=3)


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.data.frames = 3
  config.data.crop = 24
  config.model.kwargs.update(widths=(4, 6, 8), burst=3, kernel=3)


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "pytorch": lambda config: config.model.kwargs.update(form="pytorch"),
  "google": _google,
  "srgb": lambda config: config.model.kwargs.update(input_kind="srgb"),
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "kpn")
