"""The shipped networks: `recurrent_unet` on bright pictures that are made dark anew at each visit.

EXPECT on the validation pictures of two sets of pairs, protocol `plain`: see `llve_jax/zoo/cards`.
On two CPU cores a step takes 0.1 to 0.25 s. One after the other:

  tfds build tfds_builders/bright_media --config=small --manual_dir=BRIGHT --data_dir=DATA
  tfds build tfds_builders/dark_clips --config=holdout_carphone --data_dir=DATA
  python -m experiments.train --config=experiments/configs/night.py --workdir=RUNS/first \
    --config.data.dir=DATA
  python -m experiments.train --config=experiments/configs/night.py:longer --workdir=RUNS/night \
    --config.data.dir=DATA --config.train.init_from=RUNS/first
  ... --config=experiments/configs/night.py:small --config.train.init_from=RUNS/night
  ... --config=experiments/configs/night.py:smoke    # a minute on a CPU, on the embedded clips

BRIGHT is any folder of bright photographs and films. Weights that are trained on it alone may be
shipped as far as its licences allow. `research` also takes two sets of pairs that are for research
only: build `paired_images --config=folders` from each, into a folder of its own, and name these
folders.

  ... --config=experiments/configs/night.py:research --config.train.init_from=RUNS/night \
    --config.data.mix.exposures.dir=PAIRS_1 --config.data.mix.indoor.dir=PAIRS_2

Variants, joined by commas:
  base            383,447 parameters (default), 5,000 steps
  longer          2,500 more at a lower rate; begin with the weights of the first time
  small           half of the blocks, 198,743 parameters, 1,000 steps; begin with those of any other
  research        also on pairs, half of the pictures, 2,500 steps; begin with weights of `longer`
  research_small  both
  clips           clips of eight frames, for steadiness; begin with weights of any of the others
  quick smoke pod sizes; the first two on the embedded clips, darkened as those are
"""

from ml_collections import ConfigDict

from experiments.configs import base


def _base() -> ConfigDict:
  config = base.base("night", "bright_media", "recurrent_unet")
  config.data.config = "small"
  config.data.batch = 8
  config.data.crop = 96
  config.data.least_view = 0.7
  # Bright clips get the level, and targets of scenes in shade the light, that people like: real
  # pairs have bright sides of nearly one mean. What is not dark gets one of 0.4 or more.
  # Colours that change places and boxes of any colour keep greys grey and signs as they are.
  config.data.darken.update(
    untouched=0.2,
    untouched_level=(0.4, 0.55),
    night=0.2,
    night_cast=0.0,
    lift=0.2,
    shade=0.25,
    cast=0.3,
    faded=0.25,
    exchanged=0.6,
    vivid=(0.0, 0.8),
    tone=0.8,
    tone_gamma=(1.1, 2.1),
    tone_exposure=(0.05, 0.8),
    retouched=0.9,
    level=(0.43, 0.52),
    contrast=(0.2, 1.0),
    graphics=0.3,
  )
  config.test_data.update(name="dark_clips", config="holdout_carphone", validation="validation")
  config.phases.all.loss = ConfigDict({"charbonnier": 1.0, "ssim": 0.2})
  config.optimizer.rate = 1e-3
  config.optimizer.beta2 = 0.99
  config.optimizer.schedule = ConfigDict({"name": "cosine"})
  config.optimizer.clip_norm = 1.0
  config.train.steps = 5000
  config.train.average_decay = 0.995
  config.train.log_every = 25
  config.train.save_every = 200
  config.eval.every = 1000
  config.eval.max_frames = 4
  return config


def _same(config: ConfigDict) -> None:
  del config


def _longer(config: ConfigDict) -> None:
  config.optimizer.rate = 6e-4
  config.train.steps = 2500
  config.eval.every = 500


def _small(config: ConfigDict) -> None:
  config.model.kwargs.update(blocks=(0, 1, 1), decoder_blocks=(0, 0))
  config.train.init_part = True
  config.optimizer.rate = 6e-4
  config.train.steps = 1000
  config.eval.every = 500


def _research(config: ConfigDict) -> None:
  config.optimizer.rate = 6e-4
  config.train.steps = min(config.train.steps, 2500)
  config.eval.every = 500
  config.data.pictures = True
  config.data.mix = ConfigDict(
    {
      "exposures": base.ingredient("paired_images", weight=0.5),
      "indoor": base.ingredient("paired_images", weight=0.5),
    }
  )


def _research_small(config: ConfigDict) -> None:
  _research(config)
  _small(config)


def _clips(config: ConfigDict) -> None:
  config.data.frames = 8
  config.data.batch = 2
  config.step = ConfigDict({"name": "temporal", "options": {"truncate": 8}})
  config.phases.all.loss.frame_difference = 4.0
  config.optimizer.rate = 2e-4
  config.train.steps = 300
  config.eval.every = 300
  config.train.average_decay = 0.98


def _smoke(config: ConfigDict) -> None:
  base.smoke(config)
  config.test_data.name = ""
  config.model.kwargs.update(widths=(4, 6), blocks=(0, 1), decoder_blocks=(0,), code=8)


def _quick(config: ConfigDict) -> None:
  base.quick(config)
  config.test_data.name = ""
  config.model.kwargs.update(widths=(16, 32, 48), blocks=(0, 1, 1), decoder_blocks=(0, 0))


VARIANTS: dict[str, base.Change] = {
  "base": _same,
  "longer": _longer,
  "small": _small,
  "research": _research,
  "research_small": _research_small,
  "clips": _clips,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "night")
