"""A file that is written is written whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from llve_jax.errors import UserError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
  """Yields a temporary path beside `path`; on success it takes that name, on error it is removed.

  Works for a file and for a folder. The suffix is kept, since encoders choose the container by it.

  Raises:
    UserError: the folder that should hold `path` does not exist.
  """
  path = Path(path)
  if not path.parent.is_dir():
    raise UserError(f"{path}: the folder {path.parent} does not exist; create it first")
  temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
  try:
    yield temporary
    if temporary.is_dir() and path.is_dir():
      shutil.rmtree(path)
    os.replace(temporary, path)
  finally:
    if temporary.is_dir():
      shutil.rmtree(temporary)
    else:
      temporary.unlink(missing_ok=True)
