"""Where pairs of dark and bright clips lie: video files, folders of images, or prepared scenes."""

from pathlib import Path
from typing import Any

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES
from llve_jax.io.video import VIDEO_SUFFIXES
from tfds_builders.base.prepared import kept_lines, split_by_scene
from tfds_builders.base.scan import Clip, Scan, files_in, natural_key, require_folder

_FOLDERS = """
    MANUAL_DIR/
      train/
        low/   NAME ...         dark clips: {clips}
        high/  NAME ...         bright clips of the same names; a folder with one image in it is
                                the target of all frames
      val/     low/ high/       split "validation"; without it, a tenth of train
      test/    low/ high/       optional
"""
_PREPARED = """
    MANUAL_DIR/                 written by `python -m llve_jax.prepare`, --beam_splitter or --static
      manifest.jsonl
      SCENE/
        low/   000000.png ...   dark frames{bits}
        high/  000000.png ...   as many bright ones, or one that is the target of all
"""
TREES = {
  "rgb8": _FOLDERS.format(clips="video files, or folders of images"),
  "rgb16": _FOLDERS.format(clips="folders of images, 16 bits per channel"),
  "prepared": _PREPARED.format(bits=""),
  "prepared16": _PREPARED.format(bits=", 16 bits per channel"),
}
CONFIGS = tuple(TREES)

_SPLITS = {"train": ("train", True), "validation": ("val", False), "test": ("test", False)}
_DEEP_SUFFIXES = (".png", ".tif", ".tiff")


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  if config not in TREES:
    raise UserError(f"paired_video has no configuration {config!r}; it has {', '.join(TREES)}")
  return TREES[config]


def is_deep(config: str) -> bool:
  """Whether a configuration holds 16 bits per channel."""
  return config.endswith("16")


def is_video(path: Path) -> bool:
  """Whether a file holds all frames of a clip."""
  return path.suffix.lower() in VIDEO_SUFFIXES


def scan(root: Path, config: str = "rgb8") -> Scan:
  """Pairs the clips of every split by name; a video's name is that of the file without suffix.

  Raises:
    UserError: a prepared folder holds one scene only.
  """
  return (_scan_prepared if config.startswith("prepared") else _scan_folders)(root, config)


def _scan_folders(root: Path, config: str) -> Scan:
  found = Scan()
  expected = tree(config)
  for split, (name, required) in _SPLITS.items():
    folders = [root / name / side for side in ("low", "high")]
    if not required and not any(folder.is_dir() for folder in folders):
      continue
    present = [require_folder(folder, expected, found) for folder in folders]
    if not all(present):
      continue
    low, high = (_clips_in(folder, is_deep(config), found) for folder in folders)
    for mine, other, side in ((low, high, "bright"), (high, low, "dark")):
      for name in sorted(mine.keys() - other.keys(), key=natural_key):
        found.report("unpaired", mine[name], f"expected a {side} clip of the same name, found none")
    for name in sorted(low.keys() & high.keys(), key=natural_key):
      _add(found, split, f"{split}/{name}", low[name], high[name], is_deep(config))
  found.hold_out(10)
  return found


def _clips_in(folder: Path, deep: bool, found: Scan) -> dict[str, Path]:
  """Videos and folders of images, by name."""
  clips: dict[str, Path] = {}
  for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
    if path.name.startswith("."):
      continue
    if not path.is_dir() and not is_video(path):
      expected = "is no folder of images" if deep else "is neither a video nor a folder of images"
      found.report("surplus", path, f"{expected}; it is ignored", fatal=False)
      continue
    name = path.name if path.is_dir() else path.stem
    if name in clips:
      found.report("duplicate", path, f"has the same name as {clips[name].name}; remove one")
    else:
      clips[name] = path
  return clips


def _scan_prepared(root: Path, config: str) -> Scan:
  found = Scan()
  lines = kept_lines(root, {"scene": str}, tree(config), found)
  rates = {line["scene"]: _number(line.get("fps")) for line in lines}
  splits = split_by_scene(rates, root)
  for scene in sorted(rates, key=natural_key):
    low, high = (root / scene / side for side in ("low", "high"))
    present = [require_folder(folder, tree(config), found) for folder in (low, high)]
    if all(present):
      _add(found, splits[scene], scene, low, high, is_deep(config), rates[scene])
  others = [path for path in root.iterdir() if path.name not in rates] if lines else []
  for path in sorted(others, key=lambda path: natural_key(path.name)):
    if any((path / side).is_dir() for side in ("low", "high")):
      found.report("surplus", path, "the manifest does not name it; it is ignored", fatal=False)
  return found


def _number(value: Any) -> float:
  return float(value) if isinstance(value, int | float) else 0.0


def _add(
  found: Scan,
  split: str,
  name: str,
  dark: Path,
  bright: Path,
  deep: bool,
  fps: float = 0.0,
) -> None:
  """Adds a clip unless something is wrong with a frame of it, which would leave a gap."""
  before = len(found.problems)
  low, high = (_files(path, deep, found) for path in (dark, bright))
  if any(problem.fatal for problem in found.problems[before:]):
    return
  # What a video holds is known when it is read.
  known = not is_video(low[0]) and not is_video(high[0])
  if known and len(high) not in (1, len(low)):
    found.report(
      "unpaired",
      dark,
      f"expected as many frames as {bright}, or one bright image for all, found {len(low)} dark "
      f"and {len(high)} bright ones",
    )
  else:
    found.add(split, Clip(name, low, high, {"fps": fps}))


def _files(path: Path, deep: bool, found: Scan) -> tuple[Path, ...]:
  """The frames of a folder, or a video itself."""
  if not path.is_dir():
    if deep:
      found.report(
        "unreadable",
        path,
        "is a video, which is read with 8 bits; expected a folder of 16-bit images, or use the "
        "configuration `rgb8`",
      )
    elif path.stat().st_size == 0:
      found.report("unreadable", path, "is empty (zero bytes); copy it again")
    return (path,)
  suffixes = _DEEP_SUFFIXES if deep else IMAGE_SUFFIXES
  before = len(found.problems)
  files = files_in(path, suffixes, scan=found)
  if not files and not any(problem.fatal for problem in found.problems[before:]):
    found.report("missing", path, f"expected frames ({' '.join(suffixes)}), found none")
  return tuple(files)
