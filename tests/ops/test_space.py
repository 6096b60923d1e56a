import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from jax import export

from llve_jax.errors import UserError
from llve_jax.ops import space


def random(*shape: int, seed: int = 0) -> np.ndarray:
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_depth_to_space_by_hand():
  """One pixel of 12 channels: the first colour of all four places is channels 0, 3, 6 and 9."""
  out = space.depth_to_space(jnp.arange(12.0).reshape(1, 1, 1, 12), 2)
  np.testing.assert_array_equal(out[0, ..., 0], [[0, 3], [6, 9]])
  np.testing.assert_array_equal(out[0, 1, 0], [6, 7, 8])


@pytest.mark.parametrize(("rate", "channels"), [(2, 12), (3, 27), (1, 3), (2, 4)])
def test_depth_to_space_and_its_gradient_are_tensorflows(rate, channels):
  x = random(2, 3, 5, channels)
  weight = random(2, 3 * rate, 5 * rate, channels // rate**2, seed=1)
  with tf.GradientTape() as tape:
    tape.watch(watched := tf.constant(x))
    # TensorFlow knows no block of one pixel, where nothing moves.
    expected = tf.nn.depth_to_space(watched, rate) if rate > 1 else tf.identity(watched)
    loss = tf.reduce_sum(expected * weight)
  np.testing.assert_array_equal(space.depth_to_space(jnp.asarray(x), rate), expected)
  slope = jax.jit(jax.grad(lambda x: (space.depth_to_space(x, rate) * weight).sum()))(
    jnp.asarray(x)
  )
  np.testing.assert_array_equal(slope, tape.gradient(loss, watched))


@pytest.mark.parametrize(("rate", "channels"), [(2, 6), (3, 12), (0, 4)])
def test_channels_that_do_not_divide_are_refused(rate, channels):
  with pytest.raises(UserError, match=f"rate {rate} needs a multiple of {rate * rate} channels"):
    space.depth_to_space(jnp.zeros((1, 2, 2, channels)), rate)


TIES = {
  "all four": ([[5, 5], [5, 5]], [[1, 0], [0, 0]]),
  "upper row": ([[5, 5], [1, 2]], [[1, 0], [0, 0]]),
  "lower row": ([[1, 2], [5, 5]], [[0, 0], [1, 0]]),
  "diagonal": ([[5, 1], [2, 5]], [[1, 0], [0, 0]]),
  "other diagonal": ([[1, 5], [5, 2]], [[0, 1], [0, 0]]),
  "right column": ([[1, 5], [2, 5]], [[0, 1], [0, 0]]),
  "left column": ([[5, 1], [5, 2]], [[1, 0], [0, 0]]),
  "all but the first": ([[1, 5], [5, 5]], [[0, 1], [0, 0]]),
  "no tie": ([[1, 2], [3, 4]], [[0, 0], [0, 1]]),
}


@pytest.mark.parametrize("case", TIES)
def test_ties_go_to_the_first_row_by_row(case):
  """By hand; the gradient of the maximum goes there too."""
  values, expected = (np.asarray(each, np.float32)[None, ..., None] for each in TIES[case])
  pooled, mask = jax.jit(space.max_pool_with_mask)(jnp.asarray(values))
  np.testing.assert_array_equal(mask, expected)
  np.testing.assert_array_equal(pooled.ravel(), [values.max()])
  slope = jax.jit(jax.grad(lambda x: space.max_pool_with_mask(x)[0].sum()))(jnp.asarray(values))
  np.testing.assert_array_equal(slope, expected)


def tensorflows_unpooling(x, y):
  """Pooling with indices, then a scatter of `y` to them: the definition."""
  pooled, places = tf.nn.max_pool_with_argmax(x, 2, 2, "VALID", include_batch_in_index=True)
  shape = (x.shape[0], 2 * pooled.shape[1], 2 * pooled.shape[2], x.shape[3])
  flat = tf.scatter_nd(tf.reshape(places, (-1, 1)), tf.reshape(y, (-1,)), (np.prod(shape),))
  return pooled, tf.reshape(flat, shape)


@pytest.mark.parametrize("values", ["normal", "few"])
def test_unpooling_and_its_gradients_are_tensorflows_scatter(values):
  x, y = random(2, 6, 8, 3), random(2, 3, 4, 3, seed=1)
  if values == "few":  # 0, 1 and 2, so that most windows hold ties
    x = np.random.default_rng(2).integers(0, 3, x.shape).astype(np.float32)
  weight = random(*x.shape, seed=3)
  with tf.GradientTape() as tape:
    watched = [tf.constant(each) for each in (x, y)]
    tape.watch(watched)
    expected_pooled, expected = tensorflows_unpooling(*watched)
    loss = tf.reduce_sum(expected * weight) + tf.reduce_sum(expected_pooled**2)

  def ours(x, y):
    pooled, mask = space.max_pool_with_mask(x)
    return (space.unpool(y, mask) * weight).sum() + (pooled**2).sum(), (pooled, mask)

  slopes, (pooled, mask) = jax.jit(jax.grad(ours, argnums=(0, 1), has_aux=True))(
    jnp.asarray(x), jnp.asarray(y)
  )
  np.testing.assert_array_equal(pooled, expected_pooled)
  np.testing.assert_array_equal(space.unpool(jnp.asarray(y), mask), expected)
  for slope, other in zip(slopes, tape.gradient(loss, watched), strict=True):
    np.testing.assert_allclose(slope, other, atol=1e-6)


def test_odd_sides_lose_their_last_row_and_column():
  x = random(1, 5, 7, 2)
  for whole, cut in zip(
    space.max_pool_with_mask(jnp.asarray(x)),
    space.max_pool_with_mask(jnp.asarray(x[:, :4, :6])),
    strict=True,
  ):
    np.testing.assert_array_equal(whole, cut)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_value_that_is_no_number_is_not_lost(place):
  x = random(1, 2, 2, 1)
  x[0, place[0], place[1], 0] = np.nan
  pooled, mask = jax.jit(space.max_pool_with_mask)(jnp.asarray(x))
  assert np.isnan(pooled).all()
  assert mask[0, place[0], place[1], 0] == mask.sum() == 1


@pytest.mark.parametrize("shape", [(1, 4, 6, 3), (1, 4, 4, 4), (2, 4, 4, 3)])
def test_a_mask_of_another_size_is_refused(shape):
  with pytest.raises(UserError, match=r"needs a mask \(1, 4, 4, 3\); found"):
    space.unpool(jnp.zeros((1, 2, 2, 3)), jnp.zeros(shape))


def test_symbolic_sizes_and_bfloat16():
  def f(x):
    pooled, mask = space.max_pool_with_mask(x)
    return space.depth_to_space(space.unpool(pooled, mask), 2)

  shape = export.symbolic_shape("n, 2*h, 2*w, 4")
  exported = export.export(jax.jit(f))(jax.ShapeDtypeStruct(shape, jnp.bfloat16))
  assert "gather" not in exported.mlir_module()
  assert "scatter" not in exported.mlir_module()
  assert exported.out_avals[0].dtype == jnp.bfloat16
  x = jnp.asarray(random(2, 4, 6, 4)).astype(jnp.bfloat16)
  np.testing.assert_array_equal(exported.call(x), f(x))
