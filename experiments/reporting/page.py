"""A results page from what `collect` read: RESULTS.md and a self-contained index.html."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import jinja2

from experiments.reporting import exhibits, ranking
from experiments.reporting.collect import RowRuns, RunResults, TableRuns
from experiments.reporting.measures import NOTHING, Summary, measure, summarize
from experiments.sweep import DATA_DIRS
from llve_jax.io.atomic import replacing
from llve_jax.train.hooks import duration

TEMPLATES = Path(__file__).with_name("templates")
MISSING = "missing"
# Methods of experiments.evaluate that only show the dark clip.
_UNCHANGED = {"input": "dark input", "ratio_scale": "dark input, exposed by its noted ratio"}


@dataclasses.dataclass(frozen=True)
class Figure:
  """One metric of a row: ours and, where the table has any, the published one, as text."""

  ours: str
  published: str


@dataclasses.dataclass(frozen=True)
class RowView:
  """A row as it is printed; `files` has for each run its seed, state and (caption, link) pairs."""

  label: str
  config: str
  note: str
  figures: list[Figure]
  count: str
  steps: str
  time: str
  files: list[tuple[str, str, list[tuple[str, str]]]]


@dataclasses.dataclass(frozen=True)
class TableView:
  """A table as it is printed; `columns` has for each metric its head and whether it has both."""

  name: str
  title: str
  about: list[tuple[str, str]]
  columns: list[tuple[str, bool]]
  rows: list[RowView]
  references: list[RowView]
  sentences: list[str]
  curves: list[str]
  flicker: list[str]
  flicker_note: str
  strips: list[exhibits.Strips]


def write(found: Sequence[TableRuns], out: Path) -> list[Path]:
  """Writes both pages into `out`, an existing folder; returns their paths."""
  shown: dict[Path, str] = {}
  views = [view(table, out, shown) for table in found]
  environment = templates()
  written = []
  for file, template in (("RESULTS.md", "results.md.j2"), ("index.html", "page.html.j2")):
    text = environment.get_template(template).render(tables=views, missing=MISSING)
    with replacing(out / file) as temporary:
      temporary.write_text(text, encoding="utf-8")
    written.append(out / file)
  return written


def templates() -> jinja2.Environment:
  """The templates beside this file; what is put into HTML is escaped."""
  return jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=lambda name: name is not None and name.endswith(".html.j2"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
  )


def view(table: TableRuns, out: Path, shown: dict[Path, str]) -> TableView:
  """The table as it is printed.

  Args:
    table: with its runs.
    out: the folder of the page, for links.
    shown: run folder -> anchor of its strips, where the page has them already; added to.
  """
  published = {name for row in table.rows for name in row.published}
  metrics = [*table.metrics, *(name for name in sorted(published) if name not in table.metrics)]
  columns = [(measure(name).label + _arrow(name), name in published) for name in metrics]
  flicker, note = exhibits.flicker(table)
  return TableView(
    name=table.name,
    title=table.title,
    about=_about(table),
    columns=columns,
    rows=[_row(row, metrics, out) for row in table.rows],
    references=_references(table, metrics),
    sentences=_sentences(table),
    curves=exhibits.learning(table),
    flicker=flicker,
    flicker_note=note,
    strips=[
      strips for row in table.rows for strips in exhibits.strips(row, table.name, out, shown)
    ],
  )


def _arrow(name: str) -> str:
  return {"higher": " ↑", "lower": " ↓", "": ""}[measure(name).better]


def _row(row: RowRuns, metrics: Sequence[str], out: Path) -> RowView:
  scored = row.scored
  steps = sorted({str(run.steps) for run in row.runs if run.steps is not None})
  seconds = [run.seconds for run in scored if run.seconds is not None]
  return RowView(
    label=row.label,
    config=row.config,
    note=row.note,
    figures=[_figure(row, name) for name in metrics],
    count=f"{len(scored)} of {len(row.runs)}" if row.config else "cannot be had",
    steps=", ".join(steps) or NOTHING,
    time=duration(sum(seconds) / len(seconds)) if seconds else NOTHING,
    files=[
      (
        run.seed,
        run.state,
        [(caption, exhibits.link(path, out)) for caption, path in run.files.items()],
      )
      for run in row.runs
    ],
  )


def _figure(row: RowRuns, name: str) -> Figure:
  ours = row_summary(row, name)
  published = row.published.get(name)
  # Scored, but not by this metric: nothing is missing.
  nothing = NOTHING if row.scored or not row.config else MISSING
  return Figure(
    with_spread(name, ours) if ours else nothing,
    NOTHING if published is None else measure(name).text(published),
  )


def row_summary(row: RowRuns, name: str) -> Summary | None:
  """A metric over the runs of a row that have it."""
  return summarize([run.metrics[name] for run in row.scored if name in run.metrics])


def with_spread(name: str, figure: Summary) -> str:
  """Such as "23.56 ± 0.12"; the mean alone where no spread is known."""
  if figure.spread is None:
    return measure(name).text(figure.mean)
  return f"{measure(name).text(figure.mean)} ± {measure(name).text(figure.spread)}"


def _data(run: RunResults) -> str:
  """What a run was scored on."""
  about = run.report.get("about", {})
  kind = f" as {about['kind']}" if "kind" in about else ""
  return f"{about.get('data')}/{about.get('data_config')}, {about.get('split')}{kind}"


def _protocol(run: RunResults) -> str:
  return f"{run.report.get('protocol')}: {run.report.get('protocol_description')}"


def _about(table: TableRuns) -> list[tuple[str, str]]:
  scored = table.scored
  # Where somebody's data lie says nothing of the figures.
  settings = [each for each in table.settings if not each.startswith(DATA_DIRS)]
  devices = _distinct(run.report.get("about", {}).get("device", "") for run in scored)
  pairs = [
    ("published in", table.source),
    ("published on", table.data),
    ("published protocol", table.protocol),
    ("ours on", _distinct(map(_data, scored))),
    ("our protocol", _distinct(map(_protocol, scored))),
    ("device", devices),
    ("size", table.size),
    ("settings of every row", " ".join(settings)),
    ("note", table.note),
  ]
  return [(name, value) for name, value in pairs if value]


def _distinct(values: Iterable[str]) -> str:
  return "; ".join(dict.fromkeys(value for value in values if value))


def _references(table: TableRuns, metrics: Sequence[str]) -> list[RowView]:
  """The untouched input and the best classic method, where all rows were scored on the same."""
  scored = table.scored
  if len({(_data(run), _protocol(run)) for run in scored}) != 1:
    return []
  report = scored[0].report
  others = {name: each for name, each in report["methods"].items() if name != report["method"]}
  named = {label: others.pop(name) for name, label in _UNCHANGED.items() if name in others}
  if others:
    best = max(others, key=lambda name: float(others[name]["psnr"]))
    named[f"best without training: {best}"] = others[best]
  return [
    RowView(
      label=label,
      config="",
      note="",
      figures=[
        Figure(measure(name).text(float(each[name])) if name in each else NOTHING, NOTHING)
        for name in metrics
      ],
      count="",
      steps="",
      time="",
      files=[],
    )
    for label, each in named.items()
  ]


def _sentences(table: TableRuns) -> list[str]:
  """What our order says about the published one, of the rows that were scored on the same data."""
  places = {row.name: _data(row.scored[0]) for row in table.rows if row.scored}
  # Most rows; of several such data, the first.
  common = max(places.values(), key=list(places.values()).count, default="")
  labels = {row.name: row.label for row in table.rows}
  told = []
  for ours, published in table.ranked:
    goals = {row.name: row.published[published] for row in table.rows if published in row.published}
    known = {
      row.name: figure
      for row in table.rows
      if places.get(row.name) == common and (figure := row_summary(row, ours)) is not None
    }
    result = ranking.rank(
      known,
      goals,
      ours_better=measure(ours).better,
      published_better=measure(published).better,
    )
    absent = [name for name in goals if name not in known]
    told.append(ranking.sentence(result, labels, ours, published, absent))
  if told and len(set(places.values())) > 1:
    told.append(f"Only rows scored on {common} are compared; the others were scored on other data.")
  return told
