"""Reads what runs left behind: a sweep folder, or one run folder. Nothing is computed here."""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.reporting.tables import TABLES
from llve_jax.errors import UserError
from llve_jax.io.run_folder import BEST, CHECKPOINTS, HISTORY, SETTINGS


@dataclasses.dataclass(frozen=True)
class RunResults:
  """One run folder; what is not there yet is empty.

  Attributes:
    folder: its place; it need not exist.
    seed: as named by the sweep or the configuration.
    config: config.json.
    history: metrics at every evaluation during training, each with "step".
    metrics: of the network: metric name -> mean over clips.
    report: the whole of metrics.json.
    brightness: method -> clip -> mean brightness of every frame, in [0, 1].
    strips: clip -> picture.
    seconds: of training, over all attempts; None if nobody wrote it down.
  """

  folder: Path
  seed: str
  config: Mapping[str, Any]
  history: list[dict[str, float]]
  metrics: Mapping[str, float]
  report: Mapping[str, Any]
  brightness: Mapping[str, Mapping[str, list[float]]]
  strips: Mapping[str, Path]
  seconds: float | None

  @property
  def steps(self) -> int | None:
    """How many the configuration asks for."""
    return self.config.get("train", {}).get("steps")

  @property
  def state(self) -> str:
    """How far it is, in words."""
    if self.metrics:
      return "scored"
    if not self.config:
      return "started" if (self.folder / "train.log").exists() else "not started"
    done = int(self.history[-1]["step"]) if self.history else 0
    if self.steps is not None and done >= self.steps:
      return "trained, not scored"
    return f"at step {done} of {self.steps}"

  @property
  def files(self) -> dict[str, Path]:
    """What a reader may want to open, of what is there: caption -> path."""
    named = {
      "config": self.folder / SETTINGS,
      "weights": self.folder / BEST,
      "checkpoints": self.folder / CHECKPOINTS,
      "scores": self.folder / "evaluation" / "metrics.json",
      "log": self.folder / "train.log",
    }
    return {caption: path for caption, path in named.items() if path.exists()}


@dataclasses.dataclass(frozen=True)
class RowRuns:
  """A row of a table with its runs, in the order of their seeds; the fields of `tables.Row`."""

  name: str
  label: str
  config: str
  published: Mapping[str, float]
  note: str
  runs: list[RunResults]

  @property
  def scored(self) -> list[RunResults]:
    """The runs that have figures."""
    return [run for run in self.runs if run.metrics]


@dataclasses.dataclass(frozen=True)
class TableRuns:
  """A table with its runs; the fields of `tables.Table`, and how the sweep was started.

  `name` holds letters, digits, `_` and `-` only, so it may be part of an identifier.
  """

  name: str
  title: str
  source: str
  data: str
  protocol: str
  note: str
  metrics: list[str]
  ranked: list[tuple[str, str]]
  rows: list[RowRuns]
  size: str
  settings: list[str]

  @property
  def scored(self) -> list[RunResults]:
    """The runs of all rows that have figures."""
    return [run for row in self.rows for run in row.scored]


def collect(workdir: Path) -> list[TableRuns]:
  """Every table of a sweep, or a table of one row for a single run.

  Raises:
    UserError: neither of them is in the folder, or a file there is damaged.
  """
  if (workdir / SETTINGS).is_file():
    return [_single(workdir)]
  order = list(TABLES)
  found = sorted(
    workdir.glob("*/table.json"),
    key=lambda path: order.index(path.parent.name) if path.parent.name in order else len(order),
  )
  if not found:
    raise UserError(
      f"{workdir}: expected the --workdir of experiments.sweep (TABLE/table.json) or of "
      "experiments.train (config.json), found neither"
    )
  return [_table(path, workdir) for path in found]


def read_run(folder: Path, seed: str = "") -> RunResults:
  """Reads one run folder, as far as it is there.

  Raises:
    UserError: a file is damaged; its name and what was expected are said.
  """
  evaluation = folder / "evaluation"
  config = _json(folder / SETTINGS, dict)
  report = _json(evaluation / "metrics.json", dict)
  history = _json(folder / HISTORY, list)
  if not all(isinstance(entry, dict) and "step" in entry for entry in history):
    raise UserError(f'{folder / HISTORY}: expected a list of {{"step": ..., ...}}')
  method = report.get("methods", {}).get(report.get("method"), {})
  own = {name: value for name, value in method.items() if name != "identical_frames"}
  distances = report.get("about", {}).get("fid_vgg16", {})
  if report.get("method") in distances:
    own["fid_vgg16"] = distances[report["method"]]
  return RunResults(
    folder=folder,
    seed=seed or str(config.get("seed", "")),
    config=config,
    history=[_numbers(entry) for entry in history],
    metrics=_numbers(own),
    report=report,
    brightness=_json(evaluation / "brightness.json", dict),
    strips={path.stem: path for path in sorted((evaluation / "strips").glob("*.png"))},
    seconds=_json(folder / "timing.json", dict).get("train_seconds"),
  )


def _single(folder: Path) -> TableRuns:
  run = read_run(folder)
  name = run.config.get("name") or folder.absolute().name
  row = RowRuns(name, name, name, {}, "", [run])
  metrics = list(run.metrics) or ["psnr", "ssim"]
  return TableRuns("run", f"Run {name}", "", "", "", "", metrics, [], [row], "", [])


def _table(path: Path, workdir: Path) -> TableRuns:
  content = _json(path, dict)
  try:
    rows = [
      RowRuns(
        name=name,
        label=row["label"],
        config=row["config"],
        published=row["published"],
        note=row["note"],
        runs=[read_run(workdir / place, seed) for seed, place in row["runs"].items()],
      )
      for name, row in content["rows"].items()
    ]
    return TableRuns(
      name=re.sub(r"[^A-Za-z0-9_-]+", "-", path.parent.name),
      rows=rows,
      ranked=[(ours, published) for ours, published in content["ranked"]],
      **{
        name: content[name]
        for name in ("title", "source", "data", "protocol", "note", "metrics", "size", "settings")
      },
    )
  except (KeyError, TypeError, AttributeError) as error:
    raise UserError(
      f"{path}: not as experiments.sweep writes it ({error!r}); run the sweep again with --print, "
      "which writes it anew"
    ) from None


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
  """The entries that are numbers; JSON has no infinity, so "inf" is one."""
  kept = {name: value for name, value in entry.items() if value in ("inf", "-inf", "nan")}
  kept |= {name: value for name, value in entry.items() if isinstance(value, int | float)}
  return {name: float(value) for name, value in kept.items()}


def _json(path: Path, kind: type) -> Any:
  """The content of a file; an empty one if it is not there."""
  try:
    content = json.loads(path.read_text())
  except FileNotFoundError:
    return kind()
  except (json.JSONDecodeError, UnicodeDecodeError) as error:
    raise UserError(f"{path}: not readable as JSON ({error}); delete it or make it again") from None
  if not isinstance(content, kind):
    expected = "an object" if kind is dict else "a list"
    raise UserError(f"{path}: expected {expected}, found {type(content).__name__}")
  return content
