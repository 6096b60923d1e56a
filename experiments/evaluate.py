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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("reading", "model", "pred")  # what follows takes seconds to load

from absl import flags

from experiments.run import frechet, naturalness, scored
from experiments.run.flags import check as check_flags
from experiments.run.flags import define as define_config
from llve_jax import methods
from llve_jax.errors import UserError, run_main
from llve_jax.io.compilation import enable_cache
from llve_jax.io.platform import without_tpu
from llve_jax.methods.classic import CLASSIC
from llve_jax.metrics import protocols
from llve_jax.metrics.folders import score_folders
from llve_jax.metrics.perceptual import lpips
from llve_jax.metrics.report import Report, finite_json, write_csv, write_json


def chosen_protocols(
  names: str, further: Mapping[str, protocols.FrameMetric] | None = None
) -> list[protocols.Protocol]:
  """The protocols in a list such as "plain,first30", each once, with further metrics.

  Raises:
    UserError: an unknown or ambiguous name.
  """
  chosen = [protocols.get(name.strip()) for name in dict.fromkeys(names.split(","))]
  return [each.with_metrics(**further) for each in chosen] if further else chosen


def summary(reports: Sequence[Report]) -> dict[str, Any]:
  """What the last line says: the headline's metrics, and its margin over the best baseline.

  Of several protocols the first is on top; all are under "protocols".
  """
  report = reports[0]
  line: dict[str, Any] = {**report.means(report.headline), "protocol": report.protocol.name}
  classic = [name for name in report.methods if name in {**CLASSIC, **scored.RAW_CLASSIC}]
  if classic and "psnr" in line:
    best = scored.best_baseline(report, classic)
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
      scored.note_distances(reports, {"pred": frechet.of_folders(values.pred, values.target)})
  else:
    out = None if values.out is None else Path(values.out)
    if out is not None and not out.is_dir():
      if out.exists():
        raise UserError(f"{out}: expected a folder, found a file; give --out another name")
      out.mkdir()
    reports = scored.evaluate_protocols(
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
  print(scored.tables(reports))
  print(json.dumps(summary(reports)))


if __name__ == "__main__":
  define_flags()
  run_main(main, check_flags)
