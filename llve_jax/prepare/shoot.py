"""The scenes of a shoot: which file is what."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES
from llve_jax.io.video import VIDEO_SUFFIXES

TREES = {
  "turntable": """\
  SHOOT/
    SCENE/            any name; SHOOT itself may be one scene
      dark.mp4        one video of the pan, any name
      stills/         bright stills of the same pan; or right in SCENE
        0001.jpg ...  in the order of their names""",
  "beam_splitter": """\
  SHOOT/
    SCENE/            any name; SHOOT itself may be one scene
      low*.mp4        the dark camera's video (or dark*)
      high*.mp4       the bright camera's video""",
  "static": """\
  SHOOT/
    SCENE/            any name; SHOOT itself may be one scene
      short/          raw frames of the dark burst, in the order of their names
      long/           one raw frame of the long exposure""",
}
_LOW, _HIGH = ("low", "dark"), ("high", "bright")


@dataclasses.dataclass(frozen=True)
class Scene:
  """One view that was filmed twice.

  Attributes:
    name: of its folder.
    folder: where its files are.
    low: the dark side: one video, or the raw frames in order.
    high: the bright side: stills in order, one video, or one raw frame.
    problem: why it cannot be used; empty if it can.
  """

  name: str
  folder: Path
  low: tuple[Path, ...] = ()
  high: tuple[Path, ...] = ()
  problem: str = ""


def find_scenes(shoot: Path, mode: str, *, out: Path, on_error: str = "fail") -> list[Scene]:
  """All scenes of a shoot, sorted by name; folders without a picture are no scenes.

  Args:
    shoot: the folder.
    mode: a key of `TREES`.
    out: folder of the output, which is no scene.
    on_error: `skip` returns an incomplete scene with its `problem`.

  Raises:
    UserError: there is no scene; or, unless told to skip, one is incomplete.
  """
  if not shoot.is_dir():
    raise UserError(f"{shoot}: expected the folder of a shoot, found no such folder")
  read = _READERS[mode]
  folders = [shoot] if _media(shoot, mode) else _folders(shoot, out)
  scenes = []
  for folder in folders:
    name = folder.resolve().name
    try:
      low, high = read(folder)
    except UserError as error:
      if on_error == "fail":
        raise
      scenes.append(Scene(name, folder, problem=str(error)))
      continue
    if low or high:
      scenes.append(Scene(name, folder, low, high))
  if not scenes:
    raise UserError(f"{shoot}: expected scenes, found none; a shoot looks like\n{TREES[mode]}")
  return scenes


def natural(path: Path) -> tuple[tuple[int, str], ...]:
  """Sorts names with their numbers by value: 9.jpg before 10.jpg."""
  parts = re.findall(r"\d+|\D+", path.name)
  return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def _media(shoot: Path, mode: str) -> bool:
  """Whether the folder is a scene itself."""
  if mode == "static":
    return (shoot / "short").is_dir() or (shoot / "long").is_dir()
  has_stills = mode == "turntable" and (shoot / "stills").is_dir()
  return has_stills or bool(_files(shoot, VIDEO_SUFFIXES))


def _folders(shoot: Path, out: Path) -> list[Path]:
  found = (path for path in shoot.iterdir() if path.is_dir() and not path.name.startswith("."))
  return sorted((path for path in found if path.resolve() != out.resolve()), key=natural)


def _files(folder: Path, suffixes: tuple[str, ...] | None) -> tuple[Path, ...]:
  """Files with one of the suffixes (None: any) that are not hidden, in natural order."""
  found = (
    path
    for path in folder.iterdir()
    if path.is_file()
    and not path.name.startswith(".")
    and (suffixes is None or path.suffix.lower() in suffixes)
  )
  return tuple(sorted(found, key=natural))


_Sides = tuple[tuple[Path, ...], tuple[Path, ...]]


def _turntable(folder: Path) -> _Sides:
  videos = _files(folder, VIDEO_SUFFIXES)
  stills_folder = folder / "stills"
  place = stills_folder if stills_folder.is_dir() else folder
  stills = _files(place, IMAGE_SUFFIXES)
  if not videos and not stills and place == folder:
    return (), ()
  if len(videos) != 1:
    raise _wrong_count(folder, "one video of the pan", videos, "turntable")
  if not stills:
    raise UserError(
      f"{place}: expected bright stills ({' '.join(IMAGE_SUFFIXES)}), found none; a shoot looks "
      f"like\n{TREES['turntable']}"
    )
  return videos, stills


def _beam_splitter(folder: Path) -> _Sides:
  videos = _files(folder, VIDEO_SUFFIXES)
  if not videos:
    return (), ()
  low = tuple(path for path in videos if path.name.lower().startswith(_LOW))
  high = tuple(path for path in videos if path.name.lower().startswith(_HIGH))
  if len(low) != 1:
    raise _wrong_count(folder, "one video named low* or dark*", low, "beam_splitter")
  if len(high) != 1:
    raise _wrong_count(folder, "one video named high* or bright*", high, "beam_splitter")
  return low, high


def _static(folder: Path) -> _Sides:
  short, long = folder / "short", folder / "long"
  if not short.is_dir() and not long.is_dir():
    return (), ()
  low = _files(short, None) if short.is_dir() else ()
  high = _files(long, None) if long.is_dir() else ()
  if not low:
    raise _wrong_count(short, "raw frames of the dark burst", low, "static")
  if len(high) != 1:
    raise _wrong_count(long, "one raw frame of the long exposure", high, "static")
  return low, high


def _wrong_count(folder: Path, wanted: str, found: tuple[Path, ...], mode: str) -> UserError:
  names = ", ".join(path.name for path in found) or "none"
  return UserError(f"{folder}: expected {wanted}, found {names}; a shoot looks like\n{TREES[mode]}")


_READERS: dict[str, Callable[[Path], _Sides]] = {
  "turntable": _turntable,
  "beam_splitter": _beam_splitter,
  "static": _static,
}
