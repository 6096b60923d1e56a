"""Dark and bright pictures of one view, made comparable."""

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.shapes import Frame8

Grey = Float[np.ndarray, "h w"]


def grey(image: Frame8) -> Grey:
  """BT.601 luma of an 8-bit sRGB image, float32 in [0, 255], not rounded."""
  return image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def equalize(picture: Grey, *, bins: int = 4096) -> Grey:
  """Spreads brightness evenly over (0, 1]: each value becomes the share of pixels up to it.

  So the exposure and the tone curve cancel. A flat picture becomes all ones.
  """
  low, high = float(picture.min()), float(picture.max())
  scale = (bins - 1) / (high - low) if high > low else 0.0
  level = ((picture - low) * np.float32(scale)).astype(np.int32)
  count = np.bincount(level.ravel(), minlength=bins)
  return (np.cumsum(count) / picture.size).astype(np.float32)[level]


def shrink(picture: Grey, height: int) -> Grey:
  """At most `height` rows, by averaging areas; a smaller picture stays as it is."""
  if picture.shape[0] <= height:
    return picture
  width = max(1, round(picture.shape[1] * height / picture.shape[0]))
  return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def view(picture: Grey, height: int, blur: float) -> Grey:
  """Shrinks a picture to `height` rows, blurs it, equalises it: noise is averaged, then stretched.

  `blur` is the standard deviation of a Gaussian in pixels of the shrunk picture; 0 does not blur.
  """
  picture = shrink(picture, height)
  if blur > 0:
    picture = cv2.GaussianBlur(picture, (0, 0), blur, borderType=cv2.BORDER_REFLECT_101)
  return equalize(picture)


def normalized(picture: Grey) -> Float[np.ndarray, "n"]:
  """As a vector of mean 0 and length 1, so that a dot product is a correlation; flat becomes 0."""
  vector = picture.ravel() - picture.mean(dtype=np.float64)
  length = np.linalg.norm(vector)
  return (vector / length if length > 1e-6 else np.zeros_like(vector)).astype(np.float32)


def correlation(first: Grey, second: Grey) -> float:
  """The 2-D correlation coefficient, in [-1, 1]; 0 if one of the pictures is flat.

  sum((A - mean A)(B - mean B)) / sqrt(sum((A - mean A)^2) sum((B - mean B)^2)).
  """
  return float(normalized(first) @ normalized(second))
