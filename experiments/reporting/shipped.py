"""The evidence for shipped networks: pairs, real night clips and speed, beside their rivals.

Scores on evenly dark pairs do not see real nights, so metrics of harm and strips of night clips
stand beside PSNR.
"""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from experiments.reporting import kept_rows
from experiments.run.pictures import detail, shrunk
from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.io.images import read_image, write_image
from llve_jax.io.video import VIDEO_SUFFIXES, read_frames
from llve_jax.io.visible import visible_files
from llve_jax.methods.method import Method
from llve_jax.metrics import protocols
from llve_jax.metrics.folders import match_folders
from llve_jax.metrics.harm import harm
from llve_jax.metrics.perceptual import lpips
from llve_jax.metrics.strips import strip
from llve_jax.metrics.temporal import warping_error
from llve_jax.score.score import score_all
from llve_jax.shapes import Frame8, Frames8

SPEED_SIZES = {(288, 352): 16, (720, 1280): 6, (1080, 1920): 4}  # of (height, width): frames a run
_COLUMNS = 5  # methods in a row of a strip

Figures = dict[str, float]
Table = dict[str, Figures]  # method -> figure -> value


def pairs(folder: Path) -> Iterator[EvalClip]:
  """The pictures of FOLDER/low with those of the same name in FOLDER/high, one by one.

  Raises:
    UserError: see `metrics.folders.match_folders`.
  """
  for name, low, high in match_folders(folder / "low", folder / "high"):
    yield EvalClip(name, 0, 0.0, read_image(low)[None], read_image(high)[None])


def on_pairs(method: Method, clips_in: Iterable[EvalClip]) -> Figures:
  """Means over pictures or clips: plain PSNR, SSIM and LPIPS, and PSNR and SSIM after a GT-mean.

  Of clips also the variance of the brightness that the target has not, and the warping error.
  """
  plain = protocols.get("plain").with_metrics(lpips_alex=lpips)
  gt_mean = protocols.get("gt_mean_retinexformer")
  reports = score_all([method], clips_in, [plain, gt_mean], temporal=True)
  found, scaled = (report.means(method.name) for report in reports)
  whole = {"flicker": "flicker", "warping error": "warp_err"} if "flicker" in found else {}
  return {
    "PSNR": found["psnr"],
    "SSIM": found["ssim"],
    "LPIPS": found["lpips_alex"],
    "PSNR, GT-mean": scaled["psnr"],
    "SSIM, GT-mean": scaled["ssim"],
    **{title: found[name] for title, name in whole.items()},
  }


def clips(folder: Path, frames: int) -> dict[str, Frames8]:
  """The first frames of every video in a folder, by name.

  Raises:
    UserError: there is none, or one cannot be read.
  """
  files = visible_files(folder, VIDEO_SUFFIXES)
  if not files:
    raise UserError(f"{folder}: expected videos ({' '.join(VIDEO_SUFFIXES)}), found none")
  return {
    path.stem: np.stack([frame.image for frame in itertools.islice(read_frames(path), frames)])
    for path in files
  }


