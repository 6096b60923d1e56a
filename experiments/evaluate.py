"""Scores a trained network on a split, or one folder of images against another.

  python -m experiments.evaluate --workdir=DIR [--config=FILE] [--split=test] [--data_dir=DIR]
  python -m experiments.evaluate --pred=DIR --target=DIR

Both take --protocol=NAME[,NAME...], --json=FILE and --csv=FILE, --lpips (AlexNet) and --temporal
(flicker and warping error of whole clips). The first scores every classic baseline in the same
table; --out=DIR also keeps tables, numbers, a strip of frames and the dark clips as mp4. Images of
two folders are matched by their path without suffix; those of a sub-folder are the frames of a
clip. The last line printed is one line of JSON; of several protocols the first is on top.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
from absl import flags
from ml_collections import config_flags

import llve_jax
from llve_jax.enhance.classic import CLASSIC
from llve_jax.errors import UserError, run_main
from llve_jax.io.atomic import replacing
from llve_jax.io.compilation import enable_cache
from llve_jax.io.images import write_image
from llve_jax.io.video import write_video
from llve_jax.metrics import protocols
from llve_jax.metrics.folders import score_folders
from llve_jax.metrics.perceptual import lpips
from llve_jax.metrics.report import Report, finite_json, write_csv, write_json
from llve_jax.metrics.strips import strip
from llve_jax.train.evaluate import clip_key, frame_method, score_all
from llve_jax.zoo import trained

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip

STRIP_ROWS = 4


def split_clips(
  settings: Mapping[str, Any], split: str, data_dir: str | None
) -> Callable[[], Iterator["EvalClip"]]:
  """A function that reads the clips of a split from the start; `settings` is a config's `data`."""
  # These import TFDS, some seconds that the comparison of two folders need not wait.
  from llve_jax.data.clips import test_clips
  from llve_jax.data.source import open_split

  source = open_split(
    settings["name"],
    split,
    config=settings.get("config") or None,
    data_dir=data_dir or settings.get("dir") or None,
  )
  return lambda: test_clips(source)


def trained_config(workdir: Path) -> dict[str, Any]:
  """The configuration that training left in its workdir.

  Raises:
    UserError: there is none, or it is no JSON.
  """
  path = workdir / "config.json"
  try:
    return json.loads(path.read_text())
  except FileNotFoundError:
    raise UserError(
      f"{path}: not found; expected the --workdir of a training run, or give --config=FILE"
    ) from None
  except json.JSONDecodeError as error:
    raise UserError(f"{path}: not readable as JSON ({error}); give --config=FILE") from None


def chosen_protocols(names: str, *, with_lpips: bool = False) -> list[protocols.Protocol]:
  """The protocols in a list such as "plain,first30", each once, with LPIPS if asked for.

  Raises:
    UserError: an unknown or ambiguous name.
  """
  chosen = [protocols.get(name.strip()) for name in dict.fromkeys(names.split(","))]
  return [each.with_metrics(lpips_alex=lpips) for each in chosen] if with_lpips else chosen


def evaluate_split(
  workdir: Path,
  *,
  config: Mapping[str, Any] | None = None,
  split: str = "test",
  data_dir: str | None = None,
  protocol: str = "plain",
  out: Path | None = None,
) -> Report:
  """`evaluate_protocols` under one protocol."""
  options: dict[str, Any] = {"config": config, "split": split, "data_dir": data_dir, "out": out}
  return evaluate_protocols(workdir, [protocols.get(protocol)], **options)[0]


def evaluate_protocols(
  workdir: Path,
  chosen: Sequence[protocols.Protocol],
  *,
  config: Mapping[str, Any] | None = None,
  split: str = "test",
  data_dir: str | None = None,
  temporal: bool = False,
  out: Path | None = None,
) -> list[Report]:
  """Scores the network of `workdir` and every classic baseline on a split.

  Args:
    workdir: of a training run.
    chosen: how frames are compared; a report for each.
    config: names the data set; what training left in the workdir if not given.
    split: of that data set.
    data_dir: where TFDS keeps data sets, if not where the configuration says.
    temporal: whether to score flicker and warping error of the clips.
    out: an existing folder for table.txt, metrics.json, frames.csv, strip.png and, for each clip,
      `<clip>_<variant>_dark.mp4`.
  """
  network = trained.load(workdir)
  config = trained_config(workdir) if config is None else config
  clips = split_clips(config["data"], split, data_dir)
  rounded = not any(protocol.floats for protocol in chosen)
  methods = {**CLASSIC, network.name: lambda: frame_method(network, rounded=rounded)}
  about = {
    "workdir": str(workdir),
    "weights": network.origin,
    "data": config["data"]["name"],
    "data_config": config["data"].get("config") or "default",
    "split": split,
    "seed": config.get("seed"),
    "device": jax.devices()[0].device_kind,
    "jax": jax.__version__,
    "llve_jax": llve_jax.__version__,
  }
  reports = score_all(
    methods,
    announced(clips()),
    chosen,
    headline=network.name,
    about=about,
    temporal=temporal,
  )
  if out is not None:
    with replacing(out / "table.txt") as temporary:
      temporary.write_text(tables(reports))
    write_json(reports, out / "metrics.json")
    write_csv(reports, out / "frames.csv")
    write_pictures(out, clips(), reports[0], network)
  return reports


