"""Scores methods on clips: networks and classic baselines through one function, in one table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from typing import Protocol as Interface

import numpy as np
from jaxtyping import Array

from llve_jax.metrics.protocols import Protocol, score_frames
from llve_jax.metrics.report import Report
from llve_jax.ops.frames import clips_of, frames_of
from llve_jax.shapes import Frames8

Method = Callable[[Frames8], Frames8]
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


def frame_method(apply: Apply, *, batch: int = 8) -> Method:
  """Turns an image network into a method.

  Args:
    apply: clip float32 [b, 1, h, w, 3] in [0, 1] -> {"clip": ...} or the clip itself. Give it
      jitted, with its weights as arguments; it is called as it is.
    batch: frames per call. The last batch is filled up with copies of the last frame, so that one
      frame size compiles once.

  Returns:
    uint8 [t, h, w, 3] -> uint8 of the same shape, clipped and rounded as a saved file would be. It
    keeps nothing between calls.
  """

  def method(frames: Frames8) -> Frames8:
    out = np.empty_like(frames)
    for start in range(0, len(frames), batch):
      part = frames[start : start + batch]
      padding = ((0, batch - len(part)), (0, 0), (0, 0), (0, 0))
      result = apply(clips_of(np.pad(part, padding, mode="edge")))
      clip = result["clip"] if isinstance(result, Mapping) else result
      out[start : start + batch] = np.asarray(frames_of(clip))[: len(part)]
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
  """Runs every method on every clip and scores its frames.

  Args:
    methods: name -> factory, called once for each clip so that no state leaks between clips.
    clips: the test clips, in order; read one by one, so they may be a generator.
    protocol: how frames are compared.
    headline: the method at the top of the report's JSON; the first one if not given.
    about: kept in the report.

  Raises:
    ValueError: no method or no clip, or a method changed the shape of its frames.
  """
  if not methods:
    raise ValueError("score needs at least one method")
  report = Report(protocol, headline or next(iter(methods)), about)
  for clip in clips:
    frames = [str(index) for index in range(len(clip.low))]
    for name, fresh in methods.items():
      pred = fresh()(clip.low)
      if pred.shape != clip.high.shape:
        raise ValueError(
          f"{name} on clip {clip_key(clip)} gave {pred.shape}, the target is {clip.high.shape}"
        )
      report.add(name, clip_key(clip), frames, score_frames(protocol, pred, clip.high))
  if not report.rows:
    raise ValueError("score got no clip; is the split empty?")
  return report
