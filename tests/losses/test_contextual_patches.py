"""CoBi of patches of the frame, and of VGG-19's features, against loops in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import contextual
from llve_jax.losses.contextual import cobi_rgb, cobi_vgg16, cobi_vgg19

cobi_patches = jax.jit(contextual.cobi_patches, static_argnames=("size", "block", "max_positions"))


def naive_patches(pred, target, size, spatial_weight=0.1, keep=None):
  """Eq 2.7 with the root mean square difference of patches; outside the frame is 0."""
  height, width, channels = pred.shape[1:]
  keep = range(height * width) if keep is None else keep
  before = (size - 1) // 2
  losses = []
  for pair in zip(pred, target, strict=True):
    patches = []
    for frame in pair:
      larger = np.zeros((height + size, width + size, channels))
      larger[before : before + height, before : before + width] = frame
      patches.append([larger[y : y + size, x : x + size] for y, x in np.ndindex(height, width)])
    total = 0.0
    for i in keep:
      costs = []
      for j in keep:
        difference = np.sqrt(np.square(patches[0][i] - patches[1][j]).mean())
        apart = np.hypot(i // width - j // width, i % width - j % width) / max(height, width)
        costs.append(difference + spatial_weight * apart)
      total += min(costs)
    losses.append(total / len(keep))
  return losses


@pytest.mark.parametrize(("size", "block"), [(5, 10), (5, 1024), (1, 7), (4, 30)])
def test_cobi_of_patches_equals_the_formula(size, block):
  rng = np.random.default_rng(30)
  pred, target = rng.uniform(size=(2, 2, 6, 7, 3)).astype(np.float32)
  found = cobi_patches(jnp.asarray(pred), jnp.asarray(target), size=size, block=block)
  np.testing.assert_allclose(found, naive_patches(pred, target, size), atol=1e-5)


def test_sampled_patches_are_whole_and_keep_their_places():
  rng = np.random.default_rng(31)
  pred, target = rng.uniform(size=(2, 1, 7, 9, 3)).astype(np.float32)
  found = cobi_patches(jnp.asarray(pred), jnp.asarray(target), max_positions=20)
  lattice = [y * 9 + x for y in range(0, 7, 2) for x in range(0, 9, 2)]
  np.testing.assert_allclose(found, naive_patches(pred, target, 5, keep=lattice), atol=1e-5)


def test_patches_bear_a_shift_that_pixels_do_not():
  target = jnp.asarray(np.random.default_rng(32).uniform(size=(1, 16, 16, 3)), jnp.float32)
  shifted = jnp.roll(target, 1, axis=2)
  assert cobi_patches(target, target) < 1e-4
  assert cobi_patches(shifted, target) < 0.3 * jnp.abs(shifted - target).mean()


def test_cobi_on_clips_takes_patches_of_the_frames_and_mean_pooled_vgg19():
  rng = np.random.default_rng(33)
  pred, target = (jnp.asarray(rng.uniform(size=(1, 2, 8, 9, 3)), jnp.float32) for _ in range(2))
  expected = np.mean(naive_patches(*(np.asarray(x[0]) for x in (pred, target)), 5))
  np.testing.assert_allclose(cobi_rgb(pred, target), [expected], rtol=1e-4)
  assert (cobi_vgg19.vgg.network, cobi_vgg19.vgg.pooling) == ("vgg19", "average")
  assert cobi_vgg19.layers == cobi_vgg16.layers == ("conv1_2", "conv2_2", "conv3_2")
  assert cobi_vgg19.compare is cobi_vgg16.compare


def test_cobi_of_the_published_blocks_is_small_for_small_shifts(vgg19_blocks):
  # Something smooth, as photographs are: noise, blurred by means.
  scene = np.random.default_rng(34).uniform(size=(1, 1, 40, 40, 3))
  for axis in (2, 3):
    scene = sum(np.roll(scene, k, axis) for k in range(5)) / 5
  target = jnp.asarray(scene, jnp.float32)
  call = jax.jit(lambda pred: cobi_vgg19(pred, target, frozen={"vgg19": vgg19_blocks}))
  assert call(jnp.roll(target, 1, 3)) < 0.5 * call(target[:, :, ::-1, ::-1])
