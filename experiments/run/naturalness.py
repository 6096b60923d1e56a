"""NIQE as one more column of an evaluation."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.metrics.no_reference import Pristine, fit_pristine, load_pristine, niqe
from llve_jax.metrics.protocols import FrameMetric
from llve_jax.ops.frames import to_8_bit
from llve_jax.shapes import Frames8

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip

LEAST_SIDE = 192  # pixels: two blocks each way
TARGETS = "targets"


def metric(
  model: str, first: Frames8, clips: Callable[[], Iterator["EvalClip"]]
) -> FrameMetric | None:
  """NIQE of the prediction, the target unseen; None, and a line on stderr, for small frames.

  Args:
    model: as `open_model`.
    first: targets of the first clip, whose size decides.
    clips: reads the clips from the start.
  """
  height, width = first.shape[1:3]
  if min(height, width) < LEAST_SIDE:
    print(
      f"--niqe: left out, since it needs frames of {LEAST_SIDE}x{LEAST_SIDE} at least, found "
      f"{width}x{height}",
      file=sys.stderr,
    )
    return None
  return judge(open_model(model, clips))


def judge(pristine: Pristine) -> FrameMetric:
  """NIQE of the prediction, the target unseen; NaN where an image has too few blocks to look at."""

  def one(image: np.ndarray) -> float:
    try:
      return niqe(image, pristine)
    except ValueError:  # too small, or too few blocks with texture
      return float("nan")

  def host(images: np.ndarray) -> np.ndarray:
    frames = to_8_bit(np.asarray(images))
    return np.array([one(frame) for frame in frames], np.float32)

  def score(pred: Array, target: Array) -> Array:
    del target
    shape = jax.ShapeDtypeStruct(pred.shape[:1], jnp.float32)
    return jax.pure_callback(host, shape, pred)

  return score


def open_model(model: str, clips: Callable[[], Iterator["EvalClip"]]) -> Pristine:
  """The pristine model that NIQE measures the distance from.

  Args:
    model: an npz file, see `load_pristine`; or "targets", to fit one on the middle bright frame of
      every clip. Scores of different models are not to be compared.
    clips: reads the clips from the start.

  Raises:
    UserError: no such file, or too few targets to fit a model on.
  """
  if model != TARGETS:
    return load_pristine(Path(model))
  try:
    return fit_pristine(clip.high[len(clip.high) // 2] for clip in clips())
  except ValueError as error:
    raise UserError(f"--niqe={TARGETS}: {error}; give a model fitted elsewhere") from error
