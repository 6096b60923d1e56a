"""The shipped networks: `recurrent_unet` on bright pictures that are made dark anew at each visit.

EXPECT on the validation pictures of two sets of pairs, protocol `plain`: see `llve_jax/zoo/cards`.
On two CPU cores a step takes 0.25 to 0.7 s. One after the other:

  tfds build tfds_builders/bright_media --config=small --manual_dir=BRIGHT --data_dir=DATA
  tfds build tfds_builders/dark_clips --config=holdout_carphone --data_dir=DATA
  python -m experiments.train --config=experiments/configs/night.py:base --workdir=RUNS/still \
    --config.data.dir=DATA
  python -m experiments.train --config=experiments/configs/night.py:base,longer \
    --config.data.dir=DATA --config.train.init_from=RUNS/still --workdir=RUNS/still2
  python -m experiments.train --config=experiments/configs/night.py:exposed \
    --config.data.dir=DATA --config.train.init_from=RUNS/still2 --workdir=RUNS/exposed
  ... --config=experiments/configs/night.py:exposed,small --config.train.init_from=RUNS/exposed \
    --config.train.steps=1000 --config.eval.every=500
  ... --config=experiments/configs/night.py:smoke    # a minute on a CPU, on the embedded clips

BRIGHT is any folder of bright photographs and films. Weights that are trained on it alone may be
shipped as far as its licences allow. `research` also takes two sets of pairs that are for research
only: build `paired_images` from each, into a folder of its own, and name these folders.

  ... --config=experiments/configs/night.py:base,research --config.train.init_from=RUNS/still2 \
    --config.data.mix.exposures.dir=PAIRS_1 --config.data.mix.indoor.dir=PAIRS_2

Variants, joined by commas:
  base            383,382 parameters (default), 2,500 steps
  longer          as much again, at a lower rate; begin with the weights of the first time
  exposed         bright clips are brought to a level that people like before they are made dark;
                  4,000 steps; begin with weights of `longer`
  small           half of the blocks, 198,678 parameters, 400 steps; begin with weights of any other
  research        also on pairs, half of the pictures, 1,500 steps; begin with weights of `longer`
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
  config.data.darken.update(night=0.2, untouched=0.15)
  config.test_data.update(name="dark_clips", config="holdout_carphone", validation="validation")
  config.phases.all.loss = ConfigDict({"charbonnier": 1.0, "ssim": 0.2})
  config.optimizer.rate = 1e-3
  config.optimizer.beta2 = 0.99
  config.optimizer.schedule = ConfigDict({"name": "cosine"})
  config.optimizer.clip_norm = 1.0
  config.train.steps = 2500
  config.train.average_decay = 0.995
  config.train.log_every = 25
  config.train.save_every = 200
  config.eval.every = 2500
  config.eval.max_frames = 4
  return config


def _same(config: ConfigDict) -> None:
  del config


def _small(config: ConfigDict) -> None:
  config.model.kwargs.update(blocks=(0, 1, 1), decoder_blocks=(0, 0))
  config.train.init_part = True
  config.optimizer.rate = 5e-4
  config.train.steps = 400
  config.eval.every = 400


def _research(config: ConfigDict) -> None:
  config.train.steps = min(config.train.steps, 1500)
  config.eval.every = config.train.steps
  config.data.pictures = True
  config.data.mix = ConfigDict(
    {
      "exposures": base.ingredient("paired_images", weight=0.5),
      "indoor": base.ingredient("paired_images", weight=0.5),
    }
  )


def _research_small(config: ConfigDict) -> None:
  _small(config)
  _research(config)


def _longer(config: ConfigDict) -> None:
  config.optimizer.rate = 6e-4


def _exposed(config: ConfigDict) -> None:
  """Its ranges give training pictures the spread of brightness that real pairs have."""
  config.data.darken.update(
    night=0.15,
    night_cast=0.0,
    shade=0.1,
    cast=0.3,
    faded=0.25,
    vivid=(0.0, 0.8),
    tone=0.8,
    tone_gamma=(1.1, 2.1),
    tone_exposure=(0.05, 0.8),
    retouched=0.9,
    level=(0.4, 0.5),
    contrast=(0.2, 1.0),
  )
  config.optimizer.rate = 6e-4
  config.train.steps = 4000
  config.eval.every = 500


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
  "small": _small,
  "research": _research,
  "research_small": _research_small,
  "longer": _longer,
  "exposed": _exposed,
  "clips": _clips,
  "quick": _quick,
  "smoke": _smoke,
  "pod": base.pod,
}


def get_config(variants: str = "") -> ConfigDict:
  """The configuration after the named variants."""
  return base.build(_base(), variants, VARIANTS, "night")
