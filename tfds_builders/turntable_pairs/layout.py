"""Where the registered crops of a shoot lie, and which split each belongs to."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from llve_jax.errors import UserError
from llve_jax.io.images import IMAGE_SUFFIXES
from tfds_builders.base.prepared import MANIFEST, Kind, kept_lines, split_by_scene
from tfds_builders.base.scan import Clip, Scan, natural_key

_TREE = """
    MANUAL_DIR/               written by `python -m llve_jax.prepare --shoot=SHOOT --out=MANUAL_DIR`
      manifest.jsonl          one JSON object a line: scene, pair, crop and their files
      ...                     8-bit PNG files that the manifest names: dark crop, bright crop, mask
"""
TREES = {"scenes": _TREE, "released": _TREE}
CONFIGS = tuple(TREES)

_FIELDS: dict[str, Kind] = {
  **{"scene": str, "pair": int, "crop": int, "frame": int, "fps": float},
  **{"input": str, "gt": str, "mask": str},
  **{"box": (int, int, int, int), "correlation": float, "shift": (float, float)},
}
_FILES = ("input", "gt", "mask")
_FACTS = ("box", "frame", "fps", "correlation", "shift")


def tree(config: str) -> str:
  """The tree that a configuration expects."""
  if config not in TREES:
    raise UserError(f"turntable_pairs has no configuration {config!r}; it has {', '.join(TREES)}")
  return TREES[config]


def scan(root: Path, config: str = "scenes") -> Scan:
  """Takes the kept crops of the manifest; a clip is one crop of one frame.

  Raises:
    UserError: configuration `scenes`, and there is one scene only.
  """
  found = Scan()
  lines = kept_lines(root, _FIELDS, tree(config), found)
  lines.sort(key=lambda line: natural_key(_name(line)))
  # Of what is named, not of what is there: a missing file must not move the others.
  if config == "scenes":
    advice = ", or use the configuration `released`, whose test crops resemble those trained on"
    by_scene = split_by_scene((line["scene"] for line in lines), root, advice)
    splits = {line["input"]: by_scene[line["scene"]] for line in lines}
  else:
    splits = _split_crops([line["input"] for line in lines])
  names: set[str] = set()
  for line in lines:
    name = _name(line)
    if name in names:
      found.report("duplicate", root / MANIFEST, f"names {name} twice; run the preparation again")
    elif _has_files(root, line, found):
      low, high, mask = (root / line[key] for key in _FILES)
      facts = {"mask": mask, **{key: line[key] for key in _FACTS}}
      found.add(splits[line["input"]], Clip(name, (low,), (high,), facts))
    names.add(name)
  if (root / MANIFEST).is_file():
    _report_surplus(root, {root / line[key] for line in lines for key in _FILES}, found)
  return found


def _name(line: dict[str, Any]) -> str:
  return f"{line['scene']}/{line['pair']}_{line['crop']}"


def _split_crops(paths: Sequence[str]) -> dict[str, str]:
  """80 % train, a fifth of which validates, and 20 % test, whatever frame a crop is from."""
  ordered = sorted(set(paths))
  test = round(len(ordered) / 5)
  validation = round((len(ordered) - test) / 5)
  train = len(ordered) - test - validation
  names = ["train"] * train + ["validation"] * validation + ["test"] * test
  order = np.random.RandomState(0).permutation(len(ordered))
  return {ordered[index]: name for index, name in zip(order, names, strict=True)}


def _has_files(root: Path, line: dict[str, Any], found: Scan) -> bool:
  """Whether a crop's files are there, below the root and not empty; if not, that is reported."""
  whole = True
  for key in _FILES:
    name, path = PurePosixPath(line[key]), root / line[key]
    problem = None
    if name.is_absolute() or ".." in name.parts:
      problem = "unreadable", f"expected a path below {root}, found another in {MANIFEST}"
    elif not path.is_file():
      problem = "missing", f"{MANIFEST} names it as {key} of {_name(line)}, but it is not there"
    elif path.stat().st_size == 0:
      problem = "unreadable", "is empty (zero bytes); run the preparation again"
    if problem:
      found.report(problem[0], path, problem[1])
      whole = False
  return whole


def _report_surplus(root: Path, named: set[Path], found: Scan) -> None:
  """Images of an earlier run, say; what else the preparation writes is no image."""
  for path in sorted(root.rglob("*"), key=lambda path: natural_key(str(path))):
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    if path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path not in named:
      found.report("surplus", path, f"{MANIFEST} does not name it; it is ignored", fatal=False)
