"""Several processes on one folder: they agree on what is in it."""

import os
from pathlib import Path
from uuid import uuid4

import jax

from llve_jax.errors import UserError
from llve_jax.job.agree import from_first, which_processes
from llve_jax.job.lock import writable_folder


def shared_folder(folder: str | os.PathLike[str]) -> Path:
  """Makes `folder` in the first process, and proves that the others see the same one.

  Returns:
    Its absolute path.

  Raises:
    UserError: see `writable_folder`; or some processes see another folder. In all processes.
  """
  path = Path(folder).absolute()
  token = f".seen-by-all-{uuid4().hex}"

  def prepare() -> str:
    writable_folder(folder)
    if jax.process_count() > 1:
      for left in path.glob(".seen-by-all-*"):
        left.unlink()
      (path / token).touch()
    return token

  seen = path / from_first(prepare)
  if jax.process_count() > 1:
    blind = which_processes(not seen.exists())
    if jax.process_index() == 0:
      seen.unlink()
    if blind:
      raise UserError(
        f"{path}: not the same folder in all processes: {blind} do not see what process 0 writes; "
        "expected a folder that all hosts see (NFS, Filestore, a bucket mounted as a folder)"
      )
  return path
