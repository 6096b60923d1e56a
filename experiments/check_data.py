"""Checks a downloaded data set in seconds, before anybody builds it for hours.

  python -m experiments.check_data --builder=NAME --manual_dir=DIR [--config=NAME] [--sample=500]
      [--against=DIR,DIR] [--json=FILE]

Prints the tree that `tfds build tfds_builders/NAME --manual_dir=DIR` expects, then what it found:
clips by split; files missing, surplus, unpaired or empty; and, on the first frames of a sample of
clips, files that cannot be read, pairs of unequal size, exchanged ones, others that do not fit, and
pictures that are in two splits (or in a folder of `--against`: LOL-v1 trains on pictures that
LOL-v2 tests on). Exit code 1: the data set cannot be built as it is.
"""

import dataclasses
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("looking at", "manual_dir")  # what follows takes seconds to load

import numpy as np
from absl import app, flags

from llve_jax.errors import UserError, run_main
from llve_jax.io.atomic import replacing
from llve_jax.io.images import IMAGE_SUFFIXES
from llve_jax.io.visible import visible_files

BUILDERS = Path(__file__).parents[1] / "tfds_builders"
_SHOWN = 20  # problems of a kind that are printed

BUILD_ERRORS_HINT = "LLVE_ON_ERROR=skip tfds build ... leaves out what cannot be used"


def known_builders() -> list[str]:
  """Data sets that are made from a folder of downloads."""
  return sorted(path.parent.name for path in BUILDERS.glob("*/layout.py"))


def check(
  builder: str,
  manual_dir: Path,
  *,
  config: str | None = None,
  sample: int | None = 500,
  against: Sequence[Path] = (),
) -> dict[str, Any]:
  """Scans a folder and looks at a sample of its clips.

  Returns:
    {"builder", "config", "tree", "clips": {split: count}, "looked_at", "registration",
    "problems": [{"kind", "path", "message", "fatal"}]}

  Raises:
    UserError: no such data set, configuration or folder.
  """
  from tfds_builders.base.inspection import inspect

  layout = _layout(builder)
  config = config or layout.CONFIGS[0]
  tree = layout.tree(config)
  if not manual_dir.is_dir():
    raise UserError(f"{manual_dir}: expected a folder with this tree, found none:\n{tree}")
  scan = layout.scan(manual_dir, config)
  images = [path for folder in against for path in _images(folder)]
  seen = inspect(scan, sample=sample, against=images, progress=_progress)
  reach = [float(np.hypot(*each.shift)) for each in seen.registrations.values()]
  return {
    "builder": builder,
    "config": config,
    "tree": tree,
    "clips": {split: len(clips) for split, clips in scan.clips.items()},
    "looked_at": {split: count for split, (count, _) in seen.looked_at.items()},
    "registration": {
      "pairs": len(reach),
      "median_shift": float(np.median(reach)) if reach else None,
      "largest_shift": max(reach, default=None),
      "least_correlation": min((e.correlation for e in seen.registrations.values()), default=None),
    },
    "problems": [
      {**dataclasses.asdict(problem), "path": str(problem.path)}
      for problem in (*scan.problems, *seen.problems)
    ],
  }


def report(found: dict[str, Any]) -> str:
  """What `check` found, to be read."""
  lines = [f"{found['builder']}/{found['config']} expects", found["tree"].strip("\n"), ""]
  for split, count in found["clips"].items():
    lines.append(f"{split:12} {count:6} clips, {found['looked_at'][split]} looked at")
  if not found["clips"]:
    lines.append("no clip found")
  fit = found["registration"]
  if fit["pairs"]:
    lines.append(
      f"alignment    {fit['pairs']:6} pairs: shift median {fit['median_shift']:.2f}, largest "
      f"{fit['largest_shift']:.2f} pixels; least correlation {fit['least_correlation']:.2f}"
    )
  kinds: dict[str, list[dict[str, Any]]] = {}
  for problem in found["problems"]:
    kinds.setdefault(problem["kind"], []).append(problem)
  for kind, problems in kinds.items():
    lines += ["", f"{kind}: {len(problems)}"]
    lines += [f"  {problem['path']}: {problem['message']}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
      lines.append(f"  and {len(problems) - _SHOWN} more (--json lists all)")
  fatal = sum(problem["fatal"] for problem in found["problems"])
  lines += ["", f"{len(found['problems'])} problems, {fatal} of which keep it from being built"]
  if fatal:
    lines.append(BUILD_ERRORS_HINT)
  return "\n".join(lines)


def _layout(builder: str) -> ModuleType:
  if builder not in known_builders():
    raise UserError(
      f"--builder={builder}: no data set of that name is made from downloads; known: "
      f"{' '.join(known_builders())}"
    )
  return importlib.import_module(f"tfds_builders.{builder}.layout")


def _images(folder: Path) -> list[Path]:
  if not folder.is_dir():
    raise UserError(f"--against={folder}: expected a folder of images, found none")
  return visible_files(folder, IMAGE_SUFFIXES, below=True)


def _progress(clips: Iterator[Any], total: int) -> Iterable[Any]:
  from tqdm import tqdm

  return tqdm(clips, total=total, unit=" clips", disable=None, leave=False)  # None: no terminal


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_string("builder", None, "The data set, a folder of tfds_builders.", required=True)
  flags.DEFINE_string("manual_dir", None, "Folder of the download.", required=True)
  flags.DEFINE_string("config", None, "Configuration of the data set (default: its first).")
  flags.DEFINE_integer("sample", 500, "Clips per split that are looked at; 0: all.", lower_bound=0)
  flags.DEFINE_list("against", [], "Folders of other data sets, searched for the same pictures.")
  flags.DEFINE_string("json", None, "File to write everything to.")


def main(argv: Sequence[str]) -> None:
  """Reads the command line."""
  if len(argv) > 1:
    raise app.UsageError(f"expected flags only, found {' '.join(argv[1:])}")
  values = flags.FLAGS
  found = check(
    values.builder,
    Path(values.manual_dir),
    config=values.config,
    sample=values.sample or None,
    against=[Path(folder) for folder in values.against],
  )
  print(report(found))
  if values.json:
    with replacing(values.json) as temporary:
      temporary.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
  if any(problem["fatal"] for problem in found["problems"]) or not found["clips"]:
    sys.exit(1)


if __name__ == "__main__":
  define_flags()
  run_main(main)
