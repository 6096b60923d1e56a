"""CoBi and its relatives against loops in numpy, float64, written from the formulas alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.losses import contextual
from llve_jax.losses.contextual import MAX_POSITIONS, cobi_vgg16

# Compiled once a shape; the contract test of all losses holds jit and eager equal.
cobi = jax.jit(contextual.cobi, static_argnames=("block", "center", "max_positions"))
cx = jax.jit(contextual.cx, static_argnames="block")
cobi_released = jax.jit(contextual.cobi_released, static_argnames="block")


def maps(seed, shape=(2, 5, 7, 4), mean=1.0):
  rng = np.random.default_rng(seed)
  return rng.normal(mean, 1.0, shape).astype(np.float32)


def cosine_table(pred, target, center=True):
  """1 - cos for all pairs of one sample [h, w, c]."""
  p, q = (x.reshape(-1, x.shape[-1]).astype(np.float64) for x in (pred, target))
  if center:
    mean = q.mean(0)
    p, q = p - mean, q - mean
  table = np.empty((len(p), len(q)))
  for i, a in enumerate(p):
    for j, b in enumerate(q):
      table[i, j] = 1.0 - a @ b / np.sqrt((a @ a) * (b @ b))
  return table


def naive_cobi(pred, target, spatial_weight=0.1, center=True, keep=None):
  losses = []
  height, width = pred.shape[1:3]
  places = [((y + 0.5), (x + 0.5)) for y in range(height) for x in range(width)]
  places = np.array(places) / max(height, width)
  keep = range(height * width) if keep is None else keep
  for one, other in zip(pred, target, strict=True):
    d = cosine_table(one, other, center)
    total = 0.0
    for i in keep:
      total += min(d[i, j] + spatial_weight * np.hypot(*(places[i] - places[j])) for j in keep)
    losses.append(total / len(keep))
  return np.array(losses)


def softmax_rows(distances, epsilon, bandwidth):
  relative = distances / (distances.min(1, keepdims=True) + epsilon)
  weight = np.exp((1.0 - relative) / bandwidth)
  return weight / weight.sum(1, keepdims=True)


@pytest.mark.parametrize("block", [1, 8, 34, 35, 1024])
def test_cobi_equals_the_formula_for_any_block(block):
  pred, target = maps(0), maps(1)
  found = cobi(jnp.asarray(pred), jnp.asarray(target), block=block)
  np.testing.assert_allclose(found, naive_cobi(pred, target), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 6, 6, 3), (1, 9, 2, 3), (1, 2, 9, 3), (1, 1, 11, 3)])
@pytest.mark.parametrize("spatial_weight", [0.0, 0.1, 5.0])
def test_cobi_equals_the_formula_for_any_side(shape, spatial_weight):
  pred, target = maps(2, shape), maps(3, shape)
  found = cobi(jnp.asarray(pred), jnp.asarray(target), spatial_weight=spatial_weight, block=4)
  expected = naive_cobi(pred, target, spatial_weight)
  np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_cobi_without_centering():
  pred, target = maps(4), maps(5)
  found = cobi(jnp.asarray(pred), jnp.asarray(target), center=False)
  np.testing.assert_allclose(found, naive_cobi(pred, target, center=False), atol=1e-5, rtol=0)
  assert np.all(np.abs(found - cobi(jnp.asarray(pred), jnp.asarray(target))) > 1e-3)


def test_places_are_in_units_of_the_larger_side():
  # Two features only, each alone in its map; the one match is 3 columns off on a 4 x 8 map.
  pred, target = np.zeros((2, 1, 4, 8, 2), np.float32)
  pred[..., 0] = target[..., 0] = 1.0
  pred[0, 2, 1] = target[0, 2, 4] = (0.0, 1.0)
  loss = cobi(jnp.asarray(pred), jnp.asarray(target), center=False, spatial_weight=0.01)
  # Where the prediction has the common feature and the target the odd one, the next is 1 / 8 away.
  np.testing.assert_allclose(loss, [(0.01 * 3 / 8 + 0.01 * 1 / 8) / 32], rtol=1e-5)


@pytest.mark.parametrize("argument", [0, 1])
def test_cobi_gradient_equals_finite_differences_of_the_formula(argument):
  inputs = [maps(6, (1, 4, 5, 3)).astype(np.float64), maps(7, (1, 4, 5, 3)).astype(np.float64)]
  step = 1e-6
  expected = np.zeros_like(inputs[argument])
  for index in np.ndindex(expected.shape):
    around = []
    for sign in (1, -1):
      moved = [x.copy() for x in inputs]
      moved[argument][index] += sign * step
      around.append(naive_cobi(*moved)[0])
    expected[index] = (around[0] - around[1]) / (2 * step)
  arrays = [jnp.asarray(x, jnp.float32) for x in inputs]
  found = jax.jit(jax.grad(lambda p, q: cobi(p, q, block=6)[0], argnums=argument))(*arrays)
  np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), rtol=1e-4)


def test_half_precision_maps_are_compared_in_float32():
  pred, target = (jnp.asarray(maps(s), jnp.bfloat16) for s in (8, 9))
  expected = naive_cobi(*(np.asarray(x, np.float32) for x in (pred, target)))
  np.testing.assert_allclose(cobi(pred, target), expected, atol=1e-5, rtol=0)


def test_lattice_sampling_keeps_true_coordinates():
  pred, target = maps(10, (2, 7, 9, 4)), maps(11, (2, 7, 9, 4))
  found = cobi(jnp.asarray(pred), jnp.asarray(target), max_positions=20)
  lattice = [y * 9 + x for y in range(0, 7, 2) for x in range(0, 9, 2)]  # 4 x 5 fit in 20
  np.testing.assert_allclose(found, naive_cobi(pred, target, keep=lattice), atol=1e-5, rtol=0)


def test_random_sampling_keeps_true_coordinates_and_draws_every_position():
  # The target is the prediction, so the loss is 0 only if both keep the same places.
  pred, target = maps(12, (1, 6, 8, 4)), maps(13, (1, 6, 8, 4))
  key = jax.random.key(0)
  assert cobi(jnp.asarray(pred), jnp.asarray(pred), max_positions=17, key=key) == 0.0
  call = jax.jit(jax.value_and_grad(lambda p, t, key: cobi(p, t, max_positions=17, key=key)[0]))
  seen = np.zeros((6, 8), bool)
  for seed in range(16):
    found, gradient = call(jnp.asarray(pred), jnp.asarray(target), jax.random.key(seed))
    kept = np.any(np.asarray(gradient)[0] != 0, axis=-1)
    assert kept.sum() == 17
    seen |= kept
    expected = naive_cobi(pred, target, keep=list(np.flatnonzero(kept)))
    np.testing.assert_allclose([found], expected, atol=1e-5, rtol=0)
  assert seen.all()


def test_small_maps_are_not_sampled():
  pred, target = (jnp.asarray(maps(s)) for s in (0, 1))
  whole = cobi(pred, target)
  np.testing.assert_array_equal(cobi(pred, target, max_positions=35), whole)


@pytest.mark.parametrize("block", [4, 35, 1024])
def test_cx_equals_numpy(block):
  pred, target = maps(14), maps(15)
  expected = []
  for one, other in zip(pred, target, strict=True):
    similarity = softmax_rows(cosine_table(one, other), 1e-5, 0.5)
    expected.append(-np.log(similarity.max(0).mean()))
  found = cx(jnp.asarray(pred), jnp.asarray(target), block=block)
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_cx_gradient_equals_finite_differences():
  pred, target = maps(16, (1, 3, 4, 5)), maps(17, (1, 3, 4, 5))

  def value(p):
    return -np.log(softmax_rows(cosine_table(p[0], target[0]), 1e-5, 0.5).max(0).mean())

  found = jax.jit(jax.grad(lambda p: cx(p, jnp.asarray(target), block=5)[0]))(jnp.asarray(pred))
  for index in [(0, 0, 0, 0), (0, 1, 2, 3), (0, 2, 3, 4)]:
    step = np.zeros(pred.shape)
    step[index] = 1e-6
    finite = (value(pred + step) - value(pred - step)) / 2e-6
    np.testing.assert_allclose(found[index], finite, rtol=1e-3, atol=1e-5)


def naive_released(pred, target, spatial_weight=0.1):
  losses = []
  height, width = pred.shape[1:3]
  rows, columns = np.meshgrid(np.arange(height) / height, np.arange(width) / width)  # "xy"
  places = np.stack([rows, columns], -1).reshape(-1, 2)
  squared = ((places[:, None] - places[None]) ** 2).sum(-1)
  for one, other in zip(pred, target, strict=True):
    features = softmax_rows(cosine_table(one, other) / 2.0, 1e-3, 0.5)
    blended = (1 - spatial_weight) * features + spatial_weight * softmax_rows(squared, 1e-3, 0.5)
    losses.append(-np.log(blended.max(0).mean()))
  return np.array(losses)


@pytest.mark.parametrize("shape", [(2, 6, 6, 4), (2, 4, 9, 4), (1, 9, 4, 4)])
def test_released_form_equals_numpy(shape):
  pred, target = maps(18, shape), maps(19, shape)
  found = cobi_released(jnp.asarray(pred), jnp.asarray(target), block=10)
  np.testing.assert_allclose(found, naive_released(pred, target), rtol=1e-4)


def test_small_shifts_cost_little_but_not_in_the_released_form():
  # One shift of 1 pixel and one of 8 of the same map: literal CoBi tells them apart.
  target = jnp.asarray(maps(20, (1, 16, 16, 8)))
  near, far = (jnp.roll(target, pixels, axis=2) for pixels in (1, 8))
  other = jnp.asarray(maps(21, (1, 16, 16, 8)))
  literal = [float(cobi(x, target)[0]) for x in (target, near, far, other)]
  released = [float(cobi_released(x, target)[0]) for x in (target, near, far, other)]
  assert literal[0] < 1e-12
  assert literal[1] < 0.1 * literal[3]
  assert literal[2] > 3.0 * literal[1]
  assert released[1] > 0.08  # -log(0.9), nearly: all of the spatial credit is lost at one pixel
  np.testing.assert_allclose(released[1], released[2], rtol=0.02)


@pytest.mark.parametrize("loss", [cobi, cx, cobi_released])
def test_flat_and_empty_maps_have_finite_gradients(loss):
  textured = jnp.asarray(maps(22, (1, 6, 6, 4)))
  call = jax.jit(jax.value_and_grad(lambda p, t: loss(p, t)[0], argnums=(0, 1)))
  for fill in (0.0, 1.0, 37.7):
    flat = jnp.full((1, 6, 6, 4), fill)
    for pred, target in ((flat, flat), (flat, textured), (textured, flat)):
      value, gradient = call(pred, target)
      assert np.isfinite(value), fill
      assert all(np.isfinite(g).all() for g in gradient), fill


def test_flat_map_is_at_no_distance_from_itself():
  flat = jnp.full((1, 6, 6, 4), 0.3)
  value, gradient = jax.jit(jax.value_and_grad(lambda p: cobi(p, flat)[0]))(flat)
  assert value < 1e-6
  assert np.abs(gradient).max() < 1.0  # of rounding noise; 1e5 were its direction taken as real


def test_not_a_number_is_not_hidden():
  pred = jnp.asarray(maps(0)).at[0, 0, 0, 0].set(jnp.nan)
  found = cobi(pred, jnp.asarray(maps(1)))
  assert np.isnan(found[0])
  assert np.isfinite(found[1])


@pytest.mark.parametrize("loss", [cobi, cx, cobi_released])
def test_wrong_shapes_are_named(loss):
  with pytest.raises(ValueError, match=r"\(1, 4, 4, 2\).*\(1, 4, 5, 2\)"):
    loss(jnp.zeros((1, 4, 4, 2)), jnp.zeros((1, 4, 5, 2)))
  with pytest.raises(ValueError, match=r"b, h, w, c"):
    loss(jnp.zeros((1, 1, 4, 4, 2)), jnp.zeros((1, 1, 4, 4, 2)))


def test_cobi_on_clips_sums_three_layers():
  rng = np.random.default_rng(0)
  pred, target = ({} for _ in range(2))
  for name, side in (("conv1_2", 6), ("conv2_2", 4), ("conv3_2", 3)):
    for group in (pred, target):
      group[name] = jnp.asarray(rng.normal(size=(2, side, side + 1, 5)), jnp.float32)
  terms = [naive_cobi(*(np.asarray(g[name]) for g in (pred, target))) for name in pred]
  found = jax.jit(cobi_vgg16.compare)(pred, target, None)
  np.testing.assert_allclose(found, terms[0] + terms[1] + 0.5 * terms[2], atol=1e-5)


def test_large_maps_are_sampled_to_the_authors_number():
  names = ("conv1_2", "conv2_2", "conv3_2")
  flat = {name: jnp.ones((1, 4, 4, 2)) for name in names}
  large = {**flat, "conv1_2": jnp.asarray(maps(23, (1, 64, 64, 2)))}
  other = {**flat, "conv1_2": jnp.asarray(maps(24, (1, 64, 64, 2)))}
  call = jax.jit(jax.grad(lambda p, t, key: cobi_vgg16.compare(p, t, key)[0]))
  gradient = call(large, other, jax.random.key(0))
  kept = np.any(np.asarray(gradient["conv1_2"]) != 0, axis=-1).sum()
  assert MAX_POSITIONS == 3969
  assert 0.99 * MAX_POSITIONS <= kept <= MAX_POSITIONS


def test_eight_devices_equal_one():
  mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
  pred, target = (jnp.asarray(maps(s, (8, 5, 6, 4))) for s in (25, 26))
  for loss in (cobi, cx, cobi_released):
    call = jax.jit(jax.value_and_grad(lambda p, t, loss=loss: jnp.sum(loss(p, t, block=7))))
    value, gradient = call(pred, target)
    sharded_value, sharded_gradient = call(*jax.device_put((pred, target), sharding))
    np.testing.assert_allclose(sharded_value, value, rtol=1e-5)
    np.testing.assert_allclose(sharded_gradient, gradient, rtol=1e-4, atol=1e-6)
    assert sharded_gradient.sharding.is_equivalent_to(sharding, 4)
