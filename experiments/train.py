"""Trains a network: `python -m experiments.train --config=FILE[:VARIANT,...] --workdir=DIR`.

The run resumes by itself from the newest checkpoint in the workdir, at the very batch. The last
line it prints is one line of JSON with the final metrics.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags
from ml_collections import ConfigDict, config_flags
from tensorboardX import SummaryWriter

from experiments import overrides
from llve_jax import models
from llve_jax.data import clips, pipeline, sharding, source
from llve_jax.errors import UserError, run_main
from llve_jax.io import bundle
from llve_jax.io.atomic import replacing
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.io.compilation import enable_cache
from llve_jax.losses import Objective, compose
from llve_jax.train import hooks, loop, mesh, optim
from llve_jax.train.scorer import Scorer
from llve_jax.train.state import State, init_state, parameter_count
from llve_jax.train.steps import paired_gan, supervised
from llve_jax.zoo.trained import BEST

CONFIG = config_flags.DEFINE_config_file("config", None, "Configuration, FILE[:VARIANT,...].")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints, logs and weights.")


class Run:
  """A configuration turned into networks, objectives and optimisers; nothing is computed yet."""

  def __init__(self, config: ConfigDict):
    """Builds every part named in `config`."""
    self.config = config
    self.steps = config.train.steps
    self.kwargs = config.model.kwargs.to_dict()
    self.generator = models.build(config.model.name, **self.kwargs)
    self.critic = None
    if config.critic.name:
      self.critic = models.build_critic(config.critic.name, **config.critic.kwargs)
    self.phases = sorted(config.phases.values(), key=lambda phase: phase.until)
    if self.phases[-1].until != 1.0:
      raise UserError(f"the last phase ends at {self.phases[-1].until} of the run; expected 1.0")
    self.objectives = [compose(phase.loss.to_dict()) for phase in self.phases]

    settings = config.optimizer
    schedule = optim.halving(settings.rate, self.steps, settings.halve_at)
    self.generator_optimizer = optim.adam(
      schedule,
      beta1=settings.beta1,
      beta2=settings.beta2,
      weight_decay=settings.weight_decay,
      clip_norm=settings.clip_norm or None,
    )
    self.critic_optimizer = optim.adam(
      optim.slowed(schedule, config.critic.updates),
      beta1=config.critic.beta1,
      beta2=config.critic.beta2,
    )

  @property
  def frozen(self) -> dict[str, Any]:
    """Weights of the fixed networks that the losses of any phase look through."""
    frozen: dict[str, Any] = {}
    for objective in self.objectives:
      for network, weights in objective.frozen.items():
        frozen[network] = {**frozen.get(network, {}), **weights}
    return frozen

  def init(self) -> State:
    """A fresh state, the same for the same seed; `frozen` is put in where it is used."""
    return init_state(
      self.generator,
      self.generator_optimizer,
      seed=self.config.seed,
      crop=self.config.data.crop,
      critic=self.critic,
      critic_optimizer=self.critic_optimizer,
    )

  def make_step(self, objective: Objective) -> supervised.Step:
    """The step function of one phase."""
    decay = self.config.train.average_decay
    if self.critic is None:
      return supervised.make_step(
        self.generator, objective, self.generator_optimizer, average_decay=decay
      )
    settings = self.config.critic
    return paired_gan.make_step(
      self.generator,
      self.critic,
      objective,
      self.generator_optimizer,
      self.critic_optimizer,
      kind=settings.kind,
      adversarial_weight=settings.weight,
      critic_updates=settings.updates,
      penalty_weight=settings.penalty_weight,
      weight_bound=settings.weight_bound,
      average_decay=decay,
    )

  def step_at(self, device_mesh: jax.sharding.Mesh) -> Callable[[int], Callable[..., Any]]:
    """Step number -> compiled step of its phase."""
    compiled = [mesh.compile_step(self.make_step(o), device_mesh) for o in self.objectives]
    ends = [round(phase.until * self.steps) for phase in self.phases]
    return lambda step: compiled[next(i for i, end in enumerate(ends) if step < end)]


def open_split(config: ConfigDict, split: str) -> source.Source:
  """A split of the data set that the configuration names."""
  settings = config.data
  return source.open_split(
    settings.name, split, config=settings.config or None, data_dir=settings.dir or None
  )


def batches(config: ConfigDict, placement: jax.sharding.Sharding) -> tuple[Any, Iterator[Any]]:
  """The data iterator (to checkpoint) and the global batches it gives."""
  settings = config.data
  iterator = pipeline.train_iterator(
    open_split(config, "train"),
    batch=settings.batch // jax.process_count(),
    frames=settings.frames,
    crop=settings.crop,
    seed=config.seed,
    augment=settings.augment,
    process_index=jax.process_index(),
    process_count=jax.process_count(),
  )
  return iterator, (sharding.global_batch(batch, placement) for batch in iterator)


def train(config: ConfigDict, workdir: Path) -> dict[str, Any]:
  """Runs or resumes the training; returns the final metrics."""
  run = Run(config)
  device_mesh = mesh.make_mesh()
  mesh.check_batch(config.data.batch, device_mesh)
  iterator, global_batches = batches(config, mesh.batch_sharding(device_mesh))
  held_out = open_split(config, "test")
  scorer = Scorer(
    run.generator,
    lambda: clips.test_clips(held_out),
    protocol=config.eval.protocol,
    batch=config.eval.batch,
    max_frames=config.eval.max_frames,
  )

  workdir.mkdir(parents=True, exist_ok=True)
  checkpoints = Checkpoints(workdir / "checkpoints", keep=config.train.keep)
  state = mesh.create_on(device_mesh, run.init)
  memory: dict[str, Any] = {}
  start = 0
  if checkpoints.latest is not None:
    state, memory = checkpoints.restore(state, iterator)
    start = int(state.step)
    print(f"resuming from step {start} of {run.steps} in {workdir}", flush=True)
  # Not before: a run of another network is refused above, and leaves the folder as it was.
  with replacing(workdir / "config.json") as temporary:
    temporary.write_text(config.to_json_best_effort(indent=2) + "\n")
  state = state.replace(frozen=jax.device_put(run.frozen, mesh.replicated(device_mesh)))
  print(
    f"{config.name}: {parameter_count(state.generator.params):,} parameters, "
    f"{run.steps - start} steps of {config.data.batch} clips on {device_mesh.size} "
    f"{jax.devices()[0].platform} device(s); compiling first, once",
    flush=True,
  )

  def keep_best(variables: Any, step: int, metrics: dict[str, float]) -> None:
    origin = {"config": config.name, "step": step, **metrics}
    bundle.save(workdir / BEST, bundle.Bundle(config.model.name, run.kwargs, variables, origin))

  settings = config.train
  stopwatch = loop.Stopwatch()
  with SummaryWriter(str(workdir / "tensorboard")) as writer:
    loop.run(
      state,
      run.step_at(device_mesh),
      global_batches,
      start=start,
      stop=run.steps,
      hooks=[
        hooks.Log(
          writer,
          stopwatch,
          total=run.steps,
          every=settings.log_every,
          also=(config.eval.every, settings.save_every),
        ),
        hooks.Evaluate(writer, stopwatch, scorer, keep_best, memory, every=config.eval.every),
        hooks.Save(checkpoints, iterator, stopwatch, memory, every=settings.save_every),
      ],
    )
  checkpoints.close()
  return {**memory["last"], "best": memory["best"], "protocol": config.eval.protocol}


def main(argv: Sequence[str]) -> None:
  """Checks the flags, trains, prints the metrics."""
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  if CONFIG.value is None or WORKDIR.value is None:
    raise UserError("both --config=FILE[:VARIANT,...] and --workdir=DIR are needed")
  enable_cache()
  print(json.dumps(train(CONFIG.value, Path(WORKDIR.value))))


if __name__ == "__main__":
  run_main(main, overrides.check)
