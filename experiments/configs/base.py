"""What every configuration has. Each file beside this one changes what its system says.

Sizes that every system offers: `smoke` (seconds on a CPU), `quick` (minutes on a CPU), both on the
embedded data set `dark_clips`, and `pod` (many accelerators, bfloat16).

Forms that a system with a source offers: `published`, what its report or paper says, and, where it
differs, `released`, what the program does that its authors published. Without either, a system is
what we hold to be better. All of it is evaluated with a moving average of the weights
(`train.average_decay`), which no source has; those two forms are not.
"""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

Change = Callable[[ConfigDict], None]

SIZES = ("quick", "small", "smoke", "pod")
FIRST = ("published", "released")  # whose form it is; sizes make that small, others change it


def base(name: str, data: str, model: str, **kwargs: object) -> ConfigDict:
  """The configuration of a supervised run with an L1 loss.

  Args:
    name: of the configuration.
    data: the data set builder it wants.
    model: the network.
    **kwargs: its arguments.
  """
  return ConfigDict(
    {
      "name": name,
      "seed": 0,
      "data": {
        "name": data,
        "config": "",  # empty: the builder's default; of dark_clips the one the network can take
        "dir": "",  # where `tfds build` put it; empty: TFDS's own default
        "train": "train",
        "partner": "",  # unpaired training: the split of bright images
        "validation": "validation",  # scored on the way; it chooses weights, so never "test"
        "batch": 4,  # clips, over all devices
        "frames": 1,
        "crop": 128,  # side in pixels of the input; of a Bayer mosaic, packed ones
        "crop_width": 0,  # 0: square; else the crop is the height
        "resize": (),  # (height, width) of whole pairs of RGB before they are cut, and scored
        "augment": "turn",
        "weight": 1.0,  # of this data set, where `mix` has others
        "mix": {},  # further data sets, see `ingredient`
        "pictures": False,  # whether a pair of single pictures stands for a clip of `frames`
        "darken": darkness(),  # what is done to data sets without a dark side
        "least_view": 1.0,  # of them, share of height and width that counts as the whole frame
        "bursts": False,  # instead, make noisy bursts of raw light of them, see `data.bursts`
        "keep_negatives": True,  # of mosaics: light below the black level, which is noise
        "blind": False,  # of mosaics: flip the packed array, as released; colours move
        "fixed_partner": False,  # unpaired training: the same couples always, as released
        "processes": 0,  # on each host that prepare batches; 0: the threads of the training one
      },
      # Another data set to evaluate on, where the first has no targets; empty: the same.
      "test_data": {"name": "", "config": "", "dir": "", "validation": "validation"},
      "model": {
        "name": model,
        "kwargs": dict(kwargs),
        "dtype": "float32",
        "encoder_weights": "",  # torchvision's or timm's ResNet, for networks of System B
      },
      "step": {"name": "supervised", "options": {}},
      "critics": {},
      # Each phase lasts until that fraction of the run.
      "phases": {"all": {"until": 1.0, "loss": {"l1": 1.0}}},
      # Weights of VGG-19 for the losses that want it; fallback: look through VGG-16 instead.
      "vgg19": {"file": "", "fallback": False},
      # Adam; decay is decoupled (AdamW) unless `coupled_decay`.
      "optimizer": {
        "rate": 1e-4,
        "schedule": {"name": "constant"},
        "beta1": 0.9,
        "beta2": 0.999,
        "weight_decay": 0.0,
        "coupled_decay": False,
        "clip_norm": 0.0,  # 0: gradients are not clipped
      },
      "train": {
        "steps": 10_000,
        "init_from": "",  # workdir or file of weights to start from
        "init_part": False,  # of a larger network, whose other parameters are left out
        "accumulate": 1,  # parts of a batch whose gradients are taken one after the other
        "average_decay": 0.999,
        "halve_after": 0,  # evaluations without a better one; 0: never
        "stop_after": 0,
        "log_every": 20,
        "save_every": 500,
        "keep": 2,  # newest checkpoints
        "keep_every": 0,  # also those of every so many steps; 0: none
        "keep_best": False,  # also the one with the best evaluation
      },
      "eval": {"every": 1000, "batch": 8, "max_frames": 0, "protocol": "plain"},  # 0: all frames
      "mesh": {
        "data": -1,  # devices to use; -1: all
        "rows": 1,  # of them, how many share the height of each frame
        "parameters": "replicated",  # or "fsdp": split, with what the optimiser keeps of them
        "rules": (),  # further (regular expression, placement), see `train.placement`
      },
      "profile": 0,  # step after which the profiler traces three steps; 0: never
    }
  )


