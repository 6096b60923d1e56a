"""Scores a method on a split, or one folder of images against another.

  python -m experiments.evaluate --model=MODEL [--config=FILE] [--split=test] [--data_dir=DIR]
  python -m experiments.evaluate --pred=DIR --target=DIR
  python -m experiments.evaluate --pred=DIR --protocol=no_targets --niqe=FILE

MODEL is the folder of a training run, a weights file or the name of a method. It is scored beside
the classic baselines, on the data set of its training or of --config=FILE. --niqe=FILE adds a
metric that asks for no target; --out=DIR also keeps tables, numbers, pictures and the dark clips.
Under --protocol=no_targets nothing does: data sets of dark frames alone are scored, too.

Both take --protocol=NAME[,NAME...], --json=FILE and --csv=FILE, --lpips (AlexNet), --temporal
(flicker and warping error of whole clips) and --static (each frame against the next, for still
scenes). Images of two folders are matched by their path without
suffix; those of a sub-folder are the frames of a clip. The last line printed is one line of JSON;
of several protocols the first is on top.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading", "model", "pred")  # what follows takes seconds to load

import jax
from absl import flags

import llve_jax
from experiments.run import frechet, naturalness
from experiments.run.flags import check as check_flags
from experiments.run.flags import define as define_config
from experiments.run.pictures import Pictures
from experiments.run.tested import split_clips, tested, trained_config
from llve_jax import methods
from llve_jax.errors import UserError, run_main
from llve_jax.io.atomic import replacing
from llve_jax.io.compilation import enable_cache
from llve_jax.io.platform import without_tpu
from llve_jax.methods.classic import CLASSIC, SLOW, Classic
from llve_jax.methods.method import Method
from llve_jax.metrics import protocols
from llve_jax.metrics.folders import score_folders
from llve_jax.metrics.perceptual import lpips
from llve_jax.metrics.report import Report, finite_json, write_csv, write_json
from llve_jax.score.score import clip_key, score_all
from llve_jax.shapes import Frames8

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip

# Raw light is exposed already, so gains that guess the exposure have no business there, save one
# for clips whose noted ratio is off. The first is what `EvalClip.low` shows.
RAW_CLASSIC = {"ratio_scale": "input", "auto_gain": "auto_gain"}
_UNCHANGED = ("input", "ratio_scale")


def chosen_protocols(
  names: str, further: Mapping[str, protocols.FrameMetric] | None = None
) -> list[protocols.Protocol]:
  """The protocols in a list such as "plain,first30", each once, with further metrics.

  Raises:
    UserError: an unknown or ambiguous name.
  """
  chosen = [protocols.get(name.strip()) for name in dict.fromkeys(names.split(","))]
  return [each.with_metrics(**further) for each in chosen] if further else chosen


def baselines(kind: str, names: str = "all") -> list[Method]:
  """The classic rows for clips of that kind of input: all quick ones, or those named.

  Raises:
    UserError: there is none of that name.
  """
  known = {name: name for name in CLASSIC} if kind == "srgb" else RAW_CLASSIC
  quick = [name for name in known if name not in SLOW]
  chosen = quick if names == "all" else [name for name in names.split(",") if name]
  if kind != "srgb":  # the untouched input
    chosen = ["ratio_scale" if name == "input" else name for name in chosen]
  if unknown := [name for name in chosen if name not in known]:
    raise UserError(f"no baseline is called {', '.join(unknown)}; known: all, {', '.join(known)}")
  return [Classic(known[name], called=name) for name in chosen]


def evaluate_split(model: str, *, protocol: str = "plain", **options: Any) -> Report:
  """`evaluate_protocols` under one protocol."""
  return evaluate_protocols(model, [protocols.get(protocol)], **options)[0]


def evaluate_protocols(
  model: str,
  chosen: Sequence[protocols.Protocol],
  *,
  config: Mapping[str, Any] | None = None,
  split: str | None = None,
  data_dir: str | None = None,
  temporal: bool = False,
  static: bool = False,
  niqe: str | None = None,
  classic: str = "all",
  frechet_distance: bool = False,
  out: Path | None = None,
) -> list[Report]:
  """Scores a method and the classic baselines on a split.

  Args:
    model: see `methods.load`.
    chosen: how frames are compared; a report for each.
    config: names the data set; what training left in its folder if not given.
    split: of that data set; None: "test".
    data_dir: where TFDS keeps data sets, if not where the configuration says.
    temporal: whether to score flicker and warping error of the clips.
    static: whether to score each frame against the next, which asks for still scenes.
    niqe: pristine model to score NIQE with, see `naturalness.open_model`.
    classic: which baselines, see `baselines`.
    frechet_distance: whether to add the Frechet distance of each method, under "about".
    out: an existing folder for table.txt, metrics.json, frames.csv and what `Pictures` writes.
  """
  method = methods.load(model)
  config = trained_config(model) if config is None else config
  settings = tested(config)
  takes = method.takes if method.name not in CLASSIC else None
  targets = any(protocol.needs_target for protocol in chosen)
  clips = split_clips(settings, split, data_dir, takes, targets=targets)
  first = next(clips(), None)
  if first is None:
    raise UserError(f"{settings['name']}: expected clips to score, found none")
  if niqe is not None and (judge := naturalness.metric(niqe, first.high, clips)):
    chosen = [protocol.with_metrics(niqe=judge) for protocol in chosen]
  rows = [row for row in baselines(first.kind, classic) if row.name != method.name]
  about = {
    "model": model,
    "weights": getattr(method, "origin", {}),
    "data": settings["name"],
    "data_config": settings.get("config") or "default",
    "split": split or "test",
    "kind": first.kind,
    "niqe_model": niqe,
    "seed": config.get("seed"),
    "device": jax.devices()[0].device_kind,
    "jax": jax.__version__,
    "llve_jax": llve_jax.__version__,
  }
  if not targets and (temporal or frechet_distance or niqe == naturalness.TARGETS):
    raise UserError(
      f"--temporal, --frechet and --niqe={naturalness.TARGETS} compare with targets, which "
      f"protocol {chosen[0].name} does without; leave them out, or add a protocol that has them"
    )
  pictures = None if out is None or not targets else Pictures(out)
  distances = frechet.Distances() if frechet_distance else None

  def watch(name: str, clip: "EvalClip", frames: Frames8) -> None:
    for each in (pictures, distances):
      if each is not None:
        each(name, clip, frames)

  told: dict[str, Any] = {"headline": method.name, "about": about}
  reports = score_all(
    [*rows, method],
    announced(clips()),
    chosen,
    **told,
    temporal=temporal,
    static=static,
    watch=watch,
  )
  if distances is not None:
    note_distances(reports, distances.distances())
  if out is not None:
    with replacing(out / "table.txt") as temporary:
      temporary.write_text(tables(reports))
    write_json(reports, out / "metrics.json")
    write_csv(reports, out / "frames.csv")
  if pictures is not None:
    shown = [row.name for row in rows if row.name not in _UNCHANGED]
    compared = next((report for report in reports if report.protocol.needs_target), reports[0])
    best = [best_baseline(compared, shown)] if shown else []
    pictures.write(*best, method.name)
  return reports


def note_distances(reports: Iterable[Report], distances: Mapping[str, float]) -> None:
  """Adds Frechet distances, by method, to what reports tell about themselves."""
  for report in reports:
    report.about[frechet.NAME] = dict(distances)


def tables(reports: Sequence[Report]) -> str:
  """The table of each protocol, one below the other, and Frechet distances."""
  text = "\n".join(report.table() for report in reports)
  for name, distance in reports[0].about.get(frechet.NAME, {}).items():
    text += f"\n{frechet.NAME} {name}: {distance:.2f}"
  return text


def announced(clips: Iterable["EvalClip"]) -> Iterator["EvalClip"]:
  """Passes clips on and names each on stderr, since scoring one may take a while."""
  for clip in clips:
    print(f"scoring {clip_key(clip)}, {len(clip.low)} frames", file=sys.stderr, flush=True)
    yield clip


def best_baseline(report: Report, names: Iterable[str]) -> str:
  """The one of `names` with the highest mean PSNR."""
  return max(names, key=lambda name: report.means(name)["psnr"])


def summary(reports: Sequence[Report]) -> dict[str, Any]:
  """What the last line says: the headline's metrics, and its margin over the best baseline.

  Of several protocols the first is on top; all are under "protocols".
  """
  report = reports[0]
  line: dict[str, Any] = {**report.means(report.headline), "protocol": report.protocol.name}
  classic = [name for name in report.methods if name in {**CLASSIC, **RAW_CLASSIC}]
  if classic and "psnr" in line:
    best = best_baseline(report, classic)
    line["margin"] = line["psnr"] - report.means(best)["psnr"]
    line["best_classic"] = best
  if len(reports) > 1:
    line["protocols"] = {each.protocol.name: each.means(each.headline) for each in reports}
  return finite_json(line)


def define_flags() -> None:
  """Not on import: a process that imports several commands would define --workdir twice."""
  flags.DEFINE_string("pred", None, "Folder of images to score.")
  flags.DEFINE_string("target", None, "Folder of images they should look like.")
  flags.DEFINE_string("model", None, f"Scored on a split. {methods.HELP}")
  define_config("Configuration, if not that of the run.")
  flags.DEFINE_string("split", None, "Split of the data set, if not the configured one or test.")
  flags.DEFINE_string("data_dir", None, "Where TFDS keeps data sets, if not where training did.")
  known = ", ".join(protocols.PROTOCOLS)
  flags.DEFINE_string("protocol", "plain", f"One or more, with commas between, of: {known}.")
  flags.DEFINE_bool("temporal", False, "Score flicker and warping error of whole clips too.")
  flags.DEFINE_bool("static", False, "Score each frame against the next too: still scenes only.")
  flags.DEFINE_bool("lpips", False, "Score LPIPS (AlexNet) too.")
  flags.DEFINE_string("niqe", None, "Score NIQE: a pristine model (npz), or 'targets' to fit one.")
  flags.DEFINE_string("classic", "all", "Baselines to score too, with commas between; empty: none.")
  flags.DEFINE_bool("frechet", False, "The Frechet distance from the targets (on VGG-16) too.")
  flags.DEFINE_string("json", None, "File for the means.")
  flags.DEFINE_string("csv", None, "File for the scores of every frame.")
  flags.DEFINE_string("out", None, "Folder for tables, pictures and dark clips (--model).")


def main(argv: Sequence[str]) -> None:
  """Checks the flags, scores, prints the table and the summary."""
  values = flags.FLAGS
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  chosen = chosen_protocols(values.protocol, {"lpips_alex": lpips} if values.lpips else None)
  alone = not any(protocol.needs_target for protocol in chosen)
  if alone and values.target is None:
    values.target = values.pred  # stands for what nothing looks at
  folders = values.pred is not None and values.target is not None
  if folders == (values.model is not None) or (values.pred is None) != (values.target is None):
    raise UserError("give either --pred=DIR and --target=DIR, or --model=MODEL")
  if folders and values.out is not None:
    raise UserError("--out needs --model; two folders take --json=FILE and --csv=FILE")
  for file in (values.json, values.csv, values.out):  # before the work, not after it
    if file is not None and not Path(file).absolute().parent.is_dir():
      raise UserError(f"{file}: the folder {Path(file).parent} does not exist; create it first")
  if folders and values.niqe == naturalness.TARGETS:
    raise UserError(f"--niqe={naturalness.TARGETS} needs --model; of folders give --niqe=FILE")
  if alone and (values.lpips or (folders and (values.temporal or values.frechet))):
    raise UserError(
      f"--lpips, --temporal and --frechet compare with targets, which {chosen[0].name}"
      " does without; leave them out"
    )
  without_tpu()
  enable_cache()
  if folders:
    if values.niqe is not None:
      judge = naturalness.judge(naturalness.load_pristine(Path(values.niqe)))
      chosen = [protocol.with_metrics(niqe=judge) for protocol in chosen]
    reports = [
      score_folders(
        values.pred, values.target, protocol, temporal=values.temporal, static=values.static
      )
      for protocol in chosen
    ]
    if values.frechet:
      note_distances(reports, {"pred": frechet.of_folders(values.pred, values.target)})
  else:
    out = None if values.out is None else Path(values.out)
    if out is not None and not out.is_dir():
      if out.exists():
        raise UserError(f"{out}: expected a folder, found a file; give --out another name")
      out.mkdir()
    reports = evaluate_protocols(
      values.model,
      chosen,
      config=values.config,
      split=values.split,
      data_dir=values.data_dir,
      temporal=values.temporal,
      static=values.static,
      niqe=values.niqe,
      classic=values.classic,
      frechet_distance=values.frechet,
      out=out,
    )
  if values.json is not None:
    write_json(reports, values.json)
  if values.csv is not None:
    write_csv(reports, values.csv)
  print(tables(reports))
  print(json.dumps(summary(reports)))


if __name__ == "__main__":
  define_flags()
  run_main(main, check_flags)
