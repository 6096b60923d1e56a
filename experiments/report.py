"""Turns runs into pages, and votes into win rates.

  python -m experiments.report --workdir=DIR --out=DIR      # of experiments.sweep or .train:
                                                            # RESULTS.md and index.html
  python -m experiments.report --compare=A,B[,...] --out=DIR  # compare.html: a blind vote
  python -m experiments.report --votes=a.csv,b.csv          # win rates of what that page exported
  python -m experiments.report --models                     # every network: size, cost, use
  python -m experiments.report --shipped --out=DIR --pairs=DIR,DIR --night=DIR [--rivals=A,B]
      [--dark=DATA_SET,DATA_SET]                            # SHIPPED.md and strips: what ships

Pages are one file each and need no network. The results page links to the run folders, relative to
itself. What --compare names is run folders, whose networks enhance the clips of their --split, or
folders of images (CLIP/FRAME.png) that some method made; two of a name are told apart by NAME=DIR.
--shipped scores classic methods, --rivals (methods, see `llve_jax.methods`; NAME=MODEL) and every
shipped network on folders of pairs (low/ and high/), on splits of data sets (--dark) and on night
videos without targets. It takes long; the same command goes on where it was stopped.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading", "workdir", "compare", "votes")  # what follows takes seconds to load

from absl import flags

from llve_jax.errors import UserError, run_main
from llve_jax.io.platform import without_tpu

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip

_NIGHT_FRAMES = 60  # of each night clip that --shipped shows
_ACTIONS = ("workdir", "compare", "votes", "models", "shipped")


def define_flags() -> None:
  """The command's flags."""
  flags.DEFINE_string("workdir", None, "Folder of a sweep or of one training: a results page.")
  flags.DEFINE_list("compare", None, "Runs or folders of images: a page for a blind vote.")
  flags.DEFINE_list("votes", None, "CSV files that the page of --compare exported.")
  flags.DEFINE_bool("models", False, "Every network: parameters, cost, how it may be run.")
  flags.DEFINE_bool("shipped", False, "The networks that ship, beside rivals.")
  flags.DEFINE_list("pairs", [], "Folders with low/ and high/, for --shipped.")
  flags.DEFINE_list("dark", [], "Data sets with targets, NAME/CONFIG, for --shipped.")
  flags.DEFINE_string("night", None, "Folder of night videos, for --shipped.")
  flags.DEFINE_list("rivals", [], "Further methods for --shipped: MODEL or NAME=MODEL.")
  flags.DEFINE_bool("speed", False, "Measure frames/s too, for --shipped.")
  flags.DEFINE_string("out", None, "Folder for the page; made if it is not there.")
  flags.DEFINE_string("split", None, "Split of --compare and --dark, if not that of tests.")
  flags.DEFINE_string("data_dir", None, "Where TFDS keeps data sets, if not where training did.")
  flags.DEFINE_integer("frames", 12, "Frames of each clip that --compare shows.", lower_bound=1)
  flags.DEFINE_integer("clips", 12, "Clips that --compare shows at most.", lower_bound=1)


def output_folder(name: str | None) -> Path:
  """The folder of --out, made if it is not there.

  Raises:
    UserError: no --out, it is a file, or it cannot be made.
  """
  if name is None:
    raise UserError("--out=DIR is needed: the folder for the page")
  out = Path(name)
  try:
    out.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(f"--out={out}: cannot be made ({error}); give another name") from None
  return out


def named_folders(folders: Sequence[str]) -> dict[str, Path]:
  """Folders by their names; those that share one by the name of the folder above as well.

  Raises:
    UserError: two cannot be told apart by that either.
  """
  paths = [Path(folder) for folder in folders]
  names = [path.absolute().name for path in paths]
  found = {
    name if names.count(name) == 1 else f"{path.absolute().parent.name}/{name}": path
    for name, path in zip(names, paths, strict=True)
  }
  if len(found) < len(paths):
    raise UserError(
      f"--pairs={','.join(folders)}: two folders have the same name, in folders of the same name; "
      "rename one of them"
    )
  return found


def report_shipped(values: flags.FlagValues) -> Path:
  """What --shipped does; returns the page.

  Raises:
    UserError: a flag names what is not there.
  """
  from experiments.reporting import shipped
  from experiments.reporting.kept_rows import digest
  from experiments.run.tested import split_clips
  from llve_jax import __version__, methods
  from llve_jax.methods.classic import CLASSIC
  from llve_jax.zoo.shipped import SHIPPED

  if not values.pairs and not values.dark and values.night is None:
    raise UserError(
      "--shipped needs what to score on: --pairs=DIR[,DIR], --dark=DATA_SET[,...] or --night=DIR"
    )
  named = {name: name for name in CLASSIC}
  for entry in values.rivals:
    name, equals, model = entry.partition("=")
    named[name if equals else Path(entry).stem] = model if equals else entry
  named |= {name: name for name in SHIPPED}
  of = {
    name: SHIPPED[model].sha256 if model in SHIPPED
    else f"{model} of {__version__}" if model in CLASSIC
    else digest(Path(model))
    for name, model in named.items()
  }  # fmt: skip
  out = output_folder(values.out)
  folders = named_folders(values.pairs)
  pairs: dict[str, Callable[[], Iterable[EvalClip]]] = {
    name: functools.partial(shipped.pairs, folder) for name, folder in folders.items()
  }
  for entry in values.dark:
    name, _, config = entry.partition("/")
    pairs[entry] = split_clips({"name": name, "config": config}, values.split, values.data_dir)
  night = None if values.night is None else Path(values.night)
  evidence = shipped.Evidence(
    pairs,
    {} if night is None else shipped.clips(night, _NIGHT_FRAMES),
    values.speed,
    {name: digest(folder) for name, folder in folders.items()}
    | {"dark": list(values.dark), "split": values.split}
    | {"night": night and digest(night), "frames": _NIGHT_FRAMES},
  )
  rows = []
  for name, model in named.items():
    row = methods.load(model)
    row.name = name
    rows.append(row)
  return shipped.write(rows, out, evidence, of=of)


def main(argv: Sequence[str]) -> None:
  """Does what the one flag of `_ACTIONS` says."""
  values = flags.FLAGS
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  asked = [name for name in _ACTIONS if values[name].value]
  if len(asked) != 1:
    found = " and ".join(f"--{name}" for name in asked) or "none"
    raise UserError(
      f"give one of --workdir=DIR, --compare=A,B, --votes=CSV, --models, --shipped; {found} given"
    )
  without_tpu()
  # Imported where used: one needs JAX, one plots, one only reads text.
  if values.models:
    from experiments.reporting.models import describe, table
    from llve_jax.models import MODELS

    print(table([describe(name) for name in MODELS]))
  elif values.votes:
    from experiments.reporting import votes

    print(votes.table(votes.read([Path(name) for name in values.votes])))
  elif values.shipped:
    print(report_shipped(values))
  elif values.workdir:
    from experiments.reporting import collect, page

    tables = collect.collect(Path(values.workdir))
    for path in page.write(tables, output_folder(values.out)):
      print(path)
  else:
    from experiments.reporting import compare

    sources = compare.open_sources(values.compare, split=values.split, data_dir=values.data_dir)
    out = output_folder(values.out)
    print(compare.write(sources, out, clips=values.clips, frames=values.frames))


if __name__ == "__main__":
  define_flags()
  run_main(main)
