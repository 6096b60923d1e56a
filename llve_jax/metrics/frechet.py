"""Frechet distance between two sets of images, on VGG-16 features. Smaller is better.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017, Eq 6, define FID on
features of Inception-v3, whose weights do not come with this package. The number here is made in
the same way on another network, `fid_vgg16`, and has another scale: never print it as "FID", never
compare it with one. To judge enhancement, compare outputs with NORMAL-LIGHT images; against the
dark inputs it only says how far the outputs moved.

Both estimates are biased: fewer images give larger distances. Compare sets of equal size, of
thousands of images if there are.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from llve_jax.metrics.perceptual import Weights, feature_maps, packaged_lpips
from llve_jax.ops.frames import to_unit
from llve_jax.shapes import Frame8


def frechet_distance(
  features_a: Float[np.ndarray, "n d"], features_b: Float[np.ndarray, "m d"]
) -> float:
  """|m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)) of two sets of feature vectors.

  Means m and covariances S (with n - 1) in float64. The trace of the root is taken from the
  eigenvalues of S1^(1/2) S2 S1^(1/2), which is symmetric and has those of S1 S2: they are real and
  not negative however few vectors there are, so nothing has to be added to the diagonal.

  Raises:
    ValueError: not two matrices of one width, fewer than two rows, or values that are not finite.
  """
  sets = [np.asarray(features, np.float64) for features in (features_a, features_b)]
  if any(each.ndim != 2 or len(each) < 2 for each in sets) or sets[0].shape[1] != sets[1].shape[1]:
    raise ValueError(
      "expected two sets of feature vectors [n, d], two at least in each, got "
      f"{sets[0].shape} and {sets[1].shape}"
    )
  if not all(np.isfinite(each).all() for each in sets):
    raise ValueError("feature vectors must be finite")
  difference = sets[0].mean(axis=0) - sets[1].mean(axis=0)
  first, second = (np.cov(each, rowvar=False).reshape(len(difference), -1) for each in sets)
  values, vectors = np.linalg.eigh(first)
  root = (vectors * _roots(values)) @ vectors.T
  cross = _roots(np.linalg.eigvalsh(root @ second @ root)).sum()
  distance = difference @ difference + np.trace(first) + np.trace(second) - 2.0 * cross
  return max(float(distance), 0.0)


def _roots(eigenvalues: np.ndarray) -> np.ndarray:
  """Square roots; what is zero but for rounding counts as zero, since its root would be large."""
  rounding = len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues.max()
  return np.sqrt(np.where(eigenvalues > rounding, eigenvalues, 0.0))


def vgg16_means(
  images: Iterable[Frame8], *, weights: Weights | None = None
) -> Float[np.ndarray, "n 512"]:
  """The mean over positions of VGG-16's conv5_3, after ReLU, of each image at its own size.

  Args:
    images: uint8 RGB, 16 x 16 and larger; read one by one. Every size compiles once.
    weights: as `packaged_lpips("vgg16")`, which is taken if none are given.

  Raises:
    ValueError: no image, or one that is not uint8 RGB or too small.
  """
  weights = jax.device_put(packaged_lpips("vgg16") if weights is None else weights)
  means = []
  for image in images:
    if image.dtype != np.uint8:
      raise ValueError(f"expected uint8 images, got {image.dtype}")
    means.append(np.asarray(_means(image[None], weights))[0])
  if not means:
    raise ValueError("expected images, got none")
  return np.stack(means)


def fid_vgg16(images_a: Iterable[Frame8], images_b: Iterable[Frame8]) -> float:
  """`frechet_distance` of `vgg16_means`; print it under this name, not as FID.

  Raises:
    ValueError: as those two.
  """
  return frechet_distance(vgg16_means(images_a), vgg16_means(images_b))


@jax.jit
def _means(images: Array, weights: Weights) -> Array:
  maps = feature_maps(to_unit(images), "vgg16", weights)
  return jnp.mean(maps[-1], axis=(1, 2))
