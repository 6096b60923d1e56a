"""The small values of a checkpoint, which can be replaced when its arrays are saved already."""

import json
from pathlib import Path
from typing import Any

from llve_jax.errors import UserError
from llve_jax.io import checksums

FILE = "run/run.json"  # where orbax writes the item `run`


def replace(checkpoint: Path, values: Any) -> None:
  """Replaces the values (JSON) of a checkpoint that is finished, unless they are the same.

  If this is cut short at any moment, even by the end of the process, the checkpoint is whole, with
  the values of before or with these.

  Raises:
    UserError: they cannot be written.
  """
  content = json.dumps(values)
  try:
    if (checkpoint / FILE).read_text() != content:
      checksums.replace(checkpoint, FILE, content.encode())
  except OSError as error:
    raise UserError(
      f"{checkpoint / FILE}: cannot be replaced ({error.strerror}); the checkpoint remains usable; "
      "free space and give the same command again"
    ) from error


def remove_unfinished(folder: Path) -> None:
  """Removes what `replace` has left in the checkpoints in `folder` when it was cut short."""
  for pattern in ("*/.manifest.*.part.json", "*/run/.run.*.part.json"):
    for path in folder.glob(pattern):
      path.unlink(missing_ok=True)
