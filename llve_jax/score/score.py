"""Scores methods on clips, networks and classic baselines alike, in one table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.methods.method import Method
from llve_jax.metrics.protocols import Protocol, score_frames
from llve_jax.metrics.report import Report
from llve_jax.metrics.whole_clip import clip_scores, static_scores
from llve_jax.ops.frames import to_8_bit
from llve_jax.shapes import Frames8

# Called with a method's name, the clip and the method's frames as saved.
Watch = Callable[[str, EvalClip, Frames8], None]


def clip_key(clip: EvalClip) -> str:
  """The clip's name in reports: `name_variant`."""
  return f"{clip.name}_{clip.variant}"


def taken_by(method: Method, clip: EvalClip) -> np.ndarray:
  """The frames of a clip that a method takes; what it cannot take is what a person sees of them."""
  return clip.light if clip.light is not None and clip.kind == method.takes else clip.low


def score(
  methods: Sequence[Method],
  clips: Iterable[EvalClip],
  protocol: Protocol,
  *,
  headline: str | None = None,
  about: Mapping[str, Any] | None = None,
  watch: Watch | None = None,
) -> Report:
  """`score_all` under one protocol."""
  return score_all(methods, clips, [protocol], headline=headline, about=about, watch=watch)[0]


def score_all(
  methods: Sequence[Method],
  clips: Iterable[EvalClip],
  protocols: Sequence[Protocol],
  *,
  headline: str | None = None,
  about: Mapping[str, Any] | None = None,
  temporal: bool = False,
  static: bool = False,
  watch: Watch | None = None,
) -> list[Report]:
  """Runs every method once on every whole clip, scores the frames that each protocol selects.

  Args:
    methods: each called by its name in the reports.
    clips: the test clips, in order; read one by one, so they may be a generator.
    protocols: how frames are compared; a report for each. Those without `floats` get the result
      rounded to 8 bits, whatever the method gives.
    headline: the method at the top of the reports' JSON; the first one if not given.
    about: kept in the reports.
    temporal: whether to add `clip_scores` of all frames, as saved, to every report. A clip of one
      frame has none, and then no table shows them.
    static: whether to add `static_scores`, which mean something of still scenes alone.
    watch: sees every result, for pictures.

  Raises:
    ValueError: no method, protocol or clip, two methods of one name, or a method changed the shape
      of its frames.
    UserError: a clip is too short for a protocol, or a method cannot take it; names the clip.
  """
  if not methods or not protocols:
    raise ValueError("score needs at least one method and one protocol")
  names = [method.name for method in methods]
  if len(set(names)) < len(names):
    raise ValueError(f"several methods are called the same: {names}")
  headline = headline or names[0]
  rounded = not any(protocol.floats for protocol in protocols)
  reports = [Report(protocol, headline, about) for protocol in protocols]
  for clip in clips:
    key = clip_key(clip)
    wanted = [report for report in reports if report.protocol.compares(key)]
    if not wanted:
      continue
    for method in methods:
      name = method.name
      try:
        pred = method(taken_by(method, clip), rounded=rounded)
      except UserError as error:
        raise UserError(f"clip {key}: {error}") from None
      if pred.shape != clip.high.shape:
        raise ValueError(f"{name} on clip {key} gave {pred.shape}, the target is {clip.high.shape}")
      saved = pred if pred.dtype == np.uint8 else to_8_bit(pred)
      if watch is not None:
        watch(name, clip, saved)
      whole = clip_scores(saved, clip.high) if temporal and len(saved) > 1 else {}
      if static and len(saved) > 1:
        whole |= static_scores(saved)
      for report in wanted:
        protocol = report.protocol
        kept = protocol.kept(len(pred), key)
        part = slice(kept.start, kept.stop)
        given = (pred if protocol.floats else saved)[part]
        frames = [str(index) for index in kept]
        report.add(name, key, frames, score_frames(protocol, given, clip.high[part]))
        if whole:
          report.add_clip(name, key, whole)
  for report in reports:
    if not report.rows:
      left = f" that protocol {report.protocol.name} takes" if report.protocol.without else ""
      raise ValueError(f"score got no clip{left}; is the split empty?")
  return reports
