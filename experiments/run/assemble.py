"""From a configuration to the parts of a run: networks, objectives, optimisers, steps, data.

The only place, beside the commands, that reads a config object. Nothing is computed here.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.train import optim
from llve_jax.train.objective import Objective, make_objective
from llve_jax.train.state import Learner, State, Step, init_state
from llve_jax.train.steps import paired_gan, siamese, supervised, temporal, unpaired_gan

DATA_DEFAULTS = {"config": "", "train": "train", "partner": "", "validation": "validation"}

STEPS: dict[str, Callable[..., Step]] = {
  "supervised": supervised.make_step,
  "paired_gan": paired_gan.make_step,
  "unpaired_gan": unpaired_gan.make_step,
  "siamese": siamese.make_step,
  "temporal": temporal.make_step,
}
# The critics that a step takes; the others take none.
CRITICS = {"paired_gan": ("critic",), "unpaired_gan": ("global", "local")}


def step_options(name: str) -> dict[str, inspect.Parameter]:
  """What may stand in `step.options` of the step called `name`."""
  parameters = inspect.signature(STEPS[name]).parameters
  common = ("average_decay", "accumulate")
  return {
    name: parameter
    for name, parameter in parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name not in common
  }


class Run:
  """A configuration turned into networks, objectives and optimisers."""

  def __init__(self, config: ConfigDict):
    """Builds every part named in `config`.

    Raises:
      UserError: something in it is unknown or does not fit; says which key.
    """
    self.config = config
    self.steps = config.train.steps
    self.kwargs = config.model.kwargs.to_dict()
    dtype = jnp.dtype(config.model.dtype)
    # Parameters are float32 all the same; what evaluates and is saved computes in float32.
    self.evaluated = models.build(config.model.name, **self.kwargs)
    self.generator = models.build(config.model.name, **self.kwargs, dtype=dtype)
    self.traits: Any = self.generator.traits
    self.critics = {
      name: models.build_critic(critic.name, **critic.kwargs)
      for name, critic in config.critics.items()
    }
    self.phases = sorted(config.phases.values(), key=lambda phase: phase.until)
    if self.phases[-1].until != 1.0:
      raise UserError(f"the last phase ends at {self.phases[-1].until} of the run; expected 1.0")
    vgg = {"vgg19": config.vgg19.file or None, "fallback": config.vgg19.fallback}
    self.objectives = [make_objective(phase.loss.to_dict(), **vgg) for phase in self.phases]
    self._check()

    self.schedule = self._schedule(config.optimizer.rate)
    self.generator_optimizer = self._optimizer(config.optimizer, self.schedule)
    updates = self._option("critic_updates", 1)
    self.critic_optimizers = {
      name: self._optimizer(critic, optim.slowed(self._schedule(critic.rate), updates))
      for name, critic in config.critics.items()
    }
    self.step_functions = [self._make_step(objective) for objective in self.objectives]

  def _option(self, name: str, otherwise: Any) -> Any:
    """An option of the step: as configured, or its default, or `otherwise` if it has none."""
    parameter = step_options(self.config.step.name).get(name)
    default = otherwise if parameter is None else parameter.default
    return self.config.step.options.get(name, default)

  def _check(self) -> None:
    step, options = self.config.step.name, self.config.step.options
    if self.steps < 1:
      raise UserError(f"train.steps is {self.steps}; expected at least 1")
    if step not in STEPS:
      raise UserError(f"step.name is {step!r}; known: {', '.join(STEPS)}")
    known = step_options(step)
    if unknown := sorted(set(options) - set(known)):
      raise UserError(
        f"step {step} has no option {', '.join(unknown)}; known: {', '.join(sorted(known))}"
      )
    needed = [name for name, option in known.items() if option.default is option.empty]
    if missing := sorted(set(needed) - set(options)):
      raise UserError(f"step {step} needs step.options.{', '.join(missing)}; found none")
    if set(self.critics) != set(expected := CRITICS.get(step, ())):
      raise UserError(
        f"step {step} takes the critics {', '.join(expected) or 'none'}, found "
        f"{', '.join(self.critics) or 'none'}"
      )
    if step in (*CRITICS, "temporal") and self.config.train.accumulate != 1:
      raise UserError(f"step {step} does not accumulate gradients; set train.accumulate to 1")
    if step == "unpaired_gan" and any(phase.loss for phase in self.phases):
      raise UserError(
        "step unpaired_gan has losses of its own (step.options.weights); phases: none"
      )
    if step == "siamese" and self.config.data.frames != 2:
      raise UserError(f"step siamese takes data.frames=2, found {self.config.data.frames}")
    if self.config.data.frames < self.traits.least_frames:
      raise UserError(
        f"{self.config.model.name} takes clips of {self.traits.least_frames} frames at least, "
        f"found data.frames={self.config.data.frames}"
      )

  def _schedule(self, rate: float) -> optax.Schedule:
    options = self.config.optimizer.schedule.to_dict()
    return optim.make_schedule(options.pop("name"), rate, self.steps, options)

  def _optimizer(
    self, settings: ConfigDict, schedule: optax.Schedule
  ) -> optax.GradientTransformation:
    return optim.adam(
      schedule,
      beta1=settings.beta1,
      beta2=settings.beta2,
      weight_decay=settings.get("weight_decay", 0.0),
      clip_norm=settings.get("clip_norm", 0.0) or None,
      coupled=settings.get("coupled_decay", False),
    )

  @property
  def input_shape(self) -> tuple[int, ...]:
    """Of one example, batch axis included: what the pipeline cuts."""
    data = self.config.data
    side = 2 if self.traits.input_kind == "mosaic" else 1
    size = (side * data.crop, side * (data.crop_width or data.crop))
    frames = 1 if self.config.step.name == "siamese" else data.frames
    return (1, frames, *size, self.traits.channels)

  @property
  def frozen(self) -> dict[str, Any]:
    """Weights of the fixed networks that the losses of any phase look through."""
    if self.config.step.name == "unpaired_gan":
      return dict(unpaired_gan.frozen())
    frozen: dict[str, Any] = {}
    for objective in self.objectives:
      for network, weights in objective.frozen.items():
        frozen[network] = {**frozen.get(network, {}), **weights}
    return frozen

  def init(self) -> State:
    """A fresh state, the same for the same seed; `frozen` is put in where it is used."""
    shape = self.input_shape
    scale = self.traits.scale
    image = (shape[0], scale * shape[2], scale * shape[3], 3)
    memory: dict[str, Any] = {}
    for objective in self.objectives:
      memory |= objective.memory
    return init_state(
      Learner(self.generator, self.generator_optimizer, shape),
      seed=self.config.seed,
      critics={
        name: Learner(critic, self.critic_optimizers[name], self._critic_shape(name, image))
        for name, critic in self.critics.items()
      },
      memory=memory,
    )

  def _critic_shape(self, name: str, image: tuple[int, ...]) -> tuple[int, ...]:
    if name != "local":
      return image
    side = self._option("patch_size", None)
    return (image[0], side, side, image[3])

  def _make_step(self, objective: Objective) -> Step:
    """The step function of one phase."""
    name = self.config.step.name
    options: dict[str, Any] = self.config.step.options.to_dict()
    options["average_decay"] = self.config.train.average_decay
    optimizer = self.generator_optimizer
    if name == "unpaired_gan":
      return unpaired_gan.make_step(
        self.generator, self.critics, optimizer, self.critic_optimizers, **options
      )
    if name == "paired_gan":
      return paired_gan.make_step(
        self.generator,
        self.critics["critic"],
        objective,
        optimizer,
        self.critic_optimizers["critic"],
        **options,
      )
    if name != "temporal":
      options["accumulate"] = self.config.train.accumulate
    return STEPS[name](self.generator, objective, optimizer, **options)


def settle_data(config: ConfigDict, kind: str) -> None:
  """Fills in which data a run takes, where the configuration leaves it open.

  * Another data set than the file asks for (`--config.data.name=...`) has other configurations and
    splits: those of the file are dropped, unless they were changed as well.
  * Of `dark_clips` the configuration that a network of this kind of input can take. SMID's two
    frames need still scenes; it is scored on moving ones all the same, as the others are.
  """
  data, asked, tested = config.data, config.asked, config.test_data
  if data.name != asked.name:
    for key, default in DATA_DEFAULTS.items():
      if data[key] == asked[key]:
        data[key] = default
    if data.name == "dark_clips" and tested.name == asked.test_data:
      tested.name = ""  # it has targets of its own
  moving = "holdout_carphone" if kind == "srgb" else "raw"
  still = "static" if kind == "srgb" else "raw_static"
  trained = still if config.step.name == "siamese" else moving
  if (data.name, data.config, tested.name) == ("dark_clips", "", "") and trained != moving:
    tested.update(name="dark_clips", validation="validation")
  for settings, fitting in ((data, trained), (tested, moving)):
    if settings.name == "dark_clips" and not settings.config:
      settings.config = fitting
  if tested.name and not tested.dir:
    tested.dir = data.dir
