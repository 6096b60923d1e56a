"""Trains a network: `python -m experiments.train --config=FILE[:VARIANT,...] --workdir=DIR`.

The run resumes by itself from the newest checkpoint in the workdir, at the very batch. The last
line it prints is one line of JSON with the final metrics. The workdir holds config.json,
history.json (metrics of every evaluation), best.safetensors, checkpoints and tensorboard.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags
from ml_collections import ConfigDict, config_flags
from tensorboardX import SummaryWriter

from experiments import overrides
from experiments.assemble import Run, initial_weights, settle_data
from llve_jax.data import clips, pipeline, sharding, source
from llve_jax.errors import UserError, run_main
from llve_jax.io import bundle
from llve_jax.io.atomic import replacing
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.io.compilation import enable_cache
from llve_jax.train import board, debug, hooks, loop, mesh, plateau
from llve_jax.train.scorer import Scorer
from llve_jax.train.state import State, parameter_count
from llve_jax.zoo.trained import BEST

CONFIG = config_flags.DEFINE_config_file("config", None, "Configuration, FILE[:VARIANT,...].")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints, logs and weights.")


def open_split(settings: Mapping[str, Any], split: str) -> source.Source:
  """A split of the data set that `settings` names."""
  return source.open_split(
    settings["name"],
    split,
    config=settings["config"] or None,
    data_dir=settings["dir"] or None,
  )


@dataclasses.dataclass(frozen=True)
class Stream:
  """The batches of a run.

  Attributes:
    iterator: of this process's batches; what a checkpoint saves.
    batches: the same as global batches on devices.
    at: makes the k-th batch of this process once more.
  """

  iterator: Any
  batches: Iterator[Any]
  at: Callable[[int], dict[str, Any]]


def open_stream(config: ConfigDict, kind: str, placement: jax.sharding.Sharding) -> Stream:
  """Opens the training data that the configuration names."""
  settings = config.data
  arguments: dict[str, Any] = {
    "batch": settings.batch // jax.process_count(),
    "frames": settings.frames,
    "crop": settings.crop,
    "seed": config.seed,
    "augment": settings.augment,
    "kind": kind,
    "apart": config.step.name == "siamese",
    "keep_negatives": settings.keep_negatives,
    "blind": settings.blind,
    "process_index": jax.process_index(),
    "process_count": jax.process_count(),
  }
  examples = open_split(settings, settings.train)
  if config.step.name == "unpaired_gan":
    same = settings.partner in ("", settings.train)
    arguments["partner"] = examples if same else open_split(settings, settings.partner)
    arguments["fixed_partner"] = settings.fixed_partner
  dataset = pipeline.train_dataset(examples, **arguments)
  iterator = pipeline.read_ahead(dataset)
  return Stream(
    iterator, (sharding.global_batch(batch, placement) for batch in iterator), dataset.__getitem__
  )


def first_state(
  run: Run, device_mesh: jax.sharding.Mesh, checkpoints: Checkpoints, iterator: Any
) -> tuple[State, dict[str, Any]]:
  """The newest checkpoint if there is one, or a fresh state, and the memory of the hooks."""
  state = mesh.create_on(device_mesh, run.init)
  if checkpoints.latest is not None:
    state, memory = checkpoints.restore(state, iterator)
    print(f"resuming from step {int(state.step)} of {run.steps}", flush=True)
    return state, memory
  if path := run.config.train.init_from:
    variables = initial_weights(path, state.generator.variables)
    variables = jax.device_put(variables, mesh.replicated(device_mesh))
    generator = dataclasses.replace(
      state.generator,
      params=variables["params"],
      batch_stats=variables.get("batch_stats", {}),
    )
    # A copy: the step gives the memory of both away.
    average = jax.tree.map(lambda x: x.copy(), variables)
    state = dataclasses.replace(state, generator=generator, average=average)
  return state, {}


def train(config: ConfigDict, workdir: Path) -> dict[str, Any]:
  """Runs or resumes the training; returns the final metrics."""
  run = Run(config)
  kind = run.traits.input_kind
  settle_data(config, kind)
  device_mesh = mesh.make_mesh(mesh.first_devices(config.mesh.data))
  mesh.check_batch(config.data.batch, device_mesh)
  stream = open_stream(config, kind, mesh.batch_sharding(device_mesh))
  tested = config.test_data if config.test_data.name else config.data
  held_out = open_split(tested, tested.validation)
  clips.check_scorable(held_out, kind)
  scorer = Scorer(
    run.evaluated,
    lambda: clips.test_clips(held_out, kind=kind, keep_negatives=config.data.keep_negatives),
    protocol=config.eval.protocol,
    batch=config.eval.batch,
    max_frames=config.eval.max_frames,
  )

  workdir.mkdir(parents=True, exist_ok=True)
  checkpoints = Checkpoints(workdir / "checkpoints", keep=config.train.keep)
  state, memory = first_state(run, device_mesh, checkpoints, stream.iterator)
  start = int(state.step)
  # Not before: a run of another network is refused above, and leaves the folder as it was.
  with replacing(workdir / "config.json") as temporary:
    temporary.write_text(config.to_json_best_effort(indent=2) + "\n")
  frozen = jax.device_put(run.frozen, mesh.replicated(device_mesh))
  state = dataclasses.replace(state, frozen=frozen)
  print(
    f"{config.name}: {parameter_count(state.generator.params):,} parameters, "
    f"{run.steps - start} steps of {config.data.batch} clips on {device_mesh.size} "
    f"{jax.devices()[0].platform} device(s); compiling first, once",
    flush=True,
  )

  def keep_best(variables: Any, step: int, metrics: dict[str, float]) -> None:
    origin = {"config": config.name, "step": step, **metrics}
    bundle.save(workdir / BEST, bundle.Bundle(config.model.name, run.kwargs, variables, origin))

  def keep_history(history: Sequence[Mapping[str, float]]) -> None:
    with replacing(workdir / "history.json") as temporary:
      temporary.write_text(json.dumps(history, indent=1) + "\n")

  settings = config.train
  stopwatch = loop.Stopwatch()
  watch = plateau.Plateau(memory, halve_after=settings.halve_after, stop_after=settings.stop_after)
  with SummaryWriter(str(workdir / "tensorboard")) as writer:
    writer.add_text("config", f"```\n{config.to_json_best_effort(indent=2)}\n```", start)
    evaluate = hooks.Evaluate(
      writer, stopwatch, scorer, keep_best, memory, every=config.eval.every, publish=keep_history
    )
    events: list[loop.Hook] = [
      hooks.Log(
        writer,
        stopwatch,
        total=run.steps,
        every=settings.log_every,
        also=(config.eval.every, settings.save_every),
        explain=debug.DebugBatch(stream.at, workdir),
      ),
      evaluate,
      watch,
      hooks.Save(checkpoints, stream.iterator, stopwatch, memory, every=settings.save_every),
    ]
    if config.profile:
      events.append(board.Profile(str(workdir / "tensorboard"), first=config.profile))
    state = loop.run(
      state,
      run.step_at(device_mesh),
      stream.batches,
      start=start,
      stop=run.steps,
      hooks=events,
      finished=lambda: watch.finished,
    )
    if "last" not in memory:  # a run that was stopped before its first evaluation, and cut short
      evaluate(int(state.step), state, {}, last=True)
    board.add_hyperparameters(writer, config.to_dict(), memory["last"])
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
