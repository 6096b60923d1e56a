"""DeblurGAN: nine residual blocks at a quarter of the size, WGAN-GP and a VGG-19 loss.

Kupyn et al., "DeblurGAN", CVPR 2018 (arXiv 1711.07064). System A's report quotes PSNR 23.03 and
SSIM 0.633 after 20 epochs of fine-tuning on its turntable pairs, which were never published: not
reproduced.

  tfds build tfds_builders/turntable_pairs
  python -m experiments.train --config=experiments/configs/deblurgan.py --workdir=/tmp/deblurgan
  ... --config=experiments/configs/deblurgan.py:smoke      # a minute on a CPU, mostly compiling

The perceptual term looks through VGG-19: name its weights (`--config.vgg19.file=FILE`).

Ours, and otherwise in `published`: crops of whole frames (frames resized to 640x360 first); flips
up-down and transposes (mirrored left-right alone); VGG-19 sees what it was trained on (values from
-1 to 1); the weights are a moving average (none).

Variants, joined by commas:
  published              the paper: WGAN-GP and two convolutions a block, as here, and see above
  released               the program as its authors left it: cross-entropy, one convolution a
                         block, dropout that stays on
  released_penalty       the gradient penalty as the program has it, colours of one pixel at a time
  turntable              20 epochs on turntable pairs, as System A's report fine-tuned it; begin
                         with its authors' weights: `--config.train.init_from=FILE`
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("deblurgan", "turntable_pairs", "deblur_gan")
  config.data.batch = 1
  config.data.crop = 256
  config.data.augment = "flip"
  config.step = ConfigDict(
    {
      "name": "paired_gan",
      "options": {"kind": "wgan_gp", "adversarial_weight": 1.0, "critic_updates": 5},
    }
  )
  config.critics.critic = base.critic("patch_gan", rate=1e-4, norm="instance", layers=3)
  config.phases.all.loss = ConfigDict({"vgg19_deblurgan": 100.0})
  config.optimizer.beta1 = 0.5
  config.optimizer.schedule = ConfigDict({"name": "linear_end", "start": 0.5})
  config.train.steps = 300 * 818
  config.train.save_every = 2000
  config.eval.every = 10 * 818
  return config


def _published(config: ConfigDict) -> None:
  base.follow_source(config)
  config.data.update(resize=(360, 640), augment="mirror")
  config.phases.all.loss = ConfigDict({"vgg19_deblurgan_released": 100.0})


def _released(config: ConfigDict) -> None:
  _published(config)
  config.model.kwargs.update(one_conv_blocks=True, drop_always=True)
  config.step.options.update(kind="bce", critic_updates=1)


def _released_penalty(config: ConfigDict) -> None:
  config.step.options.update(penalty_mixing="batch", penalty_norm="pixel")


def _pixels(config: ConfigDict) -> None:
  """A few hundred steps are too few for features alone, and VGG-19 does not ship."""
  config.phases.all.loss = ConfigDict({"l1": 1.0})
  config.step.options.adversarial_weight = 1e-3


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  config.model.kwargs.update(features=12, blocks=3)
  config.critics.critic.kwargs.features = 8
  config.critics.critic.rate = 2e-3
  config.step.options.critic_updates = min(2, config.step.options.critic_updates)
  _pixels(config)


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.model.kwargs.update(features=4, blocks=1)
  config.critics.critic.kwargs.update(features=4, layers=2)
  config.step.options.critic_updates = min(2, config.step.options.critic_updates)
  _pixels(config)


def _turntable(config: ConfigDict) -> None:
  if config.data.name == "dark_clips":
    return  # the small sizes have one data set for all
  config.data.update(name="turntable_pairs", config="", crop=256, resize=())
  steps = 818 // config.data.batch
  config.train.steps = 20 * steps
  config.eval.every = steps


VARIANTS: dict[str, base.Change] = {
  "published": _published,
  "released": _released,
  "released_penalty": _released_penalty,
  "turntable": _turntable,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "deblurgan")
