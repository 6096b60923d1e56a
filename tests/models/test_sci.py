"""SCI's parts; tests/zoo proves the network against loops in numpy."""

import jax
import jax.numpy as jnp
import numpy as np

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
  result = module.apply(variables, frames)
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
