"""Rows of a long table that outlive a stop: each is a file, made anew if what it is of changed.

What a row is of are the files that the caller names and a few settings, not the code: remove the
folder after a change of that.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llve_jax.io.atomic import replacing

Row = dict[str, dict[str, float]]
"""Part of the page -> figure -> value."""


def kept(file: Path, of: Mapping[str, Any], make: Callable[[], Row]) -> Row:
  """The row in `file`, if it is one of the same things; else a new one, written there.

  A file that is no row of this kind counts as none.

  Args:
    file: where it is kept, JSON.
    of: everything it depends on, in types of JSON.
    make: makes it.
  """
  wanted = json.loads(json.dumps(of))
  try:
    found = json.loads(file.read_text(encoding="utf-8"))
    if found["of"] == wanted:
      row: Row = found["row"]
      return row
  except (OSError, ValueError, KeyError, TypeError):
    pass
  row = make()
  file.parent.mkdir(parents=True, exist_ok=True)
  with replacing(file) as temporary:
    temporary.write_text(json.dumps({"of": wanted, "row": row}, indent=1), encoding="utf-8")
  return row


def digest(path: Path) -> str:
  """Of a file its SHA-256; of a folder the SHA-256 of the names, sizes and times of its files."""
  if path.is_file():
    return hashlib.sha256(path.read_bytes()).hexdigest()
  names = [
    f"{file.relative_to(path)} {file.stat().st_size} {file.stat().st_mtime_ns}"
    for file in sorted(path.rglob("*"))
    if file.is_file()
  ]
  return hashlib.sha256("\n".join(names).encode()).hexdigest()
