"""Training state and data iterator in one orbax checkpoint, saved and restored together."""

import os
from pathlib import Path
from typing import Any

import grain.checkpoint
import jax
import orbax.checkpoint as ocp

from llve_jax.errors import UserError
from llve_jax.io.bundle import check_matches


def _flat(tree: Any) -> dict[str, Any]:
  """Leaves by their path, e.g. `generator.params.encoder_0.ConvNorm_0.Conv_0.kernel`."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


class Checkpoints:
  """The checkpoints of one run, newest kept; saving goes on in the background."""

  def __init__(self, folder: str | os.PathLike[str], *, keep: int = 2):
    """Opens (or will create) `folder`; the newest `keep` checkpoints stay."""
    self._folder = Path(folder).absolute()
    options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
    handlers = {
      "state": ocp.StandardCheckpointHandler(),
      "data": grain.checkpoint.CheckpointHandler(),
      "memory": ocp.JsonCheckpointHandler(),
    }
    self._manager = ocp.CheckpointManager(self._folder, item_handlers=handlers, options=options)

  @property
  def latest(self) -> int | None:
    """The step of the newest checkpoint, or None."""
    return self._manager.latest_step()

  def save(self, step: int, state: Any, iterator: Any, memory: dict[str, Any]) -> None:
    """Saves a tree of arrays, a grain iterator and small JSON values under `step`."""
    if step == self.latest:
      return
    self._manager.save(
      step,
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(_flat(state)),
        data=grain.checkpoint.CheckpointSave(iterator),
        memory=ocp.args.JsonSave(memory),
      ),
    )

  def restore(self, state: Any, iterator: Any) -> tuple[Any, dict[str, Any]]:
    """Restores the newest checkpoint.

    Args:
      state: a tree of arrays or `jax.ShapeDtypeStruct`s with shardings, of the shapes expected.
      iterator: the grain iterator of the run; set to the saved position in place.

    Returns:
      The restored tree, placed as `state` is, and the saved JSON values.

    Raises:
      UserError: the checkpoint is that of another network (names the first mismatches).
    """
    step = self.latest
    if step is None:
      raise UserError(f"{self._folder}: holds no checkpoint to restore")
    expected = _flat(state)
    found = self._manager.item_metadata(step)["state"]
    check_matches(dict(found), expected, self._folder / str(step))
    restored = self._manager.restore(
      step,
      args=ocp.args.Composite(
        state=ocp.args.StandardRestore(expected),
        data=grain.checkpoint.CheckpointRestore(iterator),
        memory=ocp.args.JsonRestore(),
      ),
    )
    leaves = [restored["state"][name] for name in expected]
    return jax.tree.unflatten(jax.tree.structure(state), leaves), restored["memory"]

  def close(self) -> None:
    """Waits for saves under way."""
    self._manager.wait_until_finished()
    self._manager.close()
