"""What a folder of downloaded data holds: clips by split, and what is wrong with it.

A scan looks at names and sizes only, so that it takes seconds where building takes hours. The
builder and `experiments.check_data` read the same scan.
"""

import dataclasses
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES


@dataclasses.dataclass(frozen=True)
class Clip:
  """The files of one clip; an image is a clip of one frame.

  Attributes:
    name: unique in the data set.
    low: dark frames in order of time, or one file that holds them all.
    high: bright frames, one per dark one; or one that is the target of all; or none.
    facts: what else the reader of this data set needs to know.
  """

  name: str
  low: tuple[Path, ...]
  high: tuple[Path, ...] = ()
  facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self) -> None:
    object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

  def __reduce__(self) -> tuple[Any, ...]:
    return Clip, (self.name, self.low, self.high, dict(self.facts))  # to Beam's workers


@dataclasses.dataclass(frozen=True)
class Problem:
  """Something that is not as expected.

  Attributes:
    kind: "missing", "unpaired", "surplus", "duplicate", "unreadable", "unequal", "exchanged",
      "misregistered" or "leak".
    path: the file or folder.
    message: what was expected, what was found, what to do.
    fatal: whether the data set cannot be built as it is.
  """

  kind: str
  path: Path
  message: str
  fatal: bool = True

  def __str__(self) -> str:
    return f"{self.kind}: {self.path}: {self.message}"


@dataclasses.dataclass
class Scan:
  """Clips by split, in order of their names, and every problem found."""

  clips: dict[str, list[Clip]] = dataclasses.field(default_factory=dict)
  problems: list[Problem] = dataclasses.field(default_factory=list)

  def add(self, split: str, clip: Clip) -> None:
    """Puts a clip into a split."""
    self.clips.setdefault(split, []).append(clip)

  def hold_out(
    self, one_of: int, scene: Callable[[Clip], str] = operator.attrgetter("name")
  ) -> None:
    """Makes the last scenes of "train" the split "validation", where there is none yet.

    Weights are chosen on it, never on "test". Clips of one scene stay together; what is published
    as training data is `train+validation`.

    Args:
      one_of: so many scenes is held out; nothing where there are fewer.
      scene: of a clip; they come in order.
    """
    clips = self.clips.get("train", [])
    scenes = list(dict.fromkeys(map(scene, clips)))
    held = set(scenes[len(scenes) - len(scenes) // one_of :])
    if held and "validation" not in self.clips:
      self.clips["train"] = [clip for clip in clips if scene(clip) not in held]
      self.clips["validation"] = [clip for clip in clips if scene(clip) in held]

  def report(self, kind: str, path: Path, message: str, *, fatal: bool = True) -> None:
    """Notes a problem."""
    self.problems.append(Problem(kind, path, message, fatal))


def natural_key(name: str) -> tuple[Any, ...]:
  """Sorts "frame2" before "frame10"."""
  parts = re.split(r"(\d+)", name)
  return tuple((int(part), part) if part.isdigit() else (-1, part) for part in parts)


def files_in(
  folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES, *, scan: Scan | None = None
) -> list[Path]:
  """Files of a folder with one of the suffixes, in natural order; hidden ones are ignored.

  With `scan`, files with another suffix are reported as surplus, empty ones as unreadable.
  """
  found = []
  for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
    if path.name.startswith(".") or path.is_dir():
      continue
    if path.suffix.lower() not in suffixes:
      if scan is not None:
        wanted = " ".join(suffixes)
        scan.report("surplus", path, f"is none of {wanted}; it is ignored", fatal=False)
      continue
    if scan is not None and path.stat().st_size == 0:
      scan.report("unreadable", path, "is empty (zero bytes); copy it again")
      continue
    found.append(path)
  return found


def pair_by_name(
  low: Iterable[Path], high: Iterable[Path], scan: Scan, *, drop: str = ""
) -> list[tuple[Path, Path]]:
  """Matches dark and bright files by their names without suffix.

  Args:
    low: dark files.
    high: bright files.
    scan: takes the report of names that are in one list only, or twice in one.
    drop: pattern removed from the names before they are compared, such as "^(low|normal)".
  """
  tables: list[dict[str, Path]] = []
  for paths in (low, high):
    table: dict[str, Path] = {}
    for path in paths:
      name = re.sub(drop, "", path.stem) if drop else path.stem
      if name in table:
        scan.report("duplicate", path, f"has the same name as {table[name].name}; remove one")
      else:
        table[name] = path
    tables.append(table)
  dark, bright = tables
  for mine, other, side in ((dark, bright, "bright"), (bright, dark, "dark")):
    for name in sorted(mine.keys() - other.keys(), key=natural_key):
      scan.report("unpaired", mine[name], f"expected a {side} image of the same name, found none")
  return [
    (dark[name], bright[name]) for name in sorted(dark.keys() & bright.keys(), key=natural_key)
  ]


def require_folder(folder: Path, tree: str, scan: Scan) -> bool:
  """Whether a folder is there; if not, that is reported with the tree expected."""
  if folder.is_dir():
    return True
  scan.report("missing", folder, f"expected this folder; the whole tree is\n{tree}")
  return False


def refuse(scan: Scan, root: Path, tree: str) -> None:
  """Raises what keeps a data set from being built.

  Raises:
    UserError: the first few fatal problems, or that no clip was found.
  """
  fatal = [problem for problem in scan.problems if problem.fatal]
  if fatal:
    shown = "\n".join(f"  {problem}" for problem in fatal[:5])
    more = f"\n  and {len(fatal) - 5} more" if len(fatal) > 5 else ""
    raise UserError(
      f"{root}: cannot be built, {len(fatal)} problems:\n{shown}{more}\n"
      "Mend them, or set the environment variable LLVE_ON_ERROR=skip to leave those out."
    )
  if not any(scan.clips.values()):
    raise UserError(f"{root}: expected clips in this tree, found none:\n{tree}")
