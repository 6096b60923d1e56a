"""One attempt at a run: from its start or newest checkpoint to its end, or until asked to stop."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict
from tensorboardX import SummaryWriter

from experiments.run.assemble import Run, settle_data
from experiments.run.batches import open_split, open_stream
from experiments.run.compiled_steps import Programs, peak_flops
from experiments.run.folder import Notes
from experiments.run.start import starting_variables
from llve_jax.data import clips
from llve_jax.io.checkpoint import Checkpoints
from llve_jax.io.run_folder import CHECKPOINTS, TENSORBOARD
from llve_jax.job import agree, hosts, interrupt
from llve_jax.score.held_out import Scorer
from llve_jax.train import debug, hooks, loop, mesh, plateau, tensorboard
from llve_jax.train.clock import STEPS, Clock
from llve_jax.train.meter import Meter
from llve_jax.train.state import State, parameter_count


def first_state(run: Run, device_mesh: jax.sharding.Mesh, programs: Programs) -> State:
  """A fresh state, or one that begins with other weights.

  Those of a run (`train.init_from`), or of an encoder alone (`model.encoder_weights`).
  """
  placement = dataclasses.replace(programs.placement, frozen=())
  state = mesh.create_on(device_mesh, run.init, placement)
  variables = starting_variables(run, state.generator.variables)
  if variables is not None:
    generator = dataclasses.replace(
      state.generator,
      params=variables["params"],
      batch_stats=variables.get("batch_stats", {}),
    )
    state = dataclasses.replace(state, generator=generator, average=variables)
    # Each leaf anew, since the step gives the memory of all of them away.
    state = jax.tree.map(lambda x, place: jax.device_put(x, place).copy(), state, placement)
  return state


def open_scorer(run: Run) -> Scorer:
  """What scores a run in progress: the clips held out for that, never those of the test."""
  config, kind = run.config, run.traits.input_kind
  settings = config.test_data if config.test_data.name else config.data
  held_out = open_split(settings, settings.validation)
  clips.check_scorable(held_out, kind)
  return Scorer(
    run.evaluated,
    lambda: clips.test_clips(
      held_out,
      kind=kind,
      keep_negatives=config.data.keep_negatives,
      resize=tuple(config.data.resize),
    ),
    protocol=config.eval.protocol,
    batch=config.eval.batch,
    max_frames=config.eval.max_frames,
  )


class Attempt:
  """Everything that an attempt needs; what can be refused is, before the run folder is touched."""

  def __init__(self, config: ConfigDict, workdir: Path, stop: interrupt.Interrupt):
    """Opens the data and plans the programs; compiles nothing yet.

    Args:
      config: see `experiments.configs`.
      workdir: the run folder.
      stop: asks the run to stop.
    """
    self._config, self._workdir, self._stop = config, workdir, stop
    self._clock = Clock()
    self._run = Run(config)
    kind = self._run.traits.input_kind
    settle_data(config, kind)
    devices = mesh.first_devices(config.mesh.data)
    self._mesh = mesh.make_mesh(devices, rows=config.mesh.rows)
    mesh.check_batch(config.data.batch, self._mesh)
    self._stream = open_stream(config, kind, self._mesh, self._run.traits.context)
    self._scorer = open_scorer(self._run)
    self._programs = Programs(
      self._run, self._mesh, self._stream.shapes, self._stream.height, self._compiling
    )

  def close(self) -> None:
    """Ends the threads or processes that read the data."""
    self._stream.iterator.close()

  def __call__(self) -> dict[str, Any]:
    """Trains; returns the final metrics and, under "run", what it took.

    Raises:
      Interrupted: the run was asked to stop. Its state has been saved, unless it had only begun.
    """
    settings = self._config.train
    checkpoints = Checkpoints(
      self._workdir / CHECKPOINTS,
      keep=settings.keep,
      keep_every=settings.keep_every,
      keep_best=settings.keep_best,
    )
    with contextlib.closing(checkpoints):
      state, memory = self._begin(checkpoints)
      start = int(state.step)
      notes = Notes(self._workdir, self._config)
      with notes.writer(start) as writer:
        meter = self._meter(writer, notes, start)
        log = self._log(writer, meter)
        evaluate = self._evaluate(writer, notes, memory)
        watch = plateau.Plateau(
          memory, halve_after=settings.halve_after, stop_after=settings.stop_after
        )
        save = hooks.Save(
          checkpoints,
          self._stream.iterator,
          self._clock,
          memory,
          start=start,
          every=settings.save_every,
        )
        outcome = self._loop(state, start, [evaluate, watch, save], log, lambda: watch.finished)
        if outcome.stopped:
          reason = self._stop.reason or hosts.asked()
          log.flush(outcome.step, outcome.state)
          if outcome.step > start:
            print(f"stopped after step {outcome.step}, saving: {reason}", flush=True)
          save.now(outcome.step, outcome.state)
          self._end(outcome.step, "stopped", checkpoints, notes)
          raise interrupt.Interrupted(reason)
        tensorboard.add_hyperparameters(writer, self._config.to_dict(), memory["last"])
        self._end(outcome.step, "done", checkpoints, notes)
    result = {**memory["last"], "best": memory["best"], "protocol": self._config.eval.protocol}
    return {**result, "run": meter.summary()}

  def _compiling(self, build: Callable[[], Any]) -> Any:
    with self._clock.measure("compile"):
      return self._stop.run(build)

  def _evaluated(self, variables: Any) -> tuple[dict[str, float], dict[str, Any]]:
    metrics, pictures = self._stop.run(self._scorer, variables)
    # All decide by the same numbers, to the last bit.
    return agree.from_first(lambda: metrics), pictures

  def _begin(self, checkpoints: Checkpoints) -> tuple[State, dict[str, Any]]:
    """The state to go on with, and what the hooks remember."""
    run, memory = self._run, dict[str, Any]()
    if checkpoints.latest is None:
      state = self._compiling(lambda: first_state(run, self._mesh, self._programs))
    else:
      with self._clock.measure("restore"):
        expected = dataclasses.replace(self._programs.state, frozen=())
        state, memory = checkpoints.restore(expected, self._stream.iterator)
      print(f"resuming from step {int(state.step)} of {run.steps}", flush=True)
    print(
      f"{self._config.name}: {parameter_count(state.generator.params):,} parameters, "
      f"{max(0, run.steps - int(state.step))} steps of {self._config.data.batch} clips on "
      f"{self._mesh.size} {jax.devices()[0].platform} device(s); compiling first, once",
      flush=True,
    )
    frozen = jax.device_put(run.frozen, mesh.replicated(self._mesh))
    return dataclasses.replace(state, frozen=frozen), memory

  def _meter(self, writer: SummaryWriter, notes: Notes, start: int) -> Meter:
    return Meter(
      writer,
      self._clock,
      journal=notes.journal(start, sum(self._clock.totals.values())),
      flops=self._programs.flops,
      chips=self._mesh.size,
      peak=peak_flops(self._mesh),
    )

  def _log(self, writer: SummaryWriter, meter: Meter) -> hooks.Log:
    process = jax.process_index() if jax.process_count() > 1 else None
    return hooks.Log(
      writer,
      meter,
      total=self._run.steps,
      every=self._config.train.log_every,
      also=(self._config.eval.every, self._config.train.save_every),
      rate=self._run.schedule,
      explain=debug.DebugBatch(self._stream.at, self._workdir, process=process),
    )

  def _evaluate(
    self, writer: SummaryWriter, notes: Notes, memory: dict[str, Any]
  ) -> hooks.Evaluate:
    return hooks.Evaluate(
      writer,
      self._clock,
      self._evaluated,
      notes.keep_best(self._run.kwargs),
      memory,
      every=self._config.eval.every,
      since=self._programs.last_phase,
      publish=notes.keep_history,
      fetch=mesh.fetch,
    )

  def _loop(
    self,
    state: State,
    start: int,
    between: Sequence[loop.Hook],
    log: hooks.Log,
    finished: Callable[[], bool],
  ) -> loop.Outcome:
    """All steps that are left."""
    if first := self._config.profile:
      between = [*between, tensorboard.Profile(str(self._workdir / TENSORBOARD), first=first)]
    vote = agree.Vote(self._mesh)

    def stopping() -> bool:
      vote.cast(self._stop.requested)
      return vote.outcome()

    with self._clock.measure(STEPS):
      return loop.run(
        state,
        self._programs,
        self._stream.batches,
        start=start,
        stop=self._run.steps,
        hooks=between,
        log=log,
        clock=self._clock,
        finished=finished,
        stopping=stopping,
      )

  def _end(self, step: int, why: str, checkpoints: Checkpoints, notes: Notes) -> None:
    with self._clock.measure("save"):
      checkpoints.wait()
    notes.end(step, why, self._clock.lap())