def darkness() -> ConfigDict:
  """How bright clips are made dark: arguments of `llve_jax.ops.darkening.draw` and their defaults.

  What has no range is a probability; 0 switches that stage off.
  """
  return ConfigDict(
    {
      "untouched": 0.1,
      "untouched_level": (0.0, 0.0),
      "night": 0.3,
      "shade": 0.2,
      "exposure": (1 / 60, 1.0),
      "night_exposure": (1 / 6, 1.0),
      "lift": 0.35,
      "tone": 0.65,
      "tone_gamma": (1.4, 3.6),
      "tone_exposure": (1 / 4, 1.0),
      "vivid": (0.0, 0.0),
      "retouched": 0.0,
      "level": (0.38, 0.5),
      "contrast": (0.0, 0.5),
      "faded": 0.0,
      "exchanged": 0.0,
      "cast": 0.5,
      "night_cast": 0.2,
      "noise": 0.85,
      "shot_noise": (1e-4, 1.2e-2),
      "most_noise": 3e-3,
      "fixed_noise": 0.3,
      "mosaic": 0.5,
      "black": 0.6,
      "denoise": 0.5,
      "sharpen": 0.4,
      "drift": 0.3,
      "blur_length": (0.0, 3.0),
      "blurred": 0.3,
      "bars": 0.15,
      "graphics": 0.15,
      "jpeg": 0.5,
      "jpeg_quality": (40, 96),
      "h264": 0.15,
      "h264_crf": (16, 32),
    }
  )


def ingredient(
  name: str, *, config: str = "", directory: str = "", train: str = "train", weight: float = 1.0
) -> ConfigDict:
  """One entry of `data.mix`, under any name: another data set to train on.

  Clips come from it and from the others, the first one included, as often as they weigh. All give
  clips of one shape; pairs of single pictures want `data.pictures`. What is scored on the way is
  the validation split of the first data set.
  """
  return ConfigDict(
    {"name": name, "config": config, "dir": directory, "train": train, "weight": weight}
  )


def critic(
  name: str, *, rate: float, beta1: float = 0.5, beta2: float = 0.999, **kwargs: object
) -> ConfigDict:
  """One entry of `critics`; its learning rate follows the generator's schedule."""
  return ConfigDict(
    {"name": name, "kwargs": dict(kwargs), "rate": rate, "beta1": beta1, "beta2": beta2}
  )


def embedded(config: ConfigDict) -> None:
  """Use the data set, and the perceptual network, that need no download."""
  config.vgg19.fallback = True
  config.model.encoder_weights = ""
  config.data.name = "dark_clips"
  config.data.config = ""
  config.data.validation = "validation"
  config.data.resize = ()
  config.data.bursts = False
  config.data.crop_width = 0
  config.mesh.rows = 1
  config.test_data.name = ""
  config.eval.protocol = "plain"


def follow_source(config: ConfigDict) -> None:
  """What `published` and `released` forms have in common: the weights as they are, not averaged."""
  config.train.average_decay = 0.0


def rename_loss(loss: ConfigDict, before: str, after: str) -> None:
  """Another term with the weight of one; nothing where that one is not there."""
  if before in loss:
    loss[after] = loss[before]
    del loss[before]