def tables(reports: Iterable[Report]) -> str:
  """The table of each protocol, one below the other."""
  return "\n".join(report.table() for report in reports)


def announced(clips: Iterable["EvalClip"]) -> Iterator["EvalClip"]:
  """Passes clips on and names each on stderr, since scoring one may take a while."""
  for clip in clips:
    print(f"scoring {clip_key(clip)}, {len(clip.low)} frames", file=sys.stderr, flush=True)
    yield clip


def best_baseline(report: Report, names: Iterable[str] = CLASSIC) -> str:
  """The one of `names` with the highest mean PSNR."""
  return max(names, key=lambda name: report.means(name)["psnr"])


def write_pictures(
  out: Path, clips: Iterable["EvalClip"], report: Report, network: trained.Enhancer
) -> None:
  """Writes each dark clip as mp4, and strip.png: frames of several clips and moments as rows."""
  classic = best_baseline(report, [name for name in CLASSIC if name != "input"])
  enhance = frame_method(network)
  count = len(report.clip_means(network.name))
  rows = []
  for index, clip in enumerate(clips):
    rate = Fraction(clip.fps).limit_denominator(1001)  # 29.97 is 30000/1001
    # Nearly lossless: what is left of a dark scene is in the lowest bits.
    write_video(out / f"{clip_key(clip)}_dark.mp4", clip.low, rate, crf=6)
    moments = [(row + 1) / (STRIP_ROWS + 1) for row in range(STRIP_ROWS) if row % count == index]
    for frame in [int(moment * len(clip.low)) for moment in moments]:
      # The baseline sees every frame up to this one, since its gain has a memory.
      baseline = CLASSIC[classic]()(clip.low[: frame + 1])[-1]
      enhanced = enhance(clip.low[frame : frame + 1])[0]
      rows.append([clip.low[frame], baseline, enhanced, clip.high[frame]])
  write_image(out / "strip.png", strip(rows, ["input", classic, network.name, "target"]))


def summary(reports: Sequence[Report]) -> dict[str, Any]:
  """What the last line says: the headline's metrics, and its margin over the best baseline.

  Of several protocols the first is on top; all are under "protocols".
  """
  report = reports[0]
  line: dict[str, Any] = {**report.means(report.headline), "protocol": report.protocol.name}
  if set(CLASSIC) <= set(report.methods):
    best = best_baseline(report)
    line["margin"] = line["psnr"] - report.means(best)["psnr"]
    line["best_classic"] = best
  if len(reports) > 1:
    line["protocols"] = {each.protocol.name: each.means(each.headline) for each in reports}
  return finite_json(line)


def define_flags() -> None:
  """Not on import: a process that imports several commands would define --workdir twice."""
  flags.DEFINE_string("pred", None, "Folder of images to score.")
  flags.DEFINE_string("target", None, "Folder of images they should look like.")
  flags.DEFINE_string("workdir", None, "Folder of a training run: score its network on a split.")
  config_flags.DEFINE_config_file("config", None, "Configuration, if not the one in the workdir.")
  flags.DEFINE_string("split", "test", "Split of the data set.")
  flags.DEFINE_string("data_dir", None, "Where TFDS keeps data sets, if not where training did.")
  known = ", ".join(protocols.PROTOCOLS)
  flags.DEFINE_string("protocol", "plain", f"One or more, with commas between, of: {known}.")
  flags.DEFINE_bool("temporal", False, "Score flicker and warping error of whole clips too.")
  flags.DEFINE_bool("lpips", False, "Score LPIPS (AlexNet) too.")
  flags.DEFINE_string("json", None, "File for the means.")
  flags.DEFINE_string("csv", None, "File for the scores of every frame.")
  flags.DEFINE_string("out", None, "Folder for table, numbers, strip and dark clips (--workdir).")


def main(argv: Sequence[str]) -> None:
  """Checks the flags, scores, prints the table and the summary."""
  values = flags.FLAGS
  if argv[1:]:
    raise UserError(f"unexpected argument {argv[1]!r}; flags are written --name=value")
  folders = values.pred is not None and values.target is not None
  if folders == (values.workdir is not None) or (values.pred is None) != (values.target is None):
    raise UserError("give either --pred=DIR and --target=DIR, or --workdir=DIR")
  if folders and values.out is not None:
    raise UserError("--out needs --workdir; two folders take --json=FILE and --csv=FILE")
  for file in (values.json, values.csv, values.out):  # before the work, not after it
    if file is not None and not Path(file).absolute().parent.is_dir():
      raise UserError(f"{file}: the folder {Path(file).parent} does not exist; create it first")
  chosen = chosen_protocols(values.protocol, with_lpips=values.lpips)
  enable_cache()
  if folders:
    reports = [
      score_folders(values.pred, values.target, protocol, temporal=values.temporal)
      for protocol in chosen
    ]
  else:
    out = None if values.out is None else Path(values.out)
    if out is not None and not out.is_dir():
      if out.exists():
        raise UserError(f"{out}: expected a folder, found a file; give --out another name")
      out.mkdir()
    reports = evaluate_protocols(
      Path(values.workdir),
      chosen,
      config=values.config,
      split=values.split,
      data_dir=values.data_dir,
      temporal=values.temporal,
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
  run_main(main)
