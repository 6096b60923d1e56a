"""Checkpoints that are not whole: what becomes of them, and what is said."""

from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.io import checksums


def none_left(folder: Path, faults: dict[int, str]) -> str:
  """Why no checkpoint of `folder` can be restored; `faults`: what is wrong with each, by step."""
  if not faults:
    return f"{folder}: holds no checkpoint to restore"
  return (
    f"{folder}: none of its checkpoints is whole: "
    + "; ".join(f"{step}: {fault}" for step, fault in faults.items())
    + ". Put a good copy of one in its place and give the same command again, or begin from the "
    "first step in another folder (--workdir)"
  )


def set_aside(folder: Path, faults: dict[int, str], *, going_on_from: int) -> None:
  """Renames checkpoints, newest first, and says so; at any moment the folder can be restored.

  Args:
    folder: holds the checkpoints.
    faults: what is wrong with those to rename, by step.
    going_on_from: the step of the one that is used instead.

  Raises:
    UserError: one cannot be renamed.
  """
  for step, fault in faults.items():
    path = folder / str(step)
    try:
      target = checksums.set_aside(path)
    except OSError as error:
      raise UserError(
        f"{path}: {fault}; cannot be renamed ({error.strerror}); move it away"
      ) from error
    print(
      f"{path}: damaged: {fault}; set aside as {target.name}, going on from step {going_on_from}",
      flush=True,
    )
