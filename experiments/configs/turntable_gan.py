"""U-Net with ResNeXt blocks and bilinear decoder, WGAN-GP critic, VGG-16 loss, CoBi fine-tuning.

System A. The report gives PSNR 23.56 and SSIM 0.679 on its own turntable pairs, split by crop,
which leaks scenes; its data was never published, so that figure cannot be reproduced. On
`dark_clips` nothing is published: the README holds what we measured.

  tfds build tfds_builders/dark_clips
  python -m experiments.train --config=experiments/configs/turntable_gan.py --workdir=/tmp/turntable
  ... --config=experiments/configs/turntable_gan.py:plain,wgan --config.train.steps=10
  ... --config=experiments/configs/turntable_gan.py:smoke   # a minute or two, mostly compiling
  ... --config=experiments/configs/turntable_gan.py:quick   # five minutes on two CPU cores

Variants, joined by commas; each table of the report is made of them:
  plain resnext bilinear both              form of the generator (default: both)
  no_critic wgan wgan_gp                   adversarial term (default: wgan_gp)
  no_finetune finetune cobi                second phase: none, without and with CoBi (default: cobi)
  quick smoke                              small networks and few steps
"""

from collections.abc import Callable

from ml_collections import ConfigDict

# One epoch of the report is about 818 crops; it trains 30 + 20 of them.
STEPS_PER_EPOCH = 818 // 4


def _base() -> ConfigDict:
  return ConfigDict(
    {
      "name": "turntable_gan",
      "seed": 0,
      "data": {
        "name": "dark_clips",
        "config": "holdout_carphone",
        "dir": "",  # where `tfds build` put it; empty: TFDS's own default
        "batch": 4,  # clips, over all devices
        "frames": 1,
        "crop": 160,  # the report: 512, of 1920x1080; dark_clips has at most 180 rows
        "augment": True,
      },
      "model": {"name": "turntable_unet", "kwargs": {"resnext": True, "bilinear": True}},
      "critic": {
        "name": "turntable_critic",
        "kwargs": {"norm": "layer"},  # the report: "batch", see X5 in the critic's docstring
        "kind": "wgan_gp",
        "weight": 1e-4,
        "updates": 5,
        "penalty_weight": 10.0,
        "weight_bound": 0.01,
        "beta1": 0.5,
        "beta2": 0.9,
      },
      # Each phase lasts until that fraction of the run; weights are those of Eq 2.8.
      "phases": {
        "gan": {"until": 0.6, "loss": {"l1": 1.0, "vgg16": 1.0, "tv": 0.1}},
        "finetune": {
          "until": 1.0,
          "loss": {"l1": 1.0, "vgg16": 1.0, "tv": 0.1, "cobi_vgg16": 1.0},
        },
      },
      "optimizer": {
        "rate": 2e-4,
        # After epochs 10, 20, 25 of the first 30, and after 10 of the last 20.
        "halve_at": (0.2, 0.4, 0.5, 0.8),
        "beta1": 0.9,
        "beta2": 0.999,
        "weight_decay": 1e-5,
        "clip_norm": 0.0,  # 0: gradients are not clipped
      },
      "train": {
        "steps": 50 * STEPS_PER_EPOCH,
        "average_decay": 0.999,
        "log_every": 20,
        "save_every": 500,
        "keep": 2,
      },
      "eval": {"every": 1000, "batch": 8, "max_frames": 0, "protocol": "plain"},  # 0: all frames
    }
  )


def _form(resnext: bool, bilinear: bool) -> Callable[[ConfigDict], None]:
  def change(config: ConfigDict) -> None:
    config.model.kwargs.resnext = resnext
    config.model.kwargs.bilinear = bilinear

  return change


def _no_critic(config: ConfigDict) -> None:
  config.critic.name = ""


def _critic(kind: str) -> Callable[[ConfigDict], None]:
  def change(config: ConfigDict) -> None:
    config.critic.kind = kind

  return change


def _no_finetune(config: ConfigDict) -> None:
  config.train.steps = round(0.6 * config.train.steps)
  config.optimizer.halve_at = (1 / 3, 2 / 3, 5 / 6)
  config.phases.gan.until = 1.0
  del config.phases.finetune


def _finetune(config: ConfigDict) -> None:
  config.phases.finetune.loss.cobi_vgg16 = 0.0


def _keep(config: ConfigDict) -> None:
  del config


def _quick(config: ConfigDict) -> None:
  config.data.batch = 8
  config.data.crop = 64
  config.model.kwargs.widths = (16, 24, 32, 48)
  config.model.kwargs.bottleneck = 64
  config.model.kwargs.cardinality = 8
  config.critic.kwargs.widths = (8, 16, 32, 32)
  config.critic.updates = 2
  # A few hundred steps are too few for what perceptual losses add; here the pixels lead.
  config.phases.gan.until = 0.8
  for phase in config.phases.values():
    phase.loss.vgg16 = 1e-3
    phase.loss.tv = 0.01
  config.phases.finetune.loss.cobi_vgg16 = 0.01
  config.optimizer.rate = 4e-3
  config.optimizer.halve_at = (0.5, 0.7, 0.85)
  config.train.steps = 320
  config.train.average_decay = 0.95
  config.train.save_every = 160
  config.eval.every = 160
  config.eval.max_frames = 10


def _smoke(config: ConfigDict) -> None:
  config.data.batch = 2
  config.data.crop = 32
  config.model.kwargs.widths = (4, 8)
  config.model.kwargs.bottleneck = 8
  config.model.kwargs.cardinality = 2
  config.critic.kwargs.widths = (4, 8)
  config.critic.updates = 2
  config.train.steps = 10
  config.train.log_every = 2
  config.train.save_every = 5
  config.eval.every = 5
  config.eval.max_frames = 2


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {
  "plain": _form(resnext=False, bilinear=False),
  "resnext": _form(resnext=True, bilinear=False),
  "bilinear": _form(resnext=False, bilinear=True),
  "both": _form(resnext=True, bilinear=True),
  "no_critic": _no_critic,
  "wgan": _critic("wgan"),
  "wgan_gp": _critic("wgan_gp"),
  "no_finetune": _no_finetune,
  "finetune": _finetune,
  "cobi": _keep,
  "quick": _quick,
  "smoke": _smoke,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants, sizes (`quick`, `smoke`) first."""
  names = [name for name in variants.split(",") if name]
  if unknown := [name for name in names if name not in VARIANTS]:
    raise ValueError(
      f"turntable_gan has no variant {', '.join(unknown)}; known: {', '.join(VARIANTS)}"
    )
  config = _base()
  for name in sorted(names, key=lambda name: name not in ("quick", "smoke")):
    VARIANTS[name](config)
  return config
