"""Scores methods on clips: networks and classic baselines through one function, in one table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from typing import Protocol as Interface

import numpy as np
from jaxtyping import Array

from llve_jax.metrics.protocols import Protocol, score_frames
from llve_jax.metrics.report import Report
from llve_jax.metrics.temporal import clip_scores
from llve_jax.ops.frames import clips_of, frames_of
from llve_jax.shapes import Frames8

Method = Callable[[Frames8], np.ndarray]  # the result 8-bit as well, or float32 in [0, 1]
Apply = Callable[[Array], Any]


class PairedClip(Interface):
  """What `score` needs to know of a test clip: `llve_jax.data.clips.EvalClip` has it."""

  @property
  def name(self) -> str:
    """The source clip."""

  @property
  def variant(self) -> int:
    """Which of its dark versions."""

  @property
  def low(self) -> Frames8:
    """The dark frames."""

  @property
  def high(self) -> Frames8:
    """The bright frames, as many and as large."""


def clip_key(clip: PairedClip) -> str:
  """The clip's name in reports and file names: `name_variant`."""
  return f"{clip.name}_{clip.variant}"


def frame_method(apply: Apply, *, batch: int = 8, rounded: bool = True) -> Method:
  """Turns an image network into a method.

  Args:
    apply: clip float32 [b, 1, h, w, 3] in [0, 1] -> {"clip": ...} or the clip itself. Give it
      jitted, with its weights as arguments; it is called as it is.
    batch: frames per call. The last batch is filled up with copies of the last frame, so that one
      frame size compiles once.
    rounded: whether the result is 8-bit, as a saved file would be, or float32 in [0, 1], for
      protocols that take `floats`.

  Returns:
    uint8 [t, h, w, 3] -> uint8 or float32 of the same shape, clipped. It keeps nothing between
    calls.
  """

  def method(frames: Frames8) -> np.ndarray:
    out = np.empty(frames.shape, np.uint8 if rounded else np.float32)
    for start in range(0, len(frames), batch):
      part = frames[start : start + batch]
      padding = ((0, batch - len(part)), (0, 0), (0, 0), (0, 0))
      result = apply(clips_of(np.pad(part, padding, mode="edge")))
      clip = result["clip"] if isinstance(result, Mapping) else result
      whole = frames_of(clip) if rounded else np.clip(np.asarray(clip, np.float32)[:, 0], 0, 1)
      out[start : start + batch] = np.asarray(whole)[: len(part)]
    return out

  return method


def score(
  methods: Mapping[str, Callable[[], Method]],
  clips: Iterable[PairedClip],
  protocol: Protocol,
  *,
  headline: str | None = None,
  about: Mapping[str, Any] | None = None,
) -> Report:
  """`score_all` under one protocol."""
  return score_all(methods, clips, [protocol], headline=headline, about=about)[0]


def score_all(
  methods: Mapping[str, Callable[[], Method]],
  clips: Iterable[PairedClip],
  protocols: Sequence[Protocol],
  *,
  headline: str | None = None,
  about: Mapping[str, Any] | None = None,
  temporal: bool = False,
) -> list[Report]:
  """Runs every method once on every whole clip, scores the frames that each protocol selects.

  Args:
    methods: name -> factory, called once for each clip so that no state leaks between clips.
    clips: the test clips, in order; read one by one, so they may be a generator.
    protocols: how frames are compared; a report for each. Those without `floats` get the result
      rounded to 8 bits, whatever the method gives.
    headline: the method at the top of the reports' JSON; the first one if not given.
    about: kept in the reports.
    temporal: whether to add `clip_scores` of all frames, as saved, to every report.

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
      pred = fresh()(clip.low)
      if pred.shape != clip.high.shape:
        raise ValueError(f"{name} on clip {key} gave {pred.shape}, the target is {clip.high.shape}")
      saved = pred if pred.dtype == np.uint8 else _saved(pred)
      whole = clip_scores(saved, clip.high) if temporal else {}
      for report in reports:
        protocol = report.protocol
        kept = protocol.kept(len(pred), key)
        part = slice(kept.start, kept.stop)
        given = (pred if protocol.floats else saved)[part]
        frames = [str(index) for index in kept]
        report.add(name, key, frames, score_frames(protocol, given, clip.high[part]))
        if temporal:
          report.add_clip(name, key, whole)
  if not reports[0].rows:
    raise ValueError("score got no clip; is the split empty?")
  return reports


def _saved(frames: np.ndarray) -> Frames8:
  """Floats as `frames_of` rounds them."""
  return np.rint(np.clip(frames, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8)
