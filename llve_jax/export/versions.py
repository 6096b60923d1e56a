"""A folder of versions, 1, 2, 3, as TensorFlow Serving and Triton watch it for newer ones."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.export import manifest


@contextlib.contextmanager
def next_version(base: str | os.PathLike[str]) -> Iterator[Path]:
  """Yields where the next version goes; a folder that was made for it goes again on failure.

  Args:
    base: the folder of versions; made if it is missing.

  Raises:
    UserError: it cannot be made, or holds something that is no version of an export.
  """
  path = Path(base).resolve()
  if not path.parent.is_dir():
    raise UserError(f"{base}: the folder {path.parent} does not exist; create it first")
  if path.exists() and not path.is_dir():
    raise UserError(f"{base}: expected a folder of versions, found a file; choose another name")
  made = not path.exists()
  others = [] if made else sorted(each.name for each in path.iterdir() if not _is_version(each))
  if others:
    raise UserError(
      f"{base}: expected a folder of versions (1, 2, 3), found {others[0]} in it; choose another "
      "name, or leave --versions out"
    )
  try:
    path.mkdir(exist_ok=True)
  except OSError as error:
    raise UserError(f"{base}: cannot be made: {error.strerror}; choose another place") from error
  newest = max((int(each.name) for each in path.iterdir()), default=0)
  try:
    yield path / str(newest + 1)
  except BaseException:
    if made:
      path.rmdir()
    raise


def _is_version(path: Path) -> bool:
  return path.name.isdecimal() and (path / manifest.NAME).is_file()
