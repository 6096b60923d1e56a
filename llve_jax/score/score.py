"""Scores methods on clips: networks and classic baselines through one function, in one table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from llve_jax.methods.clips import Method, PairedClip, rounded_frames
from llve_jax.metrics.protocols import Protocol, score_frames
from llve_jax.metrics.report import Report
from llve_jax.metrics.temporal import clip_scores
from llve_jax.shapes import Frames8

# Called with a method's name, the clip and the method's frames as saved.
Watch = Callable[[str, PairedClip, Frames8], None]

_BT709 = np.array([0.2126, 0.7152, 0.0722])


def clip_key(clip: PairedClip) -> str:
  """The clip's name in reports: `name_variant`."""
  return f"{clip.name}_{clip.variant}"


def on_frames(fresh: Callable[[], Callable[[Frames8], Frames8]]) -> Callable[[], Method]:
  """Turns a factory of functions of 8-bit frames, such as a classic baseline, into one of methods.

  They see the dark frames as a person would.
  """

  def make() -> Method:
    method = fresh()
    return lambda clip: method(clip.low)

  return make


def mean_brightness(frames: Frames8) -> Float[np.ndarray, "t"]:
  """Mean of `metrics.temporal.brightness` over each frame, here on the scale 0 to 1; float64."""
  return np.stack([frame.mean(axis=(0, 1)) for frame in frames]) @ _BT709 / 255.0


def score(
  methods: Mapping[str, Callable[[], Method]],
  clips: Iterable[PairedClip],
  protocol: Protocol,
  *,
  headline: str | None = None,
  about: Mapping[str, Any] | None = None,
  watch: Watch | None = None,
) -> Report:
  """`score_all` under one protocol."""
  return score_all(methods, clips, [protocol], headline=headline, about=about, watch=watch)[0]


def score_all(
  methods: Mapping[str, Callable[[], Method]],
  clips: Iterable[PairedClip],
  protocols: Sequence[Protocol],
  *,
  headline: str | None = None,
  about: Mapping[str, Any] | None = None,
  temporal: bool = False,
  watch: Watch | None = None,
) -> list[Report]:
  """Runs every method once on every whole clip, scores the frames that each protocol selects.

  Args:
    methods: name -> factory, called once for each clip so that no state leaks between clips.
    clips: the test clips, in order; read one by one, so they may be a generator.
    protocols: how frames are compared; a report for each. Those without `floats` get the result
      rounded to 8 bits, whatever the method gives.
    headline: the method at the top of the reports' JSON; the first one if not given.
    about: kept in the reports.
    temporal: whether to add `clip_scores` of all frames, as saved, to every report. A clip of one
      frame has none, and then no table shows them.
    watch: sees every result, for pictures.

  Raises:
    ValueError: no method, protocol or clip, or a method changed the shape of its frames.
    UserError: a clip is too short for a protocol.
  """
  if not methods or not protocols:
    raise ValueError("score needs at least one method and one protocol")
  headline = headline or next(iter(methods))
  reports = [Report(protocol, headline, about) for protocol in protocols]
  for clip in clips:
    key = clip_key(clip)
    for name, fresh in methods.items():
      pred = fresh()(clip)
      if pred.shape != clip.high.shape:
        raise ValueError(f"{name} on clip {key} gave {pred.shape}, the target is {clip.high.shape}")
      saved = pred if pred.dtype == np.uint8 else rounded_frames(pred)
      if watch is not None:
        watch(name, clip, saved)
      whole = clip_scores(saved, clip.high) if temporal and len(saved) > 1 else {}
      for report in reports:
        protocol = report.protocol
        kept = protocol.kept(len(pred), key)
        part = slice(kept.start, kept.stop)
        given = (pred if protocol.floats else saved)[part]
        frames = [str(index) for index in kept]
        report.add(name, key, frames, score_frames(protocol, given, clip.high[part]))
        if whole:
          report.add_clip(name, key, whole)
  if not reports[0].rows:
    raise ValueError("score got no clip; is the split empty?")
  return reports
