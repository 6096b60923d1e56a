"""A method and the classic baselines on a split of a data set: tables, figures, pictures."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

import llve_jax
from experiments.run import frechet, naturalness
from experiments.run.pictures import Pictures
from experiments.run.tested import split_clips, tested, trained_config
from llve_jax import methods
from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.methods.classic import CLASSIC, SLOW, Classic
from llve_jax.methods.method import Method
from llve_jax.metrics import protocols
from llve_jax.metrics.report import Report, write_csv, write_json
from llve_jax.score.score import clip_key, score_all
from llve_jax.shapes import Frames8

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip

# Raw light is exposed already, so gains that guess the exposure have no business there, save one
# for clips whose noted ratio is off. The first is what `EvalClip.low` shows.
RAW_CLASSIC = {"ratio_scale": "input", "auto_gain": "auto_gain"}
_UNCHANGED = ("input", "ratio_scale")


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
