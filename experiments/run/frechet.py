"""The Frechet distance of each method's frames from the targets, as one more figure."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llve_jax.io.images import read_image
from llve_jax.metrics.folders import image_files
from llve_jax.metrics.frechet import frechet_distance, vgg16_means
from llve_jax.shapes import Frames8

if TYPE_CHECKING:
  from llve_jax.data.clips import EvalClip

NAME = "fid_vgg16"
_FRAMES = 8  # of each clip: those between differ too little to tell more


class Distances:
  """Sees the results of an evaluation go by (`watch` of `score_all`) and keeps their features."""

  def __init__(self) -> None:
    self._found: dict[str, list[np.ndarray]] = {}
    self._targets: dict[tuple[str, int], np.ndarray] = {}

  def __call__(self, method: str, clip: "EvalClip", frames: Frames8) -> None:
    """Notes one method's frames of one clip."""
    spread = np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).round().astype(int)
    key = (clip.name, clip.variant)
    if key not in self._targets:
      self._targets[key] = vgg16_means(clip.high[spread])
    self._found.setdefault(method, []).append(vgg16_means(frames[spread]))

  def distances(self) -> dict[str, float]:
    """Method -> `metrics.frechet.fid_vgg16` of its frames and the targets.

    Raises:
      ValueError: there was only one frame.
    """
    targets = np.concatenate(list(self._targets.values()))
    return {
      name: frechet_distance(np.concatenate(found), targets) for name, found in self._found.items()
    }


def of_folders(pred: str, target: str) -> float:
  """The same of all images of two folders.

  Raises:
    ValueError: fewer than two images in one.
  """
  means = (
    vgg16_means(read_image(path) for path in image_files(Path(folder)).values())
    for folder in (pred, target)
  )
  return frechet_distance(*means)
