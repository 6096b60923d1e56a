"""Trains a network: `python -m experiments.train --config=FILE[:VARIANT,...] --workdir=DIR`.

The run resumes by itself from the newest checkpoint in the workdir, at the very batch, also on
other devices or another number of hosts. The last line it prints is one line of JSON with the final
metrics and what the run took. The workdir holds config.json, history.json (metrics of every
evaluation), journal.jsonl (time of every attempt), best.safetensors, checkpoints and tensorboard.

Several processes make one run, see docs/LAUNCH.md: all get the same command and see the same
workdir; the first one prints and writes.

Exit status: 0 done; 2 bad input; 75 asked to stop (SIGTERM, Ctrl-C, maintenance of the host), the
state is saved; 76 another process of the run was lost. After 75 and 76 the same command goes on.
"""

import contextlib
import dataclasses
import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags
from ml_collections import ConfigDict, config_flags

from experiments.run.assemble import Run, initial_weights, settle_data
from experiments.run.batches import open_split, open_stream
from experiments.run.compiled_steps import Programs, peak_flops
from experiments.run.flags import check as check_flags
from experiments.run.folder import Notes, workplace
from experiments.run.settings import fingerprint
from llve_jax.data import clips
from llve_jax.data.allocation import keep_freed_memory
from llve_jax.errors import UserError, run_main
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.io.compilation import enable_cache
from llve_jax.io.platform import without_tpu
from llve_jax.job import agree, hosts, interrupt, maintenance
from llve_jax.score.held_out import Scorer
from llve_jax.train import debug, hooks, loop, mesh, plateau, tensorboard
from llve_jax.train.clock import STEPS, Clock
from llve_jax.train.meter import Meter
from llve_jax.train.state import State, parameter_count

CONFIG = config_flags.DEFINE_config_file("config", None, "Configuration, FILE[:VARIANT,...].")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints, logs and weights.")
ALLOW_CHANGES = flags.DEFINE_bool(
  "allow_changes", False, "Go on with a run under other settings than it was begun with."
)
COORDINATOR = flags.DEFINE_string(
  "coordinator", None, "HOST:PORT of process 0, where several make one run."
)
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes make the run.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which one this is, from 0.")

# Kept with the memory of the hooks: the step after which they were cut short by a stop.
PENDING = "pending"


def first_state(run: Run, device_mesh: jax.sharding.Mesh, programs: Programs) -> State:
  """A fresh state, or one that begins with other weights (`train.init_from`)."""
  placement = dataclasses.replace(programs.placement, frozen=())
  state = mesh.create_on(device_mesh, run.init, placement)
  if path := run.config.train.init_from:
    variables = initial_weights(path, state.generator.variables)
    generator = dataclasses.replace(
      state.generator,
      params=variables["params"],
      batch_stats=variables.get("batch_stats", {}),
    )
    state = dataclasses.replace(state, generator=generator, average=variables)
    # Each leaf anew, since the step gives the memory of all of them away.
    state = jax.tree.map(lambda x, place: jax.device_put(x, place).copy(), state, placement)
  return state


