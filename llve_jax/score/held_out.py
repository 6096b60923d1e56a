"""The evaluation of a run in progress: the held-out clips through the network, scored and shown."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import flax.linen as nn
import jax
import numpy as np

from llve_jax.data.clips import EvalClip
from llve_jax.methods.compiled import Compiled
from llve_jax.methods.network import Network
from llve_jax.metrics import protocols
from llve_jax.metrics.strips import strip
from llve_jax.metrics.temporal import frame_brightness
from llve_jax.score.score import clip_key, score
from llve_jax.shapes import Frames8

_PREVIEW_FRAMES = 40
_PREVIEW_WIDTH = 720  # pixels


def thin(
  clips: Iterable[EvalClip], protocol: protocols.Protocol, max_frames: int
) -> Iterator[EvalClip]:
  """Of the frames that a protocol compares at most `max_frames`, evenly spread; 0 keeps all."""
  for clip in clips:
    kept = np.asarray(protocol.kept(len(clip.low), clip_key(clip)))
    if max_frames and len(kept) > max_frames:
      kept = kept[np.linspace(0, len(kept) - 1, max_frames).round().astype(int)]
    yield clip.part(kept)


def shorten(
  clips: Iterable[EvalClip], protocol: protocols.Protocol, max_frames: int
) -> Iterator[EvalClip]:
  """Clips up to the `max_frames`-th frame that the protocol compares; 0 keeps all of them."""
  for clip in clips:
    kept = protocol.kept(len(clip.low), clip_key(clip))
    yield clip.part(slice(0, kept.start + max_frames if max_frames else kept.stop))


def preview(*clips: Frames8) -> Frames8:
  """The beginning of clips [t, h, w, 3] of one size side by side, small enough for a log."""
  joined = np.concatenate([clip[:_PREVIEW_FRAMES] for clip in clips], axis=2)
  height, width = joined.shape[1:3]
  share = min(1.0, _PREVIEW_WIDTH / width)
  size = (round(width * share), max(1, round(height * share)))
  small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in joined]
  return np.asarray(small, np.uint8)


class Scorer:
  """Variables of a network -> its metrics on the held-out clips, and a picture of each clip."""

  def __init__(
    self,
    module: nn.Module,
    clips: Callable[[], Iterable[EvalClip]],
    *,
    protocol: str = "plain",
    batch: int = 8,
    max_frames: int = 0,
  ):
    """Prepares the evaluation; compiles at the first call.

    Args:
      module: the network, run as its traits say, see `methods.network`.
      clips: gives the held-out clips anew each time, of the kind that the network takes.
      protocol: a name of `llve_jax.metrics.protocols.PROTOCOLS`.
      batch: frames at once.
      max_frames: frames of each clip that are scored; 0 for all. Of a network of single frames they
        are evenly spread; one that looks at several gets the first ones, as a video begins.
    """
    self._compiled = Compiled(module)
    self._clips, self._protocol = clips, protocols.get(protocol)
    self._batch, self._max_frames = batch, max_frames

  def __call__(self, variables: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics, and for each clip a uint8 strip of a frame from its middle: input, output, target.

    The same of the first clip as it moves, [t, h, w, 3], is called "preview".

    A network that looks at several frames also gets "flicker", that of
    `metrics.temporal.brightness_flicker`, over the frames it was run on.
    """
    variables = jax.device_get(variables)  # one device's copy, wherever training keeps it
    method = Network("output", self._compiled, variables, batch=self._batch)
    pictures: dict[str, np.ndarray] = {}
    flicker: list[float] = []

    def watch(name: str, clip: EvalClip, frames: Frames8) -> None:
      middle = len(frames) // 2
      shown = [clip.low[middle], frames[middle], clip.high[middle]]
      if not pictures and len(frames) > 1:
        pictures["preview"] = preview(clip.low, frames, clip.high)
      pictures[clip_key(clip)] = strip([shown], ["input", name, "target"])
      flicker.append(float(np.var(frame_brightness(frames) - frame_brightness(clip.high))))

    protocol = self._protocol
    alone = self._compiled.traits.single_frames
    clips = (thin if alone else shorten)(self._clips(), protocol, self._max_frames)
    if alone:  # what it selects has been selected
      protocol = dataclasses.replace(protocol, select=(0, None))
    report = score([method], clips, protocol, watch=watch)
    metrics = report.means(method.name)
    return metrics if alone else {**metrics, "flicker": float(np.mean(flicker))}, pictures
