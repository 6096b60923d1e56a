"""Checkpoints of a run: training state, position in the data, and small values, kept together.

A checkpoint is a folder named by its step. orbax writes it beside its place and renames it once it
is whole; the list of its files with their checksums (`manifest`) is made before that, so that a
checkpoint that is there can be told from one that was damaged later. Nothing in it depends on the
number of processes or devices.
"""

import contextlib
import json
import math
import os
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

import absl.logging
import jax
import orbax.checkpoint as ocp

from llve_jax.errors import UserError
from llve_jax.io import checksums, damaged, orbax_errors, retention, run_note
from llve_jax.io.bundle import check_matches
from llve_jax.job.agree import from_first, which_processes
from llve_jax.job.shared_folder import shared_folder

_UNFINISHED = ".orbax-checkpoint-tmp"  # what orbax adds to the name of a save under way
_CHANGING = ("_CHECKPOINT_METADATA",)  # orbax notes the time of the commit there, after all else
_TIMEOUT = 600  # seconds that the processes wait for each other in a save


def _flat(tree: Any) -> dict[str, Any]:
  """Leaves by their path, e.g. `generator.params.encoder_0.ConvNorm_0.Conv_0.kernel`."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


class Checkpoints:
  """The checkpoints of one run; saving goes on in the background.

  With several processes all of them make the same calls, on a folder that all of them see. One run
  at a time may use the folder (`lock.locked`).
  """

  def __init__(
    self,
    folder: str | os.PathLike[str],
    *,
    keep: int = 2,
    keep_every: int = 0,
    keep_best: bool = False,
  ):
    """Opens or creates `folder`, and removes from it what a save that was cut short has left.

    Args:
      folder: holds the checkpoints.
      keep: the newest so many stay.
      keep_every: those whose step is a multiple of it stay too (0: none).
      keep_best: the one of the highest score stays too.

    Raises:
      UserError: the folder cannot be written, is the address of a bucket, or is not the same one
        for all processes; `keep` is less than 1 or `keep_every` less than 0.
    """
    if keep < 1 or keep_every < 0:
      raise UserError(
        f"{folder}: expected to keep at least the newest checkpoint and every n-th with n > 0, "
        f"found keep = {keep}, keep_every = {keep_every}"
      )
    self._folder = shared_folder(folder)
    if jax.process_index() == 0:
      for unfinished in self._folder.glob(f"*{_UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
      run_note.remove_unfinished(self._folder)
    # What the others list may be of some seconds ago (NFS), and all have to do the same.
    self._latest: int | None = from_first(lambda: max(self._steps(), default=None))
    self._saving = -1
    notes = {step: self._folder / str(step) / run_note.FILE for step in self._steps()}
    self._best = retention.Best(retention.read_scores(notes))
    self._policy = retention.policy(keep, every=keep_every, best=self._best if keep_best else None)
    absl.logging.get_absl_logger().addFilter(orbax_errors.unspoken)
    self._manager = self._open()

  def _open(self) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
      preservation_policy=self._policy,
      async_options=ocp.AsyncOptions(
        timeout_secs=_TIMEOUT,
        barrier_sync_fn=orbax_errors.unless_failed(ocp.multihost.get_barrier_sync_fn()),
        post_finalization_callback=self._write_manifest,
      ),
      # Else a damaged description of an old checkpoint would stop it here.
      lightweight_initialize=True,
      # One process alone may have to open it anew: no waiting for others.
      create=False,
      save_root_metadata=False,
    )
    handlers = {
      "state": ocp.StandardCheckpointHandler(),
      "run": ocp.JsonCheckpointHandler("run.json"),
    }
    return ocp.CheckpointManager(self._folder, item_handlers=handlers, options=options)

  @property
  def latest(self) -> int | None:
    """The step of the newest checkpoint, or None; the same in all processes."""
    return self._latest

  def save(
    self,
    step: int,
    state: Any,
    iterator: Any,
    memory: dict[str, Any],
    *,
    score: float | None = None,
  ) -> None:
    """Saves under `step`; returns when the arrays may change, the rest is done in the background.

    Args:
      step: more than that of any checkpoint so far; or that of the newest, then only `iterator`,
        `memory` and `score` take the place of those saved, at once.
      state: a tree of arrays.
      iterator: a grain iterator whose state is JSON and the same in all processes.
      memory: JSON values.
      score: of this state, higher is better; None or not finite: unknown.

    Raises:
      UserError: this save or the one before failed; names the checkpoints that remain.
      TypeError: a value is not JSON.
    """
    if score is not None and not math.isfinite(score):
      score = None
    run = {"iterator": iterator.get_state(), "memory": memory, "score": score}
    run = json.loads(json.dumps(run))  # now, not in the background: `memory` may change
    self.wait()
    if step == self._latest:
      if jax.process_index() == 0:
        run_note.replace(self._folder / str(step), run)
      self._best.scores[step] = score
      return
    self._saving = step
    self._best.scores[step] = score
    with self._explained():
      done = self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(_flat(state)), run=ocp.args.JsonSave(run)
        ),
      )
    if not done:
      raise ValueError(f"step {step}: expected one after the newest checkpoint, {self._latest}")
    self._latest = step

  def check(self) -> None:
    """Raises the UserError of a save that has failed in the background; does not wait for it.

    In the process in which it failed, that is; the others may learn of it after a long time.
    """
    # Not `check_for_errors`: that takes the error from the thread that is to stop because of it,
    # which would then delete the older checkpoints.
    if not self._manager.is_saving_in_progress():
      self.wait()

  def wait(self) -> None:
    """Waits for the save under way; raises a UserError if it failed."""
    with self._explained():
      self._manager.wait_until_finished()

  def close(self) -> None:
    """Waits for the save under way, and ends the threads of orbax.

    Raises:
      UserError: it failed.
    """
    try:
      self.wait()
    finally:
      self._manager.close()

  def restore(self, state: Any, iterator: Any) -> tuple[Any, dict[str, Any]]:
    """Restores the newest checkpoint that is whole; damaged ones after it are set aside.

    Those are named on stdout and renamed, e.g. from `7` to `7.corrupt`. All processes restore the
    same one. It may be of another number of devices or processes.

    Args:
      state: a tree of arrays or `jax.ShapeDtypeStruct`s with shardings, of the shapes expected.
      iterator: the grain iterator of the run; set to the saved position in place.

    Returns:
      The restored tree, placed as `state` is, and the saved JSON values.

    Raises:
      UserError: there is none, all are damaged (then none is renamed), or it is that of another
        network (names the first mismatches).
    """
    self.wait()
    expected = _flat(state)
    faults: dict[int, str] = {}
    for step in reversed(from_first(self._steps)):
      restored, fault = self._try(step, expected)
      if not fault:
        break
      faults[step] = fault
    else:
      raise UserError(damaged.none_left(self._folder, faults))
    iterator.set_state(restored["run"]["iterator"])
    self._latest = step
    if faults:
      from_first(lambda: damaged.set_aside(self._folder, faults, going_on_from=step))
      self._manager.close()
      self._manager = self._open()
    leaves = [restored["state"][name] for name in expected]
    return jax.tree.unflatten(jax.tree.structure(state), leaves), restored["run"]["memory"]

  def _try(self, step: int, expected: dict[str, Any]) -> tuple[Any, str]:
    """What a checkpoint holds and "", or None and what is wrong with it."""
    folder = self._folder / str(step)

    def look() -> tuple[bool, str]:
      try:
        return True, checksums.fault(folder)
      except FileNotFoundError:
        return False, ""

    verified, fault = from_first(look)
    restored = None
    if not fault:
      try:
        restored = self._read(step, expected)
      except UserError:
        raise
      except Exception as error:
        # A file that is as it was written is no reason: memory is short, or this is a bug.
        if verified or isinstance(error, (MemoryError, jax.errors.JaxRuntimeError)):
          raise
        said = textwrap.shorten(f"{type(error).__name__}: {error}", 200)
        fault = f"expected a checkpoint that can be read, found {said}"
      if not verified:
        failed = which_processes(bool(fault))
        fault = fault or (f"processes {failed} cannot read it" if failed else "")
    return restored, fault

  def _read(self, step: int, expected: dict[str, Any]) -> Any:
    found = self._manager.item_metadata(step)["state"]
    if found is None:
      raise FileNotFoundError("no description of the arrays in `state`")
    check_matches(dict(found), expected, self._folder / str(step))
    return self._manager.restore(
      step,
      args=ocp.args.Composite(state=ocp.args.StandardRestore(expected), run=ocp.args.JsonRestore()),
    )

  def _steps(self) -> list[int]:
    """Of the checkpoints on disk, in order."""
    names = (path.name for path in self._folder.iterdir() if path.is_dir())
    return sorted(int(name) for name in names if name.isdecimal())

  def _write_manifest(self) -> None:
    """In the background, in the first process, once all files are there."""
    final = self._folder / str(self._saving)
    unfinished = final.with_name(final.name + _UNFINISHED)
    checksums.write(unfinished if unfinished.is_dir() else final, without=_CHANGING)

  @contextlib.contextmanager
  def _explained(self) -> Iterator[None]:
    """Makes a UserError of what the storage says to a save."""
    try:
      yield
    except (OSError, ValueError, jax.errors.JaxRuntimeError) as error:
      reason = orbax_errors.of_storage(error)
      if reason is None:
        raise
      # It has forgotten the checkpoints that it would have deleted after this one.
      failed, self._manager = self._manager, self._open()
      if jax.process_count() == 1:  # else its threads may wait for other processes
        with contextlib.suppress(OSError, ValueError):
          failed.close()
      if jax.process_index() == 0:
        # It takes room. Threads may still write in it; what they leave goes at the next start.
        shutil.rmtree(self._folder / f"{self._saving}{_UNFINISHED}", ignore_errors=True)
      self._latest = max(self._steps(), default=None)
      steps = ", ".join(str(step) for step in self._steps())
      older = (
        f"older checkpoints (steps {steps}) remain usable" if steps else "there is no older one"
      )
      raise UserError(
        f"{self._folder}: the checkpoint of step {self._saving} could not be written ({reason}); "
        f"{older}; free space and give the same command again"
      ) from error
