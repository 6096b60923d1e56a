"""The evidence for shipped networks: pairs, real night clips and speed, beside their rivals.

Scores on evenly dark pairs do not see real nights, so metrics of harm and strips of night clips
stand beside PSNR.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from experiments.run.pictures import detail, shrunk
from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.io.atomic import replacing
from llve_jax.io.images import read_image, write_image
from llve_jax.io.video import VIDEO_SUFFIXES, read_frames
from llve_jax.methods.method import Method
from llve_jax.metrics import protocols
from llve_jax.metrics.folders import match_folders
from llve_jax.metrics.harm import harm
from llve_jax.metrics.perceptual import lpips
from llve_jax.metrics.strips import strip
from llve_jax.metrics.temporal import warping_error
from llve_jax.score.score import score_all
from llve_jax.shapes import Frames8

SPEED_SIZES = ((288, 352), (720, 1280), (1080, 1920))
_COLUMNS = 5  # methods in a row of a strip

Table = dict[str, dict[str, float]]  # method -> figure -> value


def pairs(folder: Path) -> Iterator[EvalClip]:
  """The pictures of FOLDER/low with those of the same name in FOLDER/high, one by one.

  Raises:
    UserError: see `metrics.folders.match_folders`.
  """
  for name, low, high in match_folders(folder / "low", folder / "high"):
    yield EvalClip(name, 0, 0.0, read_image(low)[None], read_image(high)[None])


def on_pairs(methods: Sequence[Method], folder: Path) -> Table:
  """Means over the pictures: plain PSNR, SSIM and LPIPS, and PSNR and SSIM after a GT-mean."""
  plain = protocols.get("plain").with_metrics(lpips_alex=lpips)
  reports = score_all(methods, pairs(folder), [plain, protocols.get("gt_mean_retinexformer")])
  table: Table = {}
  for method in methods:
    found, scaled = (report.means(method.name) for report in reports)
    table[method.name] = {
      "PSNR": found["psnr"],
      "SSIM": found["ssim"],
      "LPIPS": found["lpips_alex"],
      "PSNR, GT-mean": scaled["psnr"],
      "SSIM, GT-mean": scaled["ssim"],
    }
  return table


def clips(folder: Path, frames: int) -> dict[str, Frames8]:
  """The first frames of every video in a folder, by name.

  Raises:
    UserError: there is none, or one cannot be read.
  """
  files = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
  if not files:
    raise UserError(f"{folder}: expected videos ({' '.join(VIDEO_SUFFIXES)}), found none")
  return {
    path.stem: np.stack([frame.image for frame in itertools.islice(read_frames(path), frames)])
    for path in files
  }


def on_clips(
  methods: Sequence[Method], videos: Mapping[str, Frames8], out: Path
) -> dict[str, Table]:
  """What each method does to each video (`metrics.harm`), and a strip of all methods for each."""
  tables: dict[str, Table] = {}
  for name, before in videos.items():
    shown: dict[str, np.ndarray] = {}
    tables[name] = {}
    for method in methods:
      after = method(before)
      shown[method.name] = after[len(after) // 2]
      figures = dataclasses.asdict(harm(before, after))
      figures["warping error"] = warping_error(after, before)
      tables[name][method.name] = figures
    _write_strips(shown, out / f"{name}.png")
  return tables


def speed(method: Method, height: int, width: int, *, frames: int = 16) -> float:
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


def write(
  methods: Sequence[Method],
  out: Path,
  *,
  pairs_in: Mapping[str, Path],
  clips_in: Path | None = None,
  frames: int = 60,
  speeds: bool = False,
) -> Path:
  """Writes SHIPPED.md, and a strip for each clip, into an existing folder.

  Args:
    methods: the rows, in their order.
    out: the folder.
    pairs_in: name -> folder with `low` and `high`.
    clips_in: folder of night videos without targets.
    frames: of each video.
    speeds: measure frames/s too.

  Raises:
    UserError: a folder is missing or holds nothing of use.
  """
  text = ["# Shipped networks beside their rivals", ""]
  for name, folder in pairs_in.items():
    table = on_pairs(methods, folder)
    text += [f"## {name}", "", *markdown(table), ""]
  if clips_in is not None:
    videos = clips(clips_in, frames)
    for name, table in on_clips(methods, videos, out).items():
      text += [f"## {name}, {len(videos[name])} frames, no target", "", *markdown(table), ""]
  if speeds:
    table = {
      method.name: {f"{w}x{h}": speed(method, h, w) for h, w in SPEED_SIZES} for method in methods
    }
    text += ["## Frames per second, in memory", "", *markdown(table), ""]
  path = out / "SHIPPED.md"
  with replacing(path) as temporary:
    temporary.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
  return path


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
