"""Our recurrent U-Net: streams, aligns what it remembers, and is trained to be steady.

Nothing is published for it. On the held-out clip of `dark_clips` the README has what we measured
with `:small`, beside the per-frame generator of System A at equal cost.

  tfds build tfds_builders/dark_clips
  python -m experiments.train --config=experiments/configs/recurrent_unet.py --workdir=/tmp/memory
  ... --config=experiments/configs/recurrent_unet.py:small     # on two CPU cores
  ... --config=experiments/configs/recurrent_unet.py:smoke     # a minute on a CPU, mostly compiling

Variants, joined by commas:
  no_memory              as many frames, each a clip of its own: what the memory is worth
  no_steady              without the loss on differences between frames
  small                  fewer channels, on the embedded clips
  quick smoke pod        sizes
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("recurrent_unet", "sdsd", "recurrent_unet")
  config.data.batch = 8
  config.data.frames = 12
  config.data.crop = 128
  config.step = ConfigDict({"name": "temporal", "options": {"truncate": 6}})
  # `frame_difference` is steadiness: changes from frame to frame are those of the target.
  config.phases.all.loss = ConfigDict({"charbonnier": 1.0, "frame_difference": 4.0, "ssim": 0.1})
  config.optimizer.rate = 4e-4
  config.optimizer.schedule = ConfigDict({"name": "cosine"})
  config.optimizer.clip_norm = 1.0
  config.train.steps = 100_000
  config.train.save_every = 2000
  config.eval.every = 2000
  return config


def _no_memory(config: ConfigDict) -> None:
  config.data.batch *= config.data.frames
  config.data.frames = 1
  config.step.options.truncate = 1


def _no_steady(config: ConfigDict) -> None:
  config.phases.all.loss.frame_difference = 0.0


def _small(config: ConfigDict) -> None:
  config.data.frames = 8
  base.quick(config)
  config.step.options.truncate = 8
  config.model.kwargs.update(widths=(16, 32, 48), blocks=(1, 1, 1), reach=1)


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.data.frames = 4
  config.step.options.truncate = 2
  config.model.kwargs.update(widths=(4, 6), blocks=(0, 1), decoder_blocks=(0,), reach=1)


VARIANTS: dict[str, base.Change] = {
  "no_memory": _no_memory,
  "no_steady": _no_steady,
  "small": _small,
  "quick": _small,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "recurrent_unet")
