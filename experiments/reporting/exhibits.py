"""What a results page shows beside numbers: curves, and frames side by side."""

import dataclasses
import os
import re
import urllib.parse
from pathlib import Path

from experiments.reporting import curves, pictures
from experiments.reporting.collect import RowRuns, TableRuns

_CLIPS = 4  # per table, for flicker curves; per row, for strips
_STRIP_WIDTH, _STRIP_QUALITY = 1280, 82


@dataclasses.dataclass(frozen=True)
class Strips:
  """Pictures of a row: (clip, picture, link to the file, description), and what is left out."""

  label: str
  same_as: str
  anchor: str
  pictures: list[tuple[str, pictures.Picture, str, str]]
  left_out: str


def learning(table: TableRuns) -> list[str]:
  """Learning curves of PSNR and SSIM, as SVG; none where no run has any."""
  histories = {row.label: [run.history for run in row.runs] for row in table.rows}
  drawn = [
    curves.learning_curve(histories, metric, prefix=f"{table.name}-{metric}")
    for metric in ("psnr", "ssim")
  ]
  return [each for each in drawn if each is not None]


def flicker(table: TableRuns) -> tuple[list[str], str]:
  """Brightness over time, a figure for each of the first clips, and what to know of them."""
  clips: dict[str, dict[str, list[float]]] = {}
  targets: dict[str, list[float]] = {}
  for row in table.rows:
    run = next((run for run in row.scored if run.brightness), None)
    if run is None:
      continue
    for clip, values in run.brightness.get(run.report["method"], {}).items():
      clips.setdefault(clip, {})[row.label] = values
    for clip, values in run.brightness.get("target", {}).items():
      targets.setdefault(clip, values)
  chosen = list(clips)[:_CLIPS]
  note = "Of the first scored run of each row."
  if len(clips) > len(chosen):
    note += f" {len(clips) - len(chosen)} more clips are in evaluation/brightness.json of each run."
  return [
    curves.flicker_curve(
      clips[clip], targets.get(clip), clip=clip, prefix=f"{table.name}-flicker{index}"
    )
    for index, clip in enumerate(chosen)
  ], note


def strips(row: RowRuns, table: str, out: Path, shown: dict[Path, str]) -> list[Strips]:
  """The first clips of the first run of a row that has any: no entry or one.

  Args:
    row: with its runs.
    table: name of its table.
    out: the folder of the page, for links.
    shown: run folder -> anchor of its strips, where the page has them already; added to.
  """
  run = next((run for run in row.scored if run.strips), None)
  if run is None:
    return []
  if run.folder in shown:
    return [Strips(row.label, shown[run.folder], "", [], "")]
  anchor = re.sub(r"[^A-Za-z0-9_-]+", "-", f"strips-{table}-{row.name}")
  shown[run.folder] = anchor
  chosen = list(run.strips.items())[:_CLIPS]
  return [
    Strips(
      row.label,
      "",
      anchor,
      [
        (
          clip,
          pictures.embed_file(path, width=_STRIP_WIDTH, quality=_STRIP_QUALITY),
          link(path, out),
          f"Frames of clip {clip} side by side, with {row.label}, run of seed {run.seed}",
        )
        for clip, path in chosen
      ],
      ", ".join(list(run.strips)[_CLIPS:]),
    )
  ]


def link(path: Path, out: Path) -> str:
  """The path relative to the folder of the page, as it is written in a link."""
  relative = os.path.relpath(path.absolute(), out.absolute())
  return urllib.parse.quote(relative) + ("/" if path.is_dir() else "")
