"""Per-frame scores -> table on screen, JSON and CSV.

A mean is taken over the frames of a clip and then over clips, so a long clip counts as much as a
short one. A frame identical to its target has PSNR +inf; so has every mean that contains it, and
the table says how many such frames there are. JSON has no infinity: there it is the string "inf",
which Python's `float` reads back.
"""

import csv
import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llve_jax.io.atomic import replacing
from llve_jax.metrics.protocols import Protocol
from llve_jax.metrics.whole_clip import CLIP_METRICS


@dataclasses.dataclass(frozen=True)
class FrameScore:
  """The scores of one frame; `frame` is its number in the clip or the name of its file."""

  method: str
  clip: str
  frame: str
  scores: Mapping[str, float]


class Report:
  """Scores of one or more methods under one protocol.

  Attributes:
    protocol: what the numbers mean.
    headline: the method whose means stand at the top of the JSON.
    about: what else a reader needs to trust the numbers (checkpoint, split, device); goes to JSON.
    rows: one entry per method and frame, in the order they were scored.
    clip_scores: (method, clip) -> scores that only a whole clip has, such as flicker.
  """

  def __init__(
    self, protocol: Protocol, headline: str, about: Mapping[str, Any] | None = None
  ) -> None:
    self.protocol = protocol
    self.headline = headline
    self.about = dict(about or {})
    self.rows: list[FrameScore] = []
    self.clip_scores: dict[tuple[str, str], dict[str, float]] = {}

  def add(
    self, method: str, clip: str, frames: list[str], scores: Mapping[str, np.ndarray]
  ) -> None:
    """Adds the frames of one clip; `scores` maps metric name to an array as long as `frames`."""
    for index, frame in enumerate(frames):
      values = {name: float(value[index]) for name, value in scores.items()}
      self.rows.append(FrameScore(method, clip, frame, values))

  def add_clip(self, method: str, clip: str, scores: Mapping[str, float]) -> None:
    """Adds what only the whole clip has: metric name, one of `CLIP_METRICS`, to number."""
    self.clip_scores[method, clip] = dict(scores)

  @property
  def clip_metrics(self) -> list[str]:
    """Names of the metrics of whole clips that every clip has; none if one lacks them."""
    clips = {(row.method, row.clip) for row in self.rows}
    return [
      name
      for name in CLIP_METRICS
      if clips and all(name in self.clip_scores.get(clip, {}) for clip in clips)
    ]

  @property
  def methods(self) -> list[str]:
    """Names of the methods in the order they were first added."""
    return list(dict.fromkeys(row.method for row in self.rows))

  def clip_means(self, method: str) -> dict[str, dict[str, float]]:
    """Clip name -> metric name -> mean over that clip's frames, or the clip's own number."""
    clips: dict[str, list[FrameScore]] = {}
    for row in self.rows:
      if row.method == method:
        clips.setdefault(row.clip, []).append(row)
    names = self.clip_metrics
    return {
      clip: {
        **{name: _mean([row.scores[name] for row in rows]) for name in self.protocol.metrics},
        **{name: self.clip_scores[method, clip][name] for name in names},
      }
      for clip, rows in clips.items()
    }

  def means(self, method: str) -> dict[str, float]:
    """Metric name -> mean over clips of the mean over frames.

    Raises:
      KeyError: the method is not in the report; the message lists those that are.
    """
    clips = self.clip_means(method).values()
    if not clips:
      raise KeyError(f"no scores of {method!r}; the report holds {', '.join(self.methods)}")
    names = [*self.protocol.metrics, *self.clip_metrics]
    return {name: _mean([clip[name] for clip in clips]) for name in names}

  def identical_frames(self, method: str) -> int:
    """How many frames of `method` equal their target in every pixel."""
    return sum(row.method == method and math.inf in row.scores.values() for row in self.rows)

  def table(self) -> str:
    """The means as text; the header names the protocol, the first line says what it does."""
    names = [*self.protocol.metrics, *self.clip_metrics]
    width = max(len("method"), *(len(method) for method in self.methods))
    head = f"{'method':<{width}}" + "".join(f"  {name:>8}" for name in names)
    head += f"   (protocol: {self.protocol.name})"
    about = [f"# {self.protocol.name}: {self.protocol.description}"]
    if self.clip_metrics:
      about.append("# of all frames of a clip as saved in 8 bits, whatever the protocol:")
      about += [f"#   {name}: {CLIP_METRICS[name]}" for name in self.clip_metrics]
    lines = [*about, head, "-" * len(head)]
    notes = []
    for method in self.methods:
      means = self.means(method)
      lines.append(
        f"{method:<{width}}"
        + "".join(f"  {_text(name, means[name]):>{max(8, len(name))}}" for name in names)
      )
      if same := self.identical_frames(method):
        notes.append(f"{method}: {same} frame(s) identical to the target, so a mean PSNR is inf")
    first = self.methods[0]
    frames = sum(row.method == first for row in self.rows)
    lines.append(f"{frames} frame(s) of {len(self.clip_means(first))} clip(s)")
    return "\n".join([*lines, *notes]) + "\n"

  def to_json(self) -> dict[str, Any]:
    """The headline's metrics, `protocol`, `frames`, `about`, and means per method and clip."""
    methods = {
      method: {
        **self.means(method),
        "identical_frames": self.identical_frames(method),
        "clips": self.clip_means(method),
      }
      for method in self.methods
    }
    content = {
      **self.means(self.headline),
      "protocol": self.protocol.name,
      "protocol_description": self.protocol.description,
      "method": self.headline,
      "frames": sum(row.method == self.headline for row in self.rows),
      "methods": methods,
      "about": self.about,
    }
    return finite_json(content)

  def write_json(self, path: str | os.PathLike[str]) -> None:
    """Writes `to_json()` whole or not at all."""
    write_json([self], path)

  def write_csv(self, path: str | os.PathLike[str]) -> None:
    """Writes one line per method and frame, after a header line; whole or not at all."""
    write_csv([self], path)


def write_json(reports: Sequence[Report], path: str | os.PathLike[str]) -> None:
  """Writes the first report; if there are more, all of them too, by protocol, under "protocols"."""
  content = reports[0].to_json()
  if len(reports) > 1:
    content["protocols"] = {report.protocol.name: report.to_json() for report in reports}
  with replacing(path) as temporary:
    temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(reports: Sequence[Report], path: str | os.PathLike[str]) -> None:
  """Writes one line per report, method and frame; whole or not at all.

  The last column names the protocol. What a protocol does not measure is left empty.
  """
  names = list(dict.fromkeys(name for report in reports for name in report.protocol.metrics))
  with replacing(path) as temporary, open(temporary, "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["method", "clip", "frame", *names, "protocol"])
    for report in reports:
      for row in report.rows:
        scores = [repr(row.scores[name]) if name in row.scores else "" for name in names]
        writer.writerow([row.method, row.clip, row.frame, *scores, report.protocol.name])


def finite_json(value: Any) -> Any:
  """Returns `value` with infinite numbers as the strings "inf" and "-inf", NaN as "nan"."""
  if isinstance(value, Mapping):
    return {key: finite_json(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [finite_json(item) for item in value]
  if isinstance(value, float) and not math.isfinite(value):
    return str(value)
  return value


def _mean(values: list[float]) -> float:
  return math.fsum(values) / len(values)


def _text(name: str, value: float) -> str:
  if name in CLIP_METRICS:
    return f"{value:.4g}"
  return f"{value:.2f}" if name == "psnr" else f"{value:.4f}"
