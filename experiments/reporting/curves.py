"""Plots as inline SVG that takes its text colour from the page, so it fits light and dark ones."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.reporting.measures import measure, summarize

# Told apart on white and on black, and by people who see no red or no green (Okabe and Ito), with
# a line style each for those who see no colour.
_COLOURS = ("#0084d1", "#e66100", "#009e73", "#cc4fa0", "#b8860b", "#7a6ff0", "#888888", "#d62728")
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (8, 2)), (0, (1, 3)))
_INK = "#010203"  # stands for the page's text colour; used by nothing else
_LEVEL = 1 / 255  # a step of 8 bits: what changes less is drawn flat
_WIDTH = 5.2  # inches; on a phone about as many as its screen shows, so text stays readable

_LOOK: dict[Any, Any] = {  # of matplotlib's rcParams
  "font.size": 10.5,
  "font.family": "sans-serif",
  "text.color": _INK,
  "axes.edgecolor": _INK,
  "axes.labelcolor": _INK,
  "axes.facecolor": "none",
  "axes.grid": True,
  "axes.spines.top": False,
  "axes.spines.right": False,
  "figure.facecolor": "none",
  "grid.color": "#888888",
  "grid.alpha": 0.3,
  "xtick.color": _INK,
  "ytick.color": _INK,
  "svg.fonttype": "none",  # text stays text
}

History = Sequence[Mapping[str, float]]


def learning_curve(
  rows: Mapping[str, Sequence[History]], metric: str, *, prefix: str
) -> str | None:
  """A metric over training steps: a line of the mean over seeds, a band of +- their spread.

  Args:
    rows: label -> for each seed the metrics at its evaluations, each with "step". The mean is
      taken at the steps that every seed has.
    metric: its name in the histories.
    prefix: of the identifiers in the SVG; no two figures of a page may share it.

  Returns:
    An `<svg>` element; None if no row has the metric.
  """
  figure, axes = _figure(3.1)
  drawn = 0
  for index, (label, histories) in enumerate(rows.items()):
    curves = [_points(history, metric) for history in histories]
    curves = [curve for curve in curves if curve]
    steps = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    if not steps:
      continue
    drawn += 1
    points = [summarize([curve[step] for curve in curves]) for step in steps]
    mean = np.array([point.mean for point in points if point])
    spread = np.array([point.spread or 0.0 for point in points if point])
    style = _style(index)
    axes.plot(steps, mean, label=label, marker="o" if len(steps) < 3 else None, **style)
    if spread.any():
      axes.fill_between(steps, mean - spread, mean + spread, alpha=0.18, color=style["color"], lw=0)
  if not drawn:
    return None
  axes.set_xlabel("training steps")
  axes.set_ylabel(measure(metric).label)
  _legend(figure, axes)
  return _svg(figure, f"{measure(metric).label} over training steps of {_listed(rows)}", prefix)


def flicker_curve(
  methods: Mapping[str, Sequence[float]], target: Sequence[float] | None, *, clip: str, prefix: str
) -> str:
  """Mean brightness of every frame of a clip, and below it what is left of the target's course.

  Args:
    methods: label -> brightness of every frame, [0, 1].
    target: that of the target; without one the lower plot is left out.
    clip: its name.
    prefix: of the identifiers in the SVG.

  Returns:
    An `<svg>` element. Below, a method's curve minus the target's, its mean taken away: a steady
    method is a flat line, whatever its brightness.
  """
  figure, axes = _figure(4.4 if target is not None else 3.1, plots=1 if target is None else 2)
  both = np.atleast_1d(np.asarray(figure.axes, dtype=object))
  if target is not None:
    axes.plot(target, label="target", color=_INK, lw=2.2)
  largest = _LEVEL
  for index, (label, values) in enumerate(methods.items()):
    axes.plot(values, label=label, **_style(index))
    if target is not None and len(target) == len(values):
      rest = np.asarray(values) - np.asarray(target)
      rest -= rest.mean()
      both[1].plot(rest, **_style(index))
      largest = max(largest, float(np.abs(rest).max()))
  axes.set_title(clip, loc="left", fontsize=_LOOK["font.size"])
  axes.set_ylabel("brightness, 0 to 1")
  if target is not None:
    both[1].set_ylabel("minus target's")
    both[1].set_ylim(-1.1 * largest, 1.1 * largest)
  both[-1].set_xlabel("frame")
  _legend(figure, axes)
  told = f"Mean brightness of every frame of clip {clip}: {_listed(methods)}"
  return _svg(figure, told + (" and the target" if target is not None else ""), prefix)


def _points(history: History, metric: str) -> dict[int, float]:
  values = {int(entry["step"]): entry[metric] for entry in history if metric in entry}
  return {step: value for step, value in values.items() if np.isfinite(value)}


def _figure(height: float, plots: int = 1) -> tuple[Figure, Axes]:
  """A figure with plots one above the other, and the uppermost."""
  with matplotlib.rc_context(_LOOK):
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(plots, 1, sharex=True)
  first: Axes = np.atleast_1d(np.asarray(axes, dtype=object))[0]
  return figure, first


def _style(index: int) -> dict[str, Any]:
  return {
    "color": _COLOURS[index % len(_COLOURS)],
    "linestyle": _STYLES[index % len(_STYLES)],
    "linewidth": 1.7,
  }


def _legend(figure: Figure, axes: Axes) -> None:
  handles, labels = axes.get_legend_handles_labels()
  columns = 2 if max(map(len, labels)) < 26 else 1
  with matplotlib.rc_context(_LOOK):
    figure.legend(
      handles, labels, loc="outside lower left", ncols=columns, frameon=False, handlelength=3.2
    )


def _listed(names: Mapping[str, object]) -> str:
  return ", ".join(names)


def _svg(figure: Figure, described: str, prefix: str) -> str:
  """The figure as an element to put into HTML, with a description in words."""
  buffer = io.StringIO()
  nothing: Any = dict.fromkeys(("Creator", "Date", "Format", "Type"))
  with matplotlib.rc_context({**_LOOK, "svg.hashsalt": prefix}):
    figure.savefig(buffer, format="svg", metadata=nothing)
  text = buffer.getvalue()
  text = text[text.index("<svg") :]
  text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
  text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
  escaped = described.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
  text = text.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1)
  return text.replace(_INK, "currentColor")
