"""SCI's parts; tests/zoo proves the network against loops in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.losses.illumination import sci
from llve_jax.models.sci import DARKEST, SCI


def clip(*shape: int, seed: int = 0) -> np.ndarray:
  return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_parameter_count():
  """Two convolutions, one shared block with its norm: 3 * 84 + 6; the paper says 0.0003 M."""
  for blocks in (1, 3):
    module = SCI(blocks=blocks)
    shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 258


def test_the_frame_is_divided_by_an_illumination_that_covers_it(drawn):
  module, frames = SCI(), clip(2, 2, 6, 7, 3)
  result = module.apply(drawn(module, frames), frames)
  illumination = np.asarray(result["illumination"])
  assert (illumination >= frames).all()
  assert illumination.max() <= 1
  np.testing.assert_allclose(result["clip"], frames / illumination, rtol=1e-6)
  assert (np.asarray(result["clip"]) <= 1).all()
  assert (np.asarray(result["clip"]) >= frames).all()


def test_black_stays_black(drawn):
  module, frames = SCI(), np.zeros((1, 1, 6, 6, 3), np.float32)
  variables = drawn(module, frames)
  variables["params"]["illumination"]["exit"]["bias"] = np.full(3, -100, np.float32)  # sigmoid: 0
  result = jax.jit(module.apply)(variables, frames)
  np.testing.assert_allclose(result["illumination"], DARKEST)
  assert not np.asarray(result["clip"]).any()


def test_training_uses_statistics_of_the_batch_and_moves_the_kept_ones(drawn):
  module, frames = SCI(), clip(2, 1, 6, 6, 3)
  variables = drawn(module, frames)
  other = np.concatenate([frames[:1], 0.1 * clip(1, 1, 6, 6, 3, seed=1)])
  train = lambda x: module.apply(variables, x, train=True, mutable=["batch_stats"])  # noqa: E731
  (one, moved), (two, _) = train(frames), train(other)
  assert np.abs(one["clip"][0] - two["clip"][0]).max() > 1e-4
  before = variables["batch_stats"]["illumination"]["norm"]["mean"]
  assert np.abs(moved["batch_stats"]["illumination"]["norm"]["mean"] - before).max() > 1e-4


STAGED = SCI(stages=3, calibration_features=4, calibration_blocks=2)


def test_stages_share_the_network_and_add_one_calibration():
  """258 and 5619 make 5877: the 5.87 thousand that NXP's model zoo counts in the published file."""
  shapes = jax.eval_shape(SCI(stages=3).init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  counts = {
    name: sum(leaf.size for leaf in jax.tree.leaves(shapes["params"][name]))
    for name in ("illumination", "calibration")
  }
  assert counts == {"illumination": 258, "calibration": 5619}


def test_one_stage_has_the_parameters_it_had():
  frames = clip(1, 1, 6, 6, 3)
  one, three = (SCI(stages=stages).init(jax.random.key(3), frames) for stages in (1, 3))
  assert one["params"].keys() == {"illumination"}
  jax.tree.map(
    np.testing.assert_array_equal, one["params"]["illumination"], three["params"]["illumination"]
  )


def test_later_stages_and_the_calibration_change_nothing_after_training(drawn):
  frames = clip(1, 2, 6, 6, 3)
  variables = drawn(STAGED, frames)
  alone = {kind: {"illumination": tree["illumination"]} for kind, tree in variables.items()}
  staged, single = STAGED.apply(variables, frames), SCI().apply(alone, frames)
  assert staged.keys() == {"clip", "illumination"}
  jax.tree.map(np.testing.assert_array_equal, staged, single)


def convolve(images, tensors):
  """3 x 3, zeros beyond the border, in float64: images [n, h, w, c]."""
  kernel = np.asarray(tensors["kernel"], np.float64)
  padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
  height, width = images.shape[1:3]
  return np.asarray(tensors["bias"], np.float64) + sum(
    padded[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in np.ndindex(3, 3)
  )


def normalise(x, tensors):
  """By the statistics of the batch."""
  centred = x - x.mean((0, 1, 2))
  return centred / np.sqrt(x.var((0, 1, 2)) + 1e-5) * tensors["scale"] + tensors["bias"]


def test_training_runs_the_stages_of_the_paper(drawn):
  """x_t = input + H(input), result = y / x_t, next input = y + result - K(result), in numpy."""
  frames = clip(2, 2, 6, 5, 3)
  variables = drawn(STAGED, frames)
  params = variables["params"]
  net, calibration = params["illumination"], params["calibration"]

  def layer(x, name):
    return np.maximum(normalise(convolve(x, calibration[name]), calibration[f"{name}_norm"]), 0)

  images = frames.reshape(-1, 6, 5, 3).astype(np.float64)
  seen, inputs, illuminations = images, [], []
  for _ in range(3):
    x = np.maximum(convolve(seen, net["entry"]), 0)
    x = x + np.maximum(normalise(convolve(x, net["block"]), net["norm"]), 0)
    added = 1 / (1 + np.exp(-convolve(x, net["exit"])))
    inputs.append(seen)
    illuminations.append(np.clip(seen + added, 1e-4, 1))
    result = np.clip(images / illuminations[-1], 0, 1)
    x = layer(result, "entry")
    for _ in range(2):
      x = x + layer(layer(x, "block_0"), "block_1")
    seen = images + result - 1 / (1 + np.exp(-convolve(x, calibration["exit"])))

  train = jax.jit(lambda v, x: STAGED.apply(v, x, train=True, mutable=["batch_stats"]))
  outputs, moved = train(variables, frames)
  for name, expected in (("inputs", inputs), ("illuminations", illuminations)):
    stacked = np.stack(expected, axis=1).reshape(2, 2, 3, 6, 5, 3)
    np.testing.assert_allclose(outputs[name], stacked, atol=1e-4)
  np.testing.assert_array_equal(outputs["illumination"], outputs["illuminations"][:, :, 0])
  assert jax.tree.structure(moved["batch_stats"]) == jax.tree.structure(variables["batch_stats"])
  assert not np.array_equal(inputs[1], inputs[2])


def test_the_loss_reaches_every_parameter_also_when_recomputed(drawn):
  frames = clip(2, 1, 6, 6, 3)
  variables = drawn(STAGED, frames)

  def slope(module):
    def loss(params):
      outputs, _ = module.apply(
        {**variables, "params": params}, frames, train=True, mutable=["batch_stats"]
      )
      return sci(outputs, {}, jnp.int32(0)).mean()

    return jax.jit(jax.grad(loss))(variables["params"])

  # What is added to all pixels of a channel goes with the mean that batch norm takes off.
  idle = {("illumination", "block", "bias")}
  idle |= {("calibration", name, "bias") for name in ("entry", "block_0", "block_1")}
  gradients = slope(STAGED)
  for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
    assert np.isfinite(gradient).all(), path
    largest = np.abs(gradient).max()
    assert (largest < 1e-5) == (tuple(key.key for key in path) in idle), (path, largest)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
    slope(STAGED.clone(remat=True)),
    gradients,
  )


def test_training_brightens_dark_frames_without_a_target():
  frames = 0.15 * clip(4, 1, 12, 12, 3)
  module = SCI(stages=3)

  @jax.jit
  def step(variables):
    def loss(params):
      outputs, new = module.apply(
        {**variables, "params": params}, frames, train=True, mutable=["batch_stats"]
      )
      return sci(outputs, {}, jnp.int32(0)).mean(), new

    (cost, new), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
    moved = jax.tree.map(lambda p, g: p - 0.1 * g, variables["params"], gradient)
    return {"params": moved, **new}, cost

  variables, costs = jax.jit(module.init)(jax.random.key(0), frames), []
  before = jax.jit(module.apply)(variables, frames)["clip"]
  for _ in range(60):
    variables, cost = step(variables)
    costs.append(float(cost))
  assert costs[-1] < 0.6 * costs[0]
  assert (
    jax.jit(module.apply)(variables, frames)["clip"].mean() > 2 * before.mean() > 2 * frames.mean()
  )


def test_no_stage_is_refused():
  with pytest.raises(UserError, match="stages is 0; sci needs at least 1"):
    SCI(stages=0).init(jax.random.key(0), clip(1, 1, 6, 6, 3))
