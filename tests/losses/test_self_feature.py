"""The self-feature preserving loss against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import self_feature
from llve_jax.losses.vgg import Vgg
from llve_jax.ops.normalize import instance_norm


@pytest.fixture(scope="module")
def clips():
  rng = np.random.default_rng(0)
  return [jnp.asarray(rng.uniform(size=(2, 1, 40, 48, 3)), jnp.float32) for _ in range(2)]


def distance(first, second):
  """Mean square of maps [h, w, c] at mean 0 and variance 1 over positions, in float64."""
  normalized = []
  for maps in (first, second):
    maps = np.asarray(maps, np.float64)
    normalized.append((maps - maps.mean((0, 1))) / np.sqrt(maps.var((0, 1)) + 1e-5))
  return np.square(normalized[0] - normalized[1]).mean()


@pytest.mark.parametrize("released", [False, True])
def test_it_is_the_distance_of_normalized_relu5_1_at_an_eighth(clips, narrow, released):
  loss = self_feature.vgg16_self_feature
  vgg = Vgg(skip_pool4=True)
  if released:
    loss, vgg = self_feature.vgg16_self_feature_released, Vgg(skip_pool4=True, input="no_mean")
  maps = [vgg.features(x[:, 0], narrow["vgg16"], ("conv5_1",))["conv5_1"] for x in clips]
  assert maps[0].shape[1:3] == (5, 6)
  expected = [distance(*pair) for pair in zip(*maps, strict=True)]
  np.testing.assert_allclose(loss(*clips, frozen=narrow), expected, rtol=1e-4)


def test_released_input_lacks_the_mean_alone(narrow):
  image = jnp.asarray(np.random.default_rng(1).uniform(size=(1, 8, 8, 3)), jnp.float32)
  kernel = np.zeros((3, 3, 3, 8), np.float32)
  kernel[1, 1, range(3), range(3)] = 1.0  # copies the input
  weights = {"conv1_1": {"kernel": kernel, "bias": np.zeros(8, np.float32)}}
  found = Vgg(input="no_mean").features(image, weights, ("conv1_1_linear",))["conv1_1_linear"]
  np.testing.assert_allclose(found[..., :3], np.asarray(image) / [0.229, 0.224, 0.225], rtol=1e-5)


def test_brightness_and_contrast_of_the_maps_do_not_matter():
  maps = jnp.asarray(np.random.default_rng(2).normal(size=(2, 5, 6, 4)), jnp.float32)
  found = instance_norm(3.0 * maps + 7.0)
  np.testing.assert_allclose(found, instance_norm(maps), atol=1e-4)
  flat = instance_norm(jnp.full((1, 3, 3, 2), 0.3))
  np.testing.assert_allclose(flat, np.zeros((1, 3, 3, 2)), atol=1e-4)


def test_local_is_the_mean_over_patches_at_the_same_places(clips, narrow):
  corners = jnp.array([[0, 0], [8, 16], [3, 5]])
  expected = np.zeros(2)
  for row, column in np.asarray(corners):
    cut = [x[:, :, row : row + 32, column : column + 32] for x in clips]
    expected += np.asarray(self_feature.vgg16_self_feature(*cut, frozen=narrow)) / 3
  call = jax.jit(self_feature.self_feature_local)
  np.testing.assert_allclose(call(*clips, corners, frozen=narrow), expected, rtol=1e-4)


def test_patches_keep_the_order_of_clips_and_stay_inside(clips):
  corners = jnp.array([[1, 2], [100, 100]])
  found = self_feature.patches(clips[0], corners)
  assert found.shape == (4, 1, 32, 32, 3)
  np.testing.assert_array_equal(found[2], clips[0][1, :, 1:33, 2:34])
  np.testing.assert_array_equal(found[1], clips[0][0, :, 8:, 16:])
  with pytest.raises(ValueError, match=r"32 x 32.*\(2, 1, 40, 31, 3\)"):
    self_feature.patches(clips[0][:, :, :, :31], corners)


def test_corners_are_drawn_from_all_that_fit():
  drawn = np.asarray(self_feature.draw_corners(jax.random.key(0), 34, 40, 400))
  assert drawn.min(0).tolist() == [0, 0]
  assert drawn.max(0).tolist() == [2, 8]
