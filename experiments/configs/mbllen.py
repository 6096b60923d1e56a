"""MBLLEN: features of ten depths, each brightened by a branch of its own, then fused.

Lv et al., "MBLLEN: Low-light Image/Video Enhancement Using CNNs", BMVC 2018. System A's report
quotes PSNR 20.30 and SSIM 0.616 after 20 epochs of fine-tuning on its turntable pairs. The
published training pictures could not be had here: not reproduced; its published weights load with
`python -m llve_jax.zoo.import_weights`.

  tfds build tfds_builders/paired_images --config=folders --manual_dir=DIR
  python -m experiments.train --config=experiments/configs/mbllen.py --workdir=/tmp/mbllen
  ... --config=experiments/configs/mbllen.py:smoke      # a minute on a CPU, mostly compiling

The perceptual term looks through VGG-19: name its weights (`--config.vgg19.file=FILE`).

Ours, and otherwise in `published`: the weights are a moving average (none); the rate also halves
when PSNR gets no better (the loss). The report and its paper give no weights of the losses that we
could check; ours are 1.

Variants, joined by commas:
  published              the paper, as here, and see above
  released               losses as the program has them: mean absolute error, a third of VGG-19
                         seen through values from -1 to 1, SSIM of three colours, a region taken
                         from the result
  stretched              results stretched as the program writes them; training is the same
  turntable              20 epochs on turntable pairs, as System A's report fine-tuned it; begin
                         with its authors' weights: `--config.train.init_from=FILE`
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("mbllen", "paired_images", "mbllen")
  config.data.batch = 16
  config.data.crop = 256
  config.data.augment = "flip"
  # The MS-SSIM part needs sides of 176 pixels.
  config.phases.all.loss = ConfigDict({"structure": 1.0, "vgg19_mbllen": 1.0, "region": 1.0})
  config.optimizer.rate = 1e-3
  config.optimizer.schedule = ConfigDict({"name": "exponential", "epochs": 200, "factor": 0.99})
  config.train.steps = 200 * 200
  config.train.halve_after = 2
  config.eval.every = 200
  return config


def _released(config: ConfigDict) -> None:
  base.follow_source(config)
  loss = {"l1": 1.0, "vgg19_mbllen_released": 1 / 3, "ssim": 3.0, "region_mbllen_released": 1.0}
  config.phases.all.loss = ConfigDict(loss)


def _small_losses(config: ConfigDict) -> None:
  """Of small crops, and without VGG-19."""
  config.phases.all.loss = ConfigDict({"ssim": 1.0, "l1": 1.0, "region": 1.0})


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  config.model.kwargs.update(features=12, depth=4)
  config.train.halve_after = 0
  _small_losses(config)


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.model.kwargs.update(features=6, depth=2, width=4)
  config.train.halve_after = 0
  _small_losses(config)


def _turntable(config: ConfigDict) -> None:
  if config.data.name == "dark_clips":
    return  # the small sizes have one data set for all
  config.data.update(name="turntable_pairs", config="", crop=256, resize=())
  steps = 818 // config.data.batch
  config.train.steps = 20 * steps
  config.eval.every = steps


VARIANTS: dict[str, base.Change] = {
  "published": base.follow_source,
  "released": _released,
  "stretched": lambda config: config.model.kwargs.update(post="released"),
  "turntable": _turntable,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "mbllen")
