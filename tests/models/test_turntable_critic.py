import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.models.turntable_critic import TurntableCritic


@pytest.mark.parametrize(("norm", "count"), [("batch", 1_570_081), ("layer", 1_570_081)])
def test_parameter_count_and_score_map(norm, count):
  """Reference figures of System A."""
  module, images = TurntableCritic(norm=norm), jnp.zeros((2, 512, 512, 3))
  shapes = jax.eval_shape(module.init, jax.random.key(0), images)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count
  assert jax.eval_shape(module.apply, shapes, images).shape == (2, 16, 16, 1)


def scores(norm: str, images: np.ndarray, dtype=jnp.float32) -> jax.Array:
  module = TurntableCritic(widths=(4, 8), norm=norm, dtype=dtype)
  variables = jax.jit(module.init)(jax.random.key(0), images)
  found, _ = jax.jit(lambda v, x: module.apply(v, x, train=True, mutable=["batch_stats"]))(
    variables, images
  )
  return found


def random(*shape: int, seed: int = 0) -> np.ndarray:
  return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize("norm", ["layer", "none", "batch"])
def test_which_norms_keep_samples_apart(norm):
  """A per-sample gradient penalty needs it; batch normalisation, as the report has it, does not."""
  images = random(2, 16, 12, 3)
  other = images.copy()
  other[1] = 0.1 * random(16, 12, 3, seed=1)
  change = np.abs(scores(norm, images)[0] - scores(norm, other)[0]).max()
  if norm == "batch":
    assert change > 1e-3
  else:
    assert change < 1e-6


def test_layer_norm_takes_statistics_of_a_whole_sample():
  """Before the first activation each sample has mean 0 and variance 1 over h, w and c."""
  images = random(2, 8, 8, 3)
  module = TurntableCritic(widths=(4,), norm="layer")
  variables = jax.jit(module.init)(jax.random.key(0), images)
  _, state = module.apply(variables, images, capture_intermediates=True)
  found = state["intermediates"]["LayerNorm_0"]["__call__"][0]
  before = np.asarray(state["intermediates"]["Conv_0"]["__call__"][0], np.float64)
  mean = before.mean((1, 2, 3), keepdims=True)
  variance = before.var((1, 2, 3), keepdims=True)
  np.testing.assert_allclose(found, (before - mean) / np.sqrt(variance + 1e-5), atol=1e-4)


def test_odd_sides_lose_their_last_row_and_column():
  assert scores("layer", random(1, 19, 13, 3)).shape == (1, 4, 3, 1)


@pytest.mark.parametrize("norm", ["layer", "none", "batch"])
def test_bfloat16_is_near_float32(norm):
  images = random(2, 16, 16, 3)
  coarse, fine = scores(norm, images, "bfloat16"), scores(norm, images)
  assert coarse.dtype == jnp.float32
  assert 1e-6 < np.abs(coarse - fine).max() < 0.05 * np.abs(fine).max() + 0.02


def test_an_unknown_norm_lists_the_known():
  with pytest.raises(UserError, match=r"norm is 'instance'; expected \"layer\", \"batch\" or"):
    scores("instance", random(1, 8, 8, 3))


def test_images_that_leave_no_score_are_refused():
  with pytest.raises(UserError, match="at least 4; found 16 x 3"):
    scores("layer", random(1, 16, 3, 3))
