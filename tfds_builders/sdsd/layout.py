"""Where the frames of SDSD lie, and which of its clips are for testing."""

import collections
import re
from pathlib import Path

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip, Scan, files_in, natural_key, require_folder

_TREE = """
    MANUAL_DIR/
      {folder}/
        GT/     {clip}/ 0001.npy ...    bright frames, uint8 [512, 960, 3], blue first
        input/  {clip}/ 0001.npy ...    dark frames of the same names
"""
_FOLDERS = {
  "indoor": "indoor_np",
  "outdoor": "outdoor_np",
  "indoor_static": "indoor_static_np",
  "outdoor_static": "outdoor_static_np",
}
CONFIGS = tuple(_FOLDERS)

# The authors' test configurations; static: those of SNR-Net and Retinexformer.
TEST_CLIPS = {
  "indoor": tuple(f"pair{n}" for n in (13, 15, 21, 23, 31, 33, 50, 52, 58, 60, 68, 70)),
  "outdoor": tuple(f"pair{n}" for n in (1, 5, 14, 36, 46, 48, 49, 60, 62, 63, 66, 75, 76)),
  "indoor_static": tuple(f"pair{n}" for n in (11, 21, 1, 19, 4, 9)),
  "outdoor_static": tuple(
    f"MVI_{n:04d}" for n in (898, 928, 906, 975, 1001, 997, 1003, 1026, 1030, 1032)
  ),
}
_HEADER = 128  # bytes by which the headers of two .npy files of one shape may differ


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  clip = "MVI_NNNN" if _known(config) == "outdoor_static" else "pairN"
  return _TREE.format(folder=_FOLDERS[config], clip=clip)


def scan(root: Path, config: str = "indoor") -> Scan:
  """Pairs the frames of every clip by name."""
  found = Scan()
  folders = [root / _FOLDERS[_known(config)] / side for side in ("input", "GT")]
  present = [require_folder(folder, tree(config), found) for folder in folders]
  if not all(present):
    return found
  names = {path.name for folder in folders for path in folder.iterdir() if path.is_dir()}
  clips = []
  for name in sorted(names, key=natural_key):
    low, high = (folder / name for folder in folders)
    if low.is_dir() and high.is_dir():
      clips.extend(_clip(name, low, high, found))
    else:
      there, absent = (low, high) if low.is_dir() else (high, low)
      found.report("unpaired", there, f"expected its counterpart {absent}, found none")
  for name in sorted(set(TEST_CLIPS[config]) - names, key=natural_key):
    found.report(
      "missing", folders[0] / name, "expected this clip, which the published tests use; get it"
    )
  for clip in _of_one_size(clips, found):
    found.add("test" if _scene(clip.name, config) in TEST_CLIPS[config] else "train", clip)
  found.hold_out(10, lambda clip: _scene(clip.name, config))
  return found


def _clip(name: str, dark: Path, bright: Path, found: Scan) -> list[Clip]:
  """The clip, if every frame of it has a partner."""
  before = len(found.problems)
  low, high = (files_in(folder, (".npy",), scan=found) for folder in (dark, bright))
  if any(problem.fatal for problem in found.problems[before:]):
    return []  # without a frame it would have a gap
  names = [{path.name for path in paths} for paths in (low, high)]
  if names[0] != names[1]:
    alone = sorted(names[0] ^ names[1], key=natural_key)
    more = ", ..." if len(alone) > 5 else ""
    found.report(
      "unpaired",
      dark,
      f"expected the frames of {bright}, found {len(low)} dark and {len(high)} bright ones; "
      f"without a partner: {', '.join(alone[:5])}{more}",
    )
  elif not low:
    found.report("missing", dark, "expected frames (.npy), found none")
  else:
    return [Clip(name, tuple(low), tuple(high))]
  return []


def _of_one_size(clips: list[Clip], found: Scan) -> list[Clip]:
  """Those whose files are as large as most, which finds what was cut off before hours of work."""
  sizes = {path: path.stat().st_size for clip in clips for path in (*clip.low, *clip.high)}
  usual = collections.Counter(sizes.values()).most_common(1)[0][0] if sizes else 0
  odd = {path for path, size in sizes.items() if abs(size - usual) > _HEADER}
  for path in sorted(odd, key=lambda path: natural_key(str(path))):
    found.report(
      "unreadable",
      path,
      f"has {sizes[path]} bytes, most frames have {usual}: it is cut off, or of another size or "
      "type; copy it again",
    )
  return [clip for clip in clips if not odd.intersection((*clip.low, *clip.high))]


def _scene(name: str, config: str) -> str:
  """The static sets hold a second take of most scenes: pair1 and pair1_2."""
  return re.sub("_2$", "", name) if config.endswith("_static") else name


def _known(config: str) -> str:
  if config not in _FOLDERS:
    raise UserError(f"sdsd has no configuration {config!r}; it has {', '.join(_FOLDERS)}")
  return config
