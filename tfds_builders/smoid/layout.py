"""Where the clips of SMOID lie, and which split each belongs to."""

from pathlib import Path

import numpy as np

from llve_jax.errors import UserError
from tfds_builders.base.scan import Clip, Scan, files_in, pair_by_name, require_folder

_TREE = """
    MANUAL_DIR/
      0_data/
        {low}/  NAME.npy ...    dark, uint16 [frames, height/2, width/2, 4]: G B of the even
                                rows, R G of the odd ones
        {high}/  NAME.npy ...    bright, uint8 [frames, height, width, 3]
      file_list valid_list test_list     optional: lines "NAME GT_PATH IN_PATH"
"""
# config -> folders of the dark and the bright clips
_FOLDERS = {
  "natural": ("train", "gt"),
  "he2he": ("train", "gt"),
  "he2he_files": ("train_he", "gt_he"),
}
_CUSTOMIZED = """
    MANUAL_DIR/
      customized_list    lines "NAME GT_PATH IN_PATH": clips of one's own, not equalised; paths
                         start at MANUAL_DIR; without GT_PATH's file a clip has no target
"""
CUSTOMIZED = "customized"
TREES = {config: _TREE.format(low=low, high=high) for config, (low, high) in _FOLDERS.items()}
TREES[CUSTOMIZED] = _CUSTOMIZED
CONFIGS = tuple(TREES)

LISTS = {"train": "file_list", "validation": "valid_list", "test": "test_list"}
SEED = 236
PUBLISHED = (125, 27, 27)  # clips of train, validation and test


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  return TREES[_known(config)]


def split_names(names: list[str]) -> dict[str, list[str]]:
  """The published split: names in order, permuted with seed 236, cut 125 : 27 : 27.

  Another number of clips is cut in the same proportion; no split of three or more clips is empty.
  """
  order = sorted(names)
  order = [order[place] for place in np.random.RandomState(SEED).permutation(len(order))]
  if len(order) < 3:
    raise UserError(f"expected at least 3 clips to split, found {len(order)}: {', '.join(order)}")
  held = max(1, round(len(order) * PUBLISHED[1] / sum(PUBLISHED)))
  train = len(order) - 2 * held
  return {
    "train": order[:train],
    "validation": order[train : train + held],
    "test": order[train + held :],
  }


def scan(root: Path, config: str = "natural") -> Scan:
  """Pairs the two beams by name; splits by the list files where they are, else by the seed."""
  found = Scan()
  if _known(config) == CUSTOMIZED:
    _scan_customized(root / "customized_list", found)
    return found
  low, high = (root / "0_data" / folder for folder in _FOLDERS[config])
  present = [require_folder(folder, tree(config), found) for folder in (low, high)]
  if not all(present):
    return found
  pairs = {
    dark.stem: (dark, bright)
    for dark, bright in pair_by_name(
      files_in(low, (".npy",), scan=found), files_in(high, (".npy",), scan=found), found
    )
  }
  lists = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
  if lists:
    splits = {split: _listed(path, pairs, found) for split, path in lists.items()}
    _report_leaks(splits, lists, found)
  elif len(pairs) >= 3:
    splits = split_names(list(pairs))
  else:
    found.report("missing", low, f"expected at least 3 pairs of clips to split, found {len(pairs)}")
    return found
  for split, names in splits.items():
    for name in names:
      dark, bright = pairs[name]
      found.add(split, Clip(name, (dark,), (bright,)))
  return found


def _scan_customized(path: Path, found: Scan) -> None:
  """The clips of a list of one's own; all are for the test."""
  if not path.is_file():
    found.report("missing", path, f"expected this list; the whole tree is\n{_CUSTOMIZED}")
    return
  for number, line in enumerate(path.read_text().splitlines(), 1):
    words = line.split()
    if not words:
      continue
    if len(words) != 3:
      message = f"line {number}: expected NAME GT_PATH IN_PATH, found {len(words)} word(s)"
      found.report("unreadable", path, message)
      continue
    name, bright, dark = words[0], *(path.parent / word for word in words[1:])
    if dark.is_file():
      found.add("test", Clip(name, (dark,), (bright,) if bright.is_file() else ()))
    else:
      found.report("missing", dark, f"line {number} of {path.name} names it; there is no such file")


def _listed(path: Path, pairs: dict[str, tuple[Path, Path]], found: Scan) -> list[str]:
  """Names of a list file that are there; the others are reported."""
  names = []
  for number, line in enumerate(path.read_text().splitlines(), 1):
    if not line.strip():
      continue
    name = line.split()[0]
    if name in pairs:
      names.append(name)
    else:
      found.report(
        "missing", path, f"line {number} names {name}, of which there is no pair of clips"
      )
  return names


def _report_leaks(splits: dict[str, list[str]], lists: dict[str, Path], found: Scan) -> None:
  owner: dict[str, str] = {}
  for split, names in splits.items():
    for name in names:
      if owner.setdefault(name, split) != split:
        found.report(
          "leak", lists[split], f"names {name}, which {lists[owner[name]].name} names, too"
        )


def _known(config: str) -> str:
  if config not in TREES:
    raise UserError(f"smoid has no configuration {config!r}; it has {', '.join(TREES)}")
  return config
