import numpy as np
import pytest
import scipy.linalg

from llve_jax.metrics.frechet import fid_vgg16, frechet_distance, vgg16_means
from llve_jax.metrics.perceptual import packaged_lpips


def samples(count: int, width: int, seed: int) -> np.ndarray:
  random = np.random.default_rng(seed)
  return random.normal(size=(count, width)) @ random.normal(size=(width, width)) + random.normal()


def direct(a: np.ndarray, b: np.ndarray) -> float:
  """The formula, with scipy's root of the product, which is not symmetric."""
  means = [each.mean(axis=0) for each in (a, b)]
  covariances = [np.cov(each, rowvar=False) for each in (a, b)]
  root = np.real(scipy.linalg.sqrtm(covariances[0] @ covariances[1]))
  return np.square(means[0] - means[1]).sum() + np.trace(sum(covariances) - 2 * root)


def test_it_equals_the_formula_with_the_matrix_root_of_scipy():
  a, b = samples(60, 7, 0), samples(45, 7, 1)
  assert frechet_distance(a, b) == pytest.approx(direct(a, b), rel=1e-8)
  assert frechet_distance(b, a) == pytest.approx(direct(a, b), rel=1e-8)


def test_known_distances():
  a = samples(50, 5, 2)
  assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-8)
  shift = np.arange(5.0)
  assert frechet_distance(a, a + shift) == pytest.approx(30.0)  # |shift|^2
  # Scaled by 3: (sqrt(9 S) - sqrt(S)) has trace 4 S, and the mean moves by twice itself.
  expected = 4 * np.trace(np.cov(a, rowvar=False)) + 4 * np.square(a.mean(axis=0)).sum()
  assert frechet_distance(a, 3 * a) == pytest.approx(expected)
  line = np.array([[0.0], [2.0]])  # one feature: variance 2
  assert frechet_distance(line, 2 * line) == pytest.approx(1 + (np.sqrt(8) - np.sqrt(2)) ** 2)


def test_fewer_vectors_than_features_are_no_trouble():
  a, b = samples(4, 12, 3), samples(5, 12, 4)
  found = frechet_distance(a, b)
  assert found > 0
  # The same in the space the vectors span, where the covariances are of full rank.
  basis = np.linalg.svd(np.concatenate([a, b]), full_matrices=False)[2]
  assert frechet_distance(a @ basis.T, b @ basis.T) == pytest.approx(found, rel=1e-6)
  assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-6)


def test_features_that_do_not_fit_are_refused():
  a = samples(5, 3, 0)
  for wrong in (a[:, :2], a[:1], a[0]):
    with pytest.raises(ValueError, match="two at least"):
      frechet_distance(a, wrong)
  with pytest.raises(ValueError, match="finite"):
    frechet_distance(a, np.full_like(a, np.nan))


def plain_vgg16(image: np.ndarray) -> np.ndarray:
  """VGG-16 up to conv5_3 as loops over kernel offsets, in float64, from its table of layers."""
  x = (image / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
  for index, (kernel, bias) in enumerate(packaged_lpips("vgg16").layers):
    if index in (2, 4, 7, 10):  # the first layers of blocks 2 to 5: pooling before them
      rows, columns = x.shape[0] // 2, x.shape[1] // 2
      x = x[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1).max(axis=(1, 3))
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    x = np.maximum(
      bias.astype(np.float64)
      + sum(
        padded[r : r + x.shape[0], c : c + x.shape[1]] @ kernel[r, c].astype(np.float64)
        for r in range(3)
        for c in range(3)
      ),
      0,
    )
  return x.mean(axis=(0, 1))


def test_the_features_are_global_means_of_conv5_3():
  images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
  found = vgg16_means(images)
  assert found.shape == (2, 512)
  expected = np.stack([plain_vgg16(image) for image in images])
  assert expected.max() > 0.1
  np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * expected.max())


def test_the_distance_sees_a_change_and_not_the_order():
  images = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
  assert fid_vgg16(images, images[::-1]) == pytest.approx(0.0, abs=1e-6)
  assert fid_vgg16(images, images // 8) > 0.1


def test_bad_images_are_refused():
  with pytest.raises(ValueError, match="none"):
    vgg16_means([])
  with pytest.raises(ValueError, match="uint8"):
    vgg16_means([np.zeros((16, 16, 3), np.float32)])
  with pytest.raises(ValueError, match="16 x 16"):
    vgg16_means([np.zeros((15, 16, 3), np.uint8)])
