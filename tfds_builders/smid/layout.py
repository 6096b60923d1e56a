"""Where the clips of Seeing-Motion-in-the-Dark lie, and which split each belongs to."""

import re
from collections.abc import Callable
from pathlib import Path

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip, Scan, files_in, natural_key, require_folder

_LISTS_TEXT = """
      train_list.txt val_list.txt test_list.txt     129, 24 and 49 ids, one of four digits per line
"""
TREES = {
  "static": """
    MANUAL_DIR/
      VBM4D_rawRGB/  0001/ ... 0202/    *.png, 16 bits: binned raw RGB, denoised by the authors
      long/          0001/ ... 0202/    half0001*.png, 16-bit sRGB: the target of the whole clip"""
  + _LISTS_TEXT,
  "dynamic": """
    MANUAL_DIR/
      VBM4D_rawRGB/  M0000/ ... M0022/  *.png, 16 bits; these clips have no target
""",
  "static_raw": """
    MANUAL_DIR/
      short*/        0001/ ... 0202/    *.ARW: the five archives, unpacked side by side
      long/          0001/ ... 0202/    *.ARW, and half0001*.png if it is there"""
  + _LISTS_TEXT,
  "dynamic_raw": """
    MANUAL_DIR/
      short*/        M0000/ ... M0022/  *.ARW; these clips have no target
""",
  "srgb_np": """
    MANUAL_DIR/
      SMID_LQ_np/    0001/ ... 0202/    *.npy, uint8 [height, width, 3], blue first
      SMID_Long_np/  0001/ ... 0202/    *.npy, the first one is the target of the whole clip
      test_list.txt                     49 ids; all others are trained on
""",
}
CONFIGS = tuple(TREES)

_LISTS = {"train": "train_list.txt", "validation": "val_list.txt", "test": "test_list.txt"}
_STATIC_ID = re.compile(r"\d{4}")
_DYNAMIC_ID = re.compile(r"M\d{4}")

Files = Callable[[Path], list[Path]]


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  return TREES[_known(config)]


def scan(root: Path, config: str = "static") -> Scan:
  """Finds every clip's frames and target; static clips are split by the lists, dynamic are test."""
  found = Scan()
  folders = _short_folders(root, _known(config), found)
  pattern = _DYNAMIC_ID if config.startswith("dynamic") else _STATIC_ID
  clips = {
    folder.name: folder
    for parent in folders
    for folder in sorted(parent.iterdir(), key=lambda path: natural_key(path.name))
    if folder.is_dir() and pattern.fullmatch(folder.name)
  }
  if config.startswith("dynamic"):
    splits = {"test": list(clips)}
  else:
    splits = _splits(root, list(clips), config, found)
  for split, names in splits.items():
    for name in names:
      clip = _clip(root, name, clips[name], config, found)
      if clip is not None:
        found.add(split, clip)
  return found


def _clip(root: Path, name: str, folder: Path, config: str, found: Scan) -> Clip | None:
  """A clip with its target, unless something is missing."""
  suffixes = {"srgb_np": (".npy",), "static_raw": (".arw",), "dynamic_raw": (".arw",)}
  low = files_in(folder, suffixes.get(config, (".png",)), scan=found)
  if not low:
    found.report(
      "missing", folder, f"expected frames {suffixes.get(config, ('.png',))[0]}, found none"
    )
    return None
  if config.startswith("dynamic"):
    return Clip(name, tuple(low))
  target = _target(root, name, config, found)
  if target is None:
    return None
  facts = {}
  if config == "static_raw":
    exposures = files_in(root / "long" / name, (".arw",))
    if not exposures:
      found.report("missing", root / "long" / name, "expected the long exposure *.ARW, found none")
      return None
    facts = {"long": str(exposures[0])}
  return Clip(name, tuple(low), (target,), facts)


def _target(root: Path, name: str, config: str, found: Scan) -> Path | None:
  """The bright frame of a static clip."""
  folder = root / ("SMID_Long_np" if config == "srgb_np" else "long") / name
  if not folder.is_dir():
    found.report("missing", folder, f"expected this folder with the target of clip {name}")
    return None
  if config == "srgb_np":
    files = [
      path
      for path in files_in(folder, (".npy",))
      if "half" not in path.name and ".ARW" not in path.name
    ]
    wanted = "a .npy file without half or .ARW in its name"
  else:
    files = [path for path in files_in(folder, (".png",)) if path.name.startswith("half0001")]
    wanted = "half0001*.png"
    if not files and config == "static_raw":
      files, wanted = files_in(folder, (".arw",)), "half0001*.png or *.ARW"
  if not files:
    found.report("missing", folder, f"expected {wanted}, found none")
    return None
  return files[0]


def _splits(root: Path, names: list[str], config: str, found: Scan) -> dict[str, list[str]]:
  """Clips by split; ids that lists name but are not there, or the other way round, are reported."""
  wanted = {"test": _LISTS["test"]} if config == "srgb_np" else _LISTS
  listed: dict[str, list[str]] = {}
  owner: dict[str, str] = {}
  for split, file in wanted.items():
    path = root / file
    if not path.is_file():
      found.report("missing", path, f"expected this list; the whole tree is\n{tree(config)}")
      continue
    listed[split] = []
    for name in path.read_text().split():
      if name not in names:
        found.report("missing", path, f"names clip {name}, of which there are no frames")
      elif owner.setdefault(name, split) != split:
        found.report("leak", path, f"names clip {name}, which {wanted[owner[name]]} names, too")
      else:
        listed[split].append(name)
  rest = [name for name in names if name not in owner]
  if config == "srgb_np":
    return {"train": rest, **listed}
  for name in rest:
    found.report("surplus", root / name, "is in none of the lists; it is ignored", fatal=False)
  return listed


def _short_folders(root: Path, config: str, found: Scan) -> list[Path]:
  """The folders that hold a folder per clip."""
  if not config.endswith("_raw"):
    folder = root / ("SMID_LQ_np" if config == "srgb_np" else "VBM4D_rawRGB")
    return [folder] if require_folder(folder, tree(config), found) else []
  folders = sorted(path for path in root.glob("short*") if path.is_dir())
  if not folders:
    require_folder(root / "short", tree(config), found)
  return folders


def _known(config: str) -> str:
  if config not in TREES:
    raise UserError(f"smid has no configuration {config!r}; it has {', '.join(TREES)}")
  return config
