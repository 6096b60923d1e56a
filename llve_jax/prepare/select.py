"""Which clips and stills are worth pairing."""

from collections.abc import Sequence

import cv2
import numpy as np

from llve_jax.prepare.grey import Grey


def sharpness(picture: Grey) -> float:
  """Variance of the Laplacian: how much fine detail a picture has, in (grey levels)^2.

  Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000. Compare pictures
  of about the same view and size only.
  """
  return float(cv2.Laplacian(picture, cv2.CV_32F).var(dtype=np.float64))


def blurred(scores: Sequence[float], ratio: float) -> list[bool]:
  """Which of a scene's stills are blurred: those whose score is below `ratio` times the median."""
  if not scores:
    return []
  floor = ratio * float(np.median(scores))
  return [score < floor for score in scores]
