"""What a folder shows of files: none that is hidden, such as a Mac leaves beside each it copies."""

from collections.abc import Container
from pathlib import Path


def visible_files(folder: Path, suffixes: Container[str], *, below: bool = False) -> list[Path]:
  """The files of a folder with one of the suffixes, in the order of their names.

  Args:
    folder: it may be hidden itself.
    suffixes: in small letters, with their dot; files may have them in capitals.
    below: those in folders inside too, unless a folder between is hidden.
  """
  found = folder.rglob("*") if below else folder.iterdir()
  return sorted(path for path in found if _shown(path, folder, suffixes))


def _shown(path: Path, folder: Path, suffixes: Container[str]) -> bool:
  hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
  return not hidden and path.suffix.lower() in suffixes and path.is_file()