def train(
  config: ConfigDict,
  workdir: Path,
  *,
  stop: interrupt.Interrupt | None = None,
  allow_changes: bool = False,
) -> dict[str, Any]:
  """Runs or resumes the training; returns the final metrics and, under "run", what it took.

  Args:
    config: see `experiments.configs`.
    workdir: the run folder.
    stop: asks the run to stop; None: nothing does.
    allow_changes: whether the folder may have been begun with other settings.

  Raises:
    Interrupted: the run was asked to stop. Its state has been saved, unless it had only begun.
  """
  stop = interrupt.Interrupt() if stop is None else stop
  clock = Clock()
  run = Run(config)
  kind = run.traits.input_kind
  settle_data(config, kind)
  device_mesh = mesh.make_mesh(mesh.first_devices(config.mesh.data), rows=config.mesh.rows)
  mesh.check_batch(config.data.batch, device_mesh)
  stream = open_stream(config, kind, device_mesh, getattr(run.traits, "context", 0))
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

  def compiling(build: Callable[[], Any]) -> Any:
    with clock.measure("compile"):
      return stop.run(build)

  def evaluated(variables: Any) -> tuple[dict[str, float], dict[str, Any]]:
    metrics, pictures = stop.run(scorer, variables)
    # All decide by the same numbers, to the last bit.
    return agree.from_first(lambda: metrics), pictures

  programs = Programs(run, device_mesh, stream.shapes, stream.height, compiling)
  settings = config.train
  with contextlib.ExitStack() as stack:
    stack.callback(stream.iterator.close)
    # Refused settings leave the folder as it was.
    stack.enter_context(workplace(workdir, config, allow_changes=allow_changes))
    checkpoints = Checkpoints(
      workdir / "checkpoints",
      keep=settings.keep,
      keep_every=settings.keep_every,
      keep_best=settings.keep_best,
    )
    stack.callback(checkpoints.close)
    memory: dict[str, Any] = {}
    if checkpoints.latest is None:
      state = compiling(lambda: first_state(run, device_mesh, programs))
    else:
      with clock.measure("restore"):
        expected = dataclasses.replace(programs.state, frozen=())
        state, memory = checkpoints.restore(expected, stream.iterator)
      print(f"resuming from step {int(state.step)} of {run.steps}", flush=True)
    start = int(state.step)
    frozen = jax.device_put(run.frozen, mesh.replicated(device_mesh))
    state = dataclasses.replace(state, frozen=frozen)
    print(
      f"{config.name}: {parameter_count(state.generator.params):,} parameters, "
      f"{run.steps - start} steps of {config.data.batch} clips on {device_mesh.size} "
      f"{jax.devices()[0].platform} device(s); compiling first, once",
      flush=True,
    )

    notes = Notes(workdir, config)
    writer = stack.enter_context(notes.writer(start))
    meter = Meter(
      writer,
      clock,
      journal=notes.journal(start, sum(clock.totals.values())),
      flops=programs.flops,
      chips=device_mesh.size,
      peak=peak_flops(device_mesh),
    )
    process = jax.process_index() if jax.process_count() > 1 else None
    log = hooks.Log(
      writer,
      meter,
      total=run.steps,
      every=settings.log_every,
      also=(config.eval.every, settings.save_every),
      explain=debug.DebugBatch(stream.at, workdir, process=process),
    )
    evaluate = hooks.Evaluate(
      writer,
      clock,
      evaluated,
      notes.keep_best(run.kwargs),
      memory,
      every=config.eval.every,
      publish=notes.keep_history,
      fetch=mesh.fetch,
    )
    watch = plateau.Plateau(
      memory, halve_after=settings.halve_after, stop_after=settings.stop_after
    )
    save = hooks.Save(checkpoints, stream.iterator, clock, memory, every=settings.save_every)
    events: list[loop.Hook] = [log, evaluate, watch, save]
    if config.profile:
      events.append(tensorboard.Profile(str(workdir / "tensorboard"), first=config.profile))
    resumed: list[loop.Hook] = [evaluate, watch, save]
    if memory.pop(PENDING, None) != start:
      resumed = []
    vote = agree.Vote(device_mesh)

    def stopping() -> bool:
      vote.cast(stop.requested)
      return vote.outcome()

    with clock.measure(STEPS):
      outcome = loop.run(
        state,
        programs,
        stream.batches,
        start=start,
        stop=run.steps,
        hooks=events,
        cut_short=resumed,
        clock=clock,
        finished=lambda: watch.finished,
        stopping=stopping,
      )
    if outcome.stopped:
      reason = stop.reason or hosts.asked()
      if outcome.pending:
        memory[PENDING] = outcome.step
      if outcome.step > start:
        log.flush(outcome.step)
        save.now(outcome.step, outcome.state)
        print(f"stopped after step {outcome.step}, saving: {reason}", flush=True)
      with clock.measure("save"):
        checkpoints.wait()
      notes.end(outcome.step, "stopped", clock.lap())
      raise interrupt.Interrupted(reason)
    if "last" not in memory:  # a run that was stopped before its first evaluation, and cut short
      evaluate(outcome.step, outcome.state, {}, last=True)
    tensorboard.add_hyperparameters(writer, config.to_dict(), memory["last"])
    with clock.measure("save"):
      checkpoints.wait()
    notes.end(outcome.step, "done", clock.lap())
    result = {**memory["last"], "best": memory["best"], "protocol": config.eval.protocol}
    return {**result, "run": meter.summary()}


def main(argv: Sequence[str]) -> None:
  """Checks the flags, trains, prints the metrics."""
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  if CONFIG.value is None or WORKDIR.value is None:
    raise UserError("both --config=FILE[:VARIANT,...] and --workdir=DIR are needed")
  without_tpu()
  keep_freed_memory()
  enable_cache()
  cluster = hosts.find_cluster(
    os.environ,
    coordinator=COORDINATOR.value,
    processes=NUM_PROCESSES.value,
    process=PROCESS_ID.value,
  )
  same = {"settings": fingerprint(CONFIG.value), "workdir": str(WORKDIR.value)}
  with contextlib.ExitStack() as stack:
    stop = stack.enter_context(interrupt.Interrupt())
    stack.enter_context(hosts.joined(cluster, same=same))
    if not hosts.is_writer():  # one process speaks
      quiet = stack.enter_context(open(os.devnull, "w"))
      stack.enter_context(contextlib.redirect_stdout(quiet))
    if jax.default_backend() == "tpu":
      stack.enter_context(maintenance.watched(stop.request))
    try:
      metrics = train(
        CONFIG.value, Path(WORKDIR.value), stop=stop, allow_changes=ALLOW_CHANGES.value
      )
    except interrupt.Interrupted as stopped:
      print(f"{stopped}: stopped; the same command goes on from here", file=sys.stderr)
      interrupt.leave(interrupt.EXIT_STOPPED)
    except OSError as error:
      raise writing_failed(error) from error
    print(json.dumps(metrics), flush=True)
    interrupt.leave(0)  # it is done: a signal from now on stops nothing


def writing_failed(error: OSError) -> Exception:
  """A full or read-only disk is told as such; anything else is what it was."""
  if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES):
    return error
  return UserError(
    f"{error.filename or WORKDIR.value}: cannot be written ({error.strerror}); checkpoints that "
    "were finished remain usable. Make room, and give the same command again"
  )


if __name__ == "__main__":
  run_main(main, check_flags)
