"""What a folder of files should hold: size and CRC32 of each, to tell damage from a whole copy."""

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing

NAME = "manifest.json"
_BLOCK = 1 << 24  # bytes read at once


def write(folder: Path, *, without: tuple[str, ...] = ()) -> None:
  """Lists every file under `folder` in `folder/manifest.json`, which is there whole or not at all.

  Args:
    folder: holds the files; folders in it are listed too.
    without: paths relative to `folder` of files that still change.

  Raises:
    OSError: a file cannot be read, or the list not be written.
  """
  files = {
    name: {"bytes": path.stat().st_size, "crc32": _crc32(path)}
    for path in sorted(folder.rglob("*"))
    if path.is_file() and (name := path.relative_to(folder).as_posix()) not in (NAME, *without)
  }
  _put(folder, files)


def replace(folder: Path, name: str, content: bytes) -> None:
  """Replaces a file that is listed; whenever this is cut short, `fault` finds nothing wrong.

  First both contents are listed, then the file is replaced, then the new one alone is listed.

  Args:
    folder: holds the files; without a manifest there is nothing to list.
    name: path of the file relative to `folder`.
    content: what it shall hold.

  Raises:
    OSError: something cannot be written; the file is the old one or the new one.
    UserError: the manifest is damaged.
  """
  try:
    files = json.loads((folder / NAME).read_text())["files"]
    before = dict(files[name])
  except FileNotFoundError:
    files, before = None, {}
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(
      f"{folder / NAME}: expected a list of files with {name}, found something else; give the same "
      "command again, which sets this checkpoint aside"
    ) from error
  other = before.pop("or", None)
  if other and not _difference(folder, name, other):
    before = other  # the last time it was cut short before the file was replaced
  after = {"bytes": len(content), "crc32": f"{zlib.crc32(content):08x}"}
  if files is not None:
    _put(folder, files | {name: {**after, "or": before}})
  with _written(folder / name) as file:
    file.write(content)
  if files is not None:
    _put(folder, files | {name: after})


def _put(folder: Path, files: dict[str, dict[str, Any]]) -> None:
  with _written(folder / NAME) as file:
    file.write(json.dumps({"files": files}, indent=1).encode())


@contextlib.contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
  """A file that takes the place of `path` once it is whole, and on the disk."""
  with replacing(path) as temporary, open(temporary, "wb") as file:
    yield file
    file.flush()
    os.fsync(file.fileno())


def fault(folder: Path) -> str:
  """What is wrong with `folder` by its manifest; "" if every file listed is as it was.

  The text names the first file that is not, with what was expected and found. Files that are not
  listed are not looked at.

  Raises:
    FileNotFoundError: there is no manifest.
  """
  try:
    listed = json.loads((folder / NAME).read_text())["files"]
    wrong = [text for name, entry in listed.items() if (text := _difference(folder, name, entry))]
  except FileNotFoundError:
    raise
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    return f"{NAME}: expected a list of files in JSON, found something else ({error})"
  except OSError as error:
    return f"{NAME}: expected a list of files, cannot read it ({error.strerror})"
  more = f" (and {len(wrong) - 1} more files)" if len(wrong) > 1 else ""
  return wrong[0] + more if wrong else ""


def set_aside(path: Path) -> Path:
  """Renames a damaged file or folder to a free name, e.g. `7.corrupt`; returns that.

  Raises:
    OSError: it cannot be renamed.
  """
  target, number = path.with_name(f"{path.name}.corrupt"), 2
  while target.exists():
    target, number = path.with_name(f"{path.name}.corrupt.{number}"), number + 1
  return path.rename(target)


def _difference(folder: Path, name: str, entry: dict[str, Any]) -> str:
  """What is wrong with a file; "" if it is as its entry says, or as the entry in "or" does."""
  if "or" in entry and not _difference(folder, name, entry["or"]):
    return ""
  expected = f"expected {entry['bytes']} bytes with CRC32 {entry['crc32']}"
  try:
    size = (folder / name).stat().st_size
    if size != entry["bytes"]:
      return f"{name}: {expected}, found {size} bytes"
    found = _crc32(folder / name)
  except FileNotFoundError:
    return f"{name}: {expected}, found no such file"
  except OSError as error:
    return f"{name}: {expected}, cannot read it ({error.strerror})"
  return "" if found == entry["crc32"] else f"{name}: {expected}, found CRC32 {found}"


def _crc32(path: Path) -> str:
  """Of the bytes of a file, as eight hexadecimal digits."""
  value = 0
  with open(path, "rb") as file:
    while block := file.read(_BLOCK):
      value = zlib.crc32(block, value)
  return f"{value:08x}"
