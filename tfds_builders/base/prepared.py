"""What `python -m llve_jax.prepare` says of its output, and a split of it by scene.

`manifest.jsonl` holds one JSON object a line; those whose "status" is "kept" say what is there.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llve_jax.errors import UserError
from tfds_builders.base.scan import Scan

MANIFEST = "manifest.jsonl"

# A type, or a tuple of types for a list of that length.
Kind = type | tuple[type, ...]


def kept_lines(
  root: Path, fields: Mapping[str, Kind], tree: str, scan: Scan
) -> list[dict[str, Any]]:
  """Reads the kept lines of a manifest; whatever is wrong with it is reported.

  Args:
    root: the folder it lies in.
    fields: what a kept line must hold; whole numbers pass as float.
    tree: the tree expected, for the message.
    scan: takes the problems.
  """
  path = root / MANIFEST
  if not path.is_file():
    scan.report(
      "missing",
      path,
      f"expected what `python -m llve_jax.prepare` wrote; the whole tree is\n{tree}",
    )
    return []
  kept, rejected = [], 0
  for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
    if not text.strip():
      continue
    try:
      line = json.loads(text)
    except json.JSONDecodeError as error:
      scan.report(
        "unreadable", path, f"line {number} is no JSON ({error.msg}); run the preparation again"
      )
      continue
    if not isinstance(line, dict) or not isinstance(line.get("status"), str):
      scan.report(
        "unreadable", path, f'line {number}: expected an object with a "status", found {text[:60]}'
      )
    elif line["status"] != "kept":
      rejected += line["status"] == "rejected"
    elif wrong := [key for key, kind in fields.items() if not _fits(line.get(key), kind)]:
      expected = ", ".join(f"{key} ({_name(fields[key])})" for key in wrong)
      found = {key: line.get(key) for key in wrong}
      scan.report("unreadable", path, f"line {number}: expected {expected}, found {found}")
    else:
      kept.append(line)
  if rejected and not kept:
    scan.report("missing", path, f"expected a line that is kept, found {rejected} rejected ones")
  return kept


def split_by_scene(scenes: Iterable[str], where: Path, advice: str = "") -> dict[str, str]:
  """Puts every scene into one split: three fifths train, a fifth each validation and test.

  The order is that of the names' SHA-256, so that it does not depend on what was filmed first. At
  least one scene is for testing; validation begins with three scenes.

  Args:
    scenes: names.
    where: the folder, for the message.
    advice: what else can be done about a single scene.

  Raises:
    UserError: there is one scene only.
  """
  order = sorted(set(scenes), key=lambda scene: hashlib.sha256(scene.encode()).hexdigest())
  if len(order) == 1:
    raise UserError(
      f"{where}: expected at least two scenes, since one that is trained on cannot test, found "
      f"{order[0]!r} only; film more{advice}"
    )
  fifth = max(1, round(len(order) / 5))
  splits = ["validation"] * (fifth if len(order) > 2 else 0) + ["test"] * fifth
  splits = ["train"] * (len(order) - len(splits)) + splits
  return dict(zip(order, splits, strict=bool(order)))


def _fits(value: Any, kind: Kind) -> bool:
  if isinstance(kind, tuple):
    same = isinstance(value, list) and len(value) == len(kind)
    return same and all(_fits(*pair) for pair in zip(value, kind, strict=True))
  wanted = (int, float) if kind is float else kind
  return isinstance(value, wanted) and not isinstance(value, bool)


def _name(kind: Kind) -> str:
  if isinstance(kind, tuple):
    return f"[{', '.join(map(_name, kind))}]"
  return {str: "text", int: "whole number", float: "number"}.get(kind, kind.__name__)