def on_night(method: Method, before: Frames8) -> tuple[Figures, Frame8]:
  """What a method does to a clip without target (`metrics.harm`), and its middle frame."""
  after = method(before)
  figures = dataclasses.asdict(harm(before, after))
  figures["warping error"] = warping_error(after, before)
  return figures, after[len(after) // 2]


def speed(method: Method, height: int, width: int, *, frames: int) -> float:
  """Frames per second in memory, after a first run that compiles; the median of three."""
  random = np.random.default_rng(0)
  small = random.integers(0, 60, (9, 16, 3)).astype(np.uint8)
  still = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
  video = [still] * frames
  taken = []
  for _ in range(4):
    started = time.perf_counter()
    for _ in method.stream(video):
      pass
    taken.append(time.perf_counter() - started)
  return frames / float(np.median(taken[1:]))


@dataclasses.dataclass(frozen=True)
class Evidence:
  """What methods are scored on, by the names that the page shows.

  Attributes:
    pairs: functions that read dark pictures or clips and their targets from the start.
    nights: frames of clips without targets.
    speeds: whether frames/s are measured too. They are kept by themselves, so that a quiet machine
      can be left to them.
    of: what pairs and nights were read from, see `kept_rows`.
  """

  pairs: Mapping[str, Callable[[], Iterable[EvalClip]]]
  nights: Mapping[str, Frames8] = dataclasses.field(default_factory=dict)
  speeds: bool = False
  of: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def write(
  methods: Sequence[Method],
  out: Path,
  evidence: Evidence,
  *,
  of: Mapping[str, Any],
  say: Callable[[str], None] = print,
) -> Path:
  """Writes SHIPPED.md, and a strip for each night, into an existing folder.

  It takes long; rows are kept in `out/rows` as they come, and the same call goes on.

  Args:
    methods: the rows, in their order.
    out: the folder.
    evidence: what they are scored on.
    of: what each method was read from, by its name, see `kept_rows`.
    say: hears of each row.

  Raises:
    UserError: a method takes no such frames.
  """
  rows: dict[str, kept_rows.Row] = {}
  for method in methods:
    found = kept_rows.kept(
      out / "rows" / f"{method.name}.json",
      {"method": of[method.name], "evidence": evidence.of},
      functools.partial(_row, method, evidence, out / "rows"),
    )
    if evidence.speeds:
      sizes = [[*size, frames] for size, frames in SPEED_SIZES.items()]
      found |= kept_rows.kept(
        out / "rows" / f"{method.name}.speed.json",
        {"method": of[method.name], "sizes": sizes},
        functools.partial(_speeds, method),
      )
    rows[method.name] = found
    say(f"{method.name}: scored")
  text = ["# Shipped networks beside their rivals", ""]
  for part in next(iter(rows.values())):
    text += [f"## {part}", "", *markdown({name: row[part] for name, row in rows.items()}), ""]
  for night in evidence.nights:
    shown = {name: read_image(out / "rows" / f"{name}_{night}.png") for name in rows}
    _write_strips(shown, out / f"{night}.png")
  path = out / "SHIPPED.md"
  with replacing(path) as temporary:
    temporary.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
  return path


def _row(method: Method, evidence: Evidence, folder: Path) -> kept_rows.Row:
  row = {part: on_pairs(method, read()) for part, read in evidence.pairs.items()}
  folder.mkdir(exist_ok=True)
  for night, frames in evidence.nights.items():
    figures, middle = on_night(method, frames)
    row[f"{night}, {len(frames)} frames, no target"] = figures
    write_image(folder / f"{method.name}_{night}.png", middle)
  return row


def _speeds(method: Method) -> kept_rows.Row:
  found = {f"{w}x{h}": speed(method, h, w, frames=n) for (h, w), n in SPEED_SIZES.items()}
  return {"Frames per second, in memory": found}


def markdown(table: Table) -> list[str]:
  """A table with a line for each method; the figures are those of the first one."""
  columns = list(next(iter(table.values())))
  lines = [f"| method | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
  for name, figures in table.items():
    cells = [_text(figures[column]) for column in columns]
    lines.append(f"| {name} | {' | '.join(cells)} |")
  return lines


def _text(value: float) -> str:
  return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4g}"


def _write_strips(shown: Mapping[str, np.ndarray], path: Path) -> None:
  """Whole frames and a magnified detail of each method, a few methods to a line."""
  guide = shown[next(iter(shown))]
  names = list(shown)
  parts = []
  for start in range(0, len(names), _COLUMNS):
    line = names[start : start + _COLUMNS]
    filled = [*line, *[""] * (_COLUMNS - len(line))]
    blank = np.zeros_like(guide)
    frames = [shown.get(name, blank) for name in filled]
    rows = [[shrunk(frame) for frame in frames], [detail(frame, guide) for frame in frames]]
    parts.append(strip(rows, filled))
  write_image(path, np.concatenate(parts))
