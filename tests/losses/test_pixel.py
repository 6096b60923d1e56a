"""Pixel losses against numpy and tf.image."""

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.losses import pixel


@pytest.fixture
def clips():
  rng = np.random.default_rng(0)
  return [rng.uniform(-0.2, 1.2, (3, 2, 6, 6, 3)).astype(np.float32) for _ in range(2)]


@pytest.mark.parametrize(
  ("loss", "expected"),
  [
    (pixel.l1, lambda d: np.abs(d).mean((1, 2, 3, 4))),
    (pixel.l2, lambda d: (d**2).mean((1, 2, 3, 4))),
    (pixel.charbonnier, lambda d: np.sqrt(d**2 + 1e-6).mean((1, 2, 3, 4))),
  ],
)
def test_equals_numpy_in_float64(loss, expected, clips):
  difference = clips[0].astype(np.float64) - clips[1]
  np.testing.assert_allclose(loss(*map(jnp.asarray, clips)), expected(difference), rtol=1e-5)


def test_tv_equals_tf_image(clips):
  # tf.image sums |dx| + |dy|; on square frames both have h (w - 1) c differences.
  pred, target = clips
  batch, time, side, _, channels = pred.shape
  sums = tf.image.total_variation(tf.constant(pred.reshape(-1, side, side, channels))).numpy()
  per_clip = sums.reshape(batch, time).mean(1) / (side * (side - 1) * channels)
  np.testing.assert_allclose(pixel.tv(jnp.asarray(pred), jnp.asarray(target)), per_clip, rtol=1e-5)


def test_tv_weighs_both_directions_by_their_own_count():
  ramp = jnp.broadcast_to(jnp.arange(4.0)[:, None], (4, 9))[None, None, :, :, None] * 0.1
  np.testing.assert_allclose(pixel.tv(ramp, ramp), [0.1], rtol=1e-6)
  across = jnp.swapaxes(ramp, 2, 3)
  np.testing.assert_allclose(pixel.tv(across, across), [0.1], rtol=1e-6)


def test_tv_of_one_pixel_rows_is_finite():
  line = jnp.array([0.0, 1.0, 0.0]).reshape(1, 1, 1, 3, 1)
  np.testing.assert_allclose(pixel.tv(line, line), [1.0])


def test_weight_l2_sums_over_the_whole_tree():
  params = {"a": {"kernel": jnp.array([[1.0, 2.0]])}, "b": jnp.array([-3.0])}
  assert float(pixel.weight_l2(params)) == 14.0
  assert float(pixel.weight_l2({})) == 0.0


def gradients(clip, mask):
  """Loops over neighbours: {axis: [b, (difference [c], weight of the pair)]}."""
  found = {2: [], 3: []}
  for axis, (down, across) in ((2, (1, 0)), (3, (0, 1))):
    for one, weights in zip(clip.astype(np.float64), mask, strict=True):
      pairs = []
      for t, y, x in np.ndindex(one.shape[0], one.shape[1] - down, one.shape[2] - across):
        step = one[t, y + down, x + across] - one[t, y, x]
        pairs.append((step, min(weights[t, y + down, x + across, 0], weights[t, y, x, 0])))
      found[axis].append(pairs)
  return found


@pytest.fixture
def mask():
  mask = np.ones((3, 2, 6, 6, 1), np.float32)
  mask[0, 0, 2:4, 1:] = 0
  mask[1, 1, :3] = 0.5
  return mask


def test_differences_count_where_both_pixels_are_trusted(clips, mask):
  pred, target = clips
  expected = {"edge": np.zeros(3), "tv": np.zeros(3), "tv_squared": np.zeros(3)}
  seen = np.where(mask > 0, pred, target)
  for name, values in (("edge", seen - target), ("tv", seen), ("tv_squared", seen)):
    for batches in gradients(values, mask).values():
      for index, pairs in enumerate(batches):
        total = sum(weight for _, weight in pairs)
        if name == "tv_squared":
          expected[name][index] += 2 * sum(w * np.sum(step**2) for step, w in pairs) / total
        else:
          expected[name][index] += sum(w * np.abs(step).mean() for step, w in pairs) / total
  for name, values in expected.items():
    found = getattr(pixel, name)(*map(jnp.asarray, clips), mask=jnp.asarray(mask))
    np.testing.assert_allclose(found, values, rtol=1e-5)


def test_masked_pixel_losses_are_means_over_the_trusted(clips, mask):
  pred, target = (x.astype(np.float64) for x in clips)
  weights = np.broadcast_to(mask, pred.shape)
  for loss, error in (
    (pixel.l1, np.abs(pred - target)),
    (pixel.l2, (pred - target) ** 2),
    (pixel.charbonnier, np.sqrt((pred - target) ** 2 + 1e-6)),
  ):
    expected = [np.average(e, weights=w) for e, w in zip(error, weights, strict=True)]
    found = loss(*map(jnp.asarray, clips), mask=jnp.asarray(mask))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_tv_squared_is_zero_dces():
  # Its program: 2 (h_tv / count_h + w_tv / count_w) / batch, counts without channels.
  x = np.random.default_rng(1).normal(size=(1, 1, 5, 7, 24)).astype(np.float32)
  h_tv, w_tv = (np.square(np.diff(x.astype(np.float64), axis=axis)).sum() for axis in (2, 3))
  expected = 2 * (h_tv / (4 * 7) + w_tv / (5 * 6))
  np.testing.assert_allclose(pixel.tv_squared(jnp.asarray(x), jnp.asarray(x)), [expected], 1e-5)


def test_edge_ignores_an_offset(clips):
  pred = jnp.asarray(clips[0])
  np.testing.assert_allclose(pixel.edge(pred + 0.25, pred), np.zeros(3), atol=1e-6)
  assert np.all(pixel.edge(pred, jnp.asarray(clips[1])) > 0.1)


def test_multi_scale_equals_block_means():
  rng = np.random.default_rng(2)
  pred, target = rng.uniform(size=(2, 1, 2, 9, 12, 3)).astype(np.float32)
  expected = 0.0
  for side in (1, 2, 4):
    error = (pred - target)[:, :, : 8 if side > 1 else 9]
    blocks = error.reshape(1, 2, -1, side, 12 // side, side, 3).mean((3, 5))
    expected += np.abs(blocks).mean() / 3
  found = pixel.multi_scale_l1(jnp.asarray(pred), jnp.asarray(target))
  np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_a_halved_pixel_is_as_trusted_as_its_least():
  target = jnp.zeros((1, 1, 4, 4, 1))
  pred = target.at[0, 0, 0, 0].set(1.0).at[0, 0, 2:, 2:].set(0.5)
  mask = jnp.ones((1, 1, 4, 4, 1)).at[0, 0, 1, 1].set(0.0)
  # 15 trusted pixels with 1 + 4 * 0.5; three trusted halves, one of 0.5.
  found = pixel.multi_scale(pixel.l1, 2)(pred, target, mask=mask)
  np.testing.assert_allclose(found, [(3 / 15 + 0.5 / 3) / 2], rtol=1e-6)


def test_too_small_for_the_pyramid():
  with pytest.raises(ValueError, match=r"3 scales need frames of 4.*\(1, 1, 3, 8, 3\)"):
    pixel.multi_scale_l1(jnp.zeros((1, 1, 3, 8, 3)), jnp.zeros((1, 1, 3, 8, 3)))