def smoke(config: ConfigDict) -> None:
  """A run of seconds that proves that everything fits together; networks are made tiny beside."""
  embedded(config)
  config.data.batch = 2
  config.data.crop = 32
  config.train.steps = 4
  config.train.log_every = 1
  config.train.save_every = 2
  config.eval.every = 2
  config.eval.max_frames = 2


def quick(config: ConfigDict) -> None:
  """A run of minutes on two CPU cores; networks are made small beside.

  Where nothing else is said, 300 steps see 32 frames of 64 x 64 pixels each, so that rows of one
  table have the same budget: 32 single frames, 16 pairs, or clips cut to eight frames.
  """
  embedded(config)
  config.data.frames = min(config.data.frames, 8)
  config.data.batch = 32 // config.data.frames
  config.data.crop = 64
  config.optimizer.rate = 2e-3
  config.optimizer.schedule = ConfigDict({"name": "cosine"})
  config.train.steps = 300
  config.train.average_decay = 0.95
  config.train.save_every = 150
  config.eval.every = 100
  config.eval.max_frames = 10


def pod(config: ConfigDict) -> None:
  """Many accelerators: a batch of 256 clips, bfloat16, steps to see as many clips, rate by root."""
  factor = 256 // config.data.batch
  config.data.processes = 8
  config.data.batch = 256
  config.model.dtype = "bfloat16"
  steps = max(1, config.train.steps // factor)
  config.train.steps = steps
  # Fewer steps need closer looks at them, and an average that forgets its start in time.
  often = max(1, steps // 20)
  config.train.save_every = min(config.train.save_every, often)
  if config.train.halve_after or config.train.stop_after:
    often = max(1, config.eval.every // factor)  # patience is counted in evaluations
  config.eval.every = min(config.eval.every, often)
  config.train.average_decay = min(config.train.average_decay, max(0.0, 1 - 20 / steps))
  # Square-root scaling keeps the noise of Adam's updates (Malladi et al., NeurIPS 2022).
  for learner in (config.optimizer, *config.critics.values()):
    learner.rate *= factor**0.5


def build(
  config: ConfigDict,
  names: str,
  variants: Mapping[str, Change],
  system: str,
  last: Mapping[str, Change] | None = None,
) -> ConfigDict:
  """The configuration after the named variants, joined by commas.

  `published` or `released` comes first, then a size, then forms in the order typed; `pod` comes
  last, as it scales what it finds.

  Args:
    config: what is changed.
    names: of variants.
    variants: name -> change.
    system: for messages.
    last: name of a variant -> what it further changes, after all of the others.

  Raises:
    ValueError: an unknown variant (lists the known ones), two sizes, or both forms of the source.
  """
  chosen = [name for name in names.split(",") if name]
  if unknown := [name for name in chosen if name not in variants]:
    raise ValueError(f"{system} has no variant {', '.join(unknown)}; known: {', '.join(variants)}")
  if len(sizes := [name for name in chosen if name in SIZES]) > 1:
    raise ValueError(f"{system}: {' and '.join(sizes)} are sizes; choose one")
  if len([name for name in FIRST if name in chosen]) > 1:
    raise ValueError(f"{system}: published and released exclude each other; choose one")

  def order(name: str) -> tuple[bool, bool, bool]:
    return name == "pod", name not in FIRST, name not in SIZES

  late = {name: change for name, change in (last or {}).items() if name in chosen}
  for name in sorted((name for name in chosen if name != "pod"), key=order):
    variants[name](config)
  for change in late.values():
    change(config)
  if "pod" in chosen:
    variants["pod"](config)
  # What the file and its variants ask for, before flags; `experiments.run.assemble.settle_data`.
  asked = {key: config.data[key] for key in ("name", "config", "train", "partner", "validation")}
  config.asked = ConfigDict(asked | {"test_data": config.test_data.name})
  return config
