"""Where bright photographs and films lie: anywhere in one folder."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES
from llve_jax.io.video import VIDEO_SUFFIXES
from tfds_builders.base.scan import Clip, Scan, files_in, natural_key

_TREE = """
    MANUAL_DIR/
      ...                     photographs ({images}) and films ({films}),
                              in subfolders, too; a tenth of them becomes the split "validation"
      validation/             optional: then these files are that split, and no others
"""
TREES = dict.fromkeys(
  ("clips", "small"),
  _TREE.format(
    images=" ".join(suffix.lstrip(".") for suffix in IMAGE_SUFFIXES),
    films=" ".join(suffix.lstrip(".") for suffix in VIDEO_SUFFIXES),
  ),
)
CONFIGS = tuple(TREES)

_VALIDATION = "validation"


def tree(config: str) -> str:
  """The tree that a configuration expects; one of your own expects that of the others."""
  return TREES.get(config, TREES["clips"])


def is_film(path: Path) -> bool:
  """Whether a file holds a film."""
  return path.suffix.lower() in VIDEO_SUFFIXES


def scan(root: Path, config: str = "clips", *, takes: int = 1, validation: float = 0.1) -> Scan:
  """Finds all photographs and films, and deals them to the splits file by file.

  Args:
    root: the folder.
    config: has the same tree whatever it is.
    takes: how often a photograph is filmed: so many clips, called NAME#0, NAME#1, ...
    validation: share of the files in the split of that name, where there is no such folder: at
      least one, if there are two. Which ones depends on their names alone.

  Raises:
    UserError: the share is not between 0 and 1.
  """
  del config
  if not 0 <= validation < 1:
    raise UserError(f"validation={validation}: expected a share of the files, from 0 to below 1")
  found = Scan()
  paths = list(_files_below(root, found))
  names = {path: path.relative_to(root).as_posix() for path in paths}
  held = {path for path in paths if names[path].startswith(f"{_VALIDATION}/")}
  if not held and validation and len(paths) > 1:
    count = min(len(paths) - 1, max(1, round(validation * len(paths))))
    held = set(
      sorted(paths, key=lambda path: (zlib.crc32(names[path].encode()), names[path]))[:count]
    )
  for path in paths:
    split = _VALIDATION if path in held else "train"
    if is_film(path):
      found.add(split, Clip(names[path], (), (path,)))
    else:
      for take in range(takes):
        found.add(split, Clip(f"{names[path]}#{take}", (), (path,)))
  if not paths:
    found.report("missing", root, f"expected photographs or films, found none; {tree('clips')}")
  elif len(held) == len(paths):
    found.report("missing", root, f"expected files beside {_VALIDATION}/ to train on, found none")
  return found


def _files_below(folder: Path, found: Scan) -> Iterator[Path]:
  """Files of a folder, then those of its subfolders."""
  yield from files_in(folder, (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES), scan=found)
  for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
    if path.is_dir() and not path.name.startswith("."):
      yield from _files_below(path, found)
