"""Several processes on one folder: they agree on what is in it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import jax
import numpy as np
from jax.experimental import multihost_utils

from llve_jax.errors import UserError
from llve_jax.job.lock import writable_folder


def from_first(make: Callable[[], Any]) -> Any:
  """What `make` returns (JSON values) in the first process, or its UserError, in all processes.

  All processes have to call it. With one process it is `make()`.
  """
  if jax.process_count() == 1:
    return make()
  value, problem = None, ""
  if jax.process_index() == 0:
    try:
      value = make()
    except UserError as error:
      problem = str(error)
  text = np.frombuffer(json.dumps([value, problem]).encode(), np.uint8)
  size = int(multihost_utils.broadcast_one_to_all(np.int32(text.size)))
  buffer = np.zeros(size, np.uint8)
  buffer[: text.size] = text[:size]
  value, problem = json.loads(bytes(multihost_utils.broadcast_one_to_all(buffer)))
  if problem:
    raise UserError(problem)
  return value


def which_processes(flag: bool) -> list[int]:
  """The processes whose `flag` is true; all have to call it."""
  flags = multihost_utils.process_allgather(np.array(flag))
  return [int(process) for process in np.flatnonzero(flags)]


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
