"""Zero-DCE's size and its curves; tests/zoo proves the network against loops in numpy."""

import jax
import jax.numpy as jnp
import numpy as np

from llve_jax.models.zero_dce import ZeroDCE


def test_parameter_count():
  """Reference figure of the published network."""
  module = ZeroDCE()
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 79_416


def test_the_curves_returned_are_those_applied(drawn):
  module = ZeroDCE(features=4, iterations=3)
  clip = np.random.default_rng(0).random((2, 2, 7, 9, 3), dtype=np.float32)
  result = module.apply(drawn(module, clip), clip)
  curves = np.asarray(result["curves"], np.float64)
  assert curves.shape == (2, 2, 7, 9, 9)
  assert 0.1 < np.abs(curves).max() <= 1
  x = clip.astype(np.float64)
  for index in range(3):
    x = x + curves[..., 3 * index : 3 * index + 3] * (x**2 - x)
  np.testing.assert_allclose(result["clip"], x, atol=1e-6)


def test_black_and_white_stay_and_the_result_needs_no_clipping(drawn):
  module = ZeroDCE(features=4)
  clip = np.random.default_rng(0).random((1, 1, 8, 8, 3), dtype=np.float32)
  clip[..., :4, :, :] = clip[..., :4, :, :].round()
  found = np.asarray(module.apply(drawn(module, clip), clip)["clip"])
  np.testing.assert_array_equal(found[..., :4, :, :], clip[..., :4, :, :])
  assert found.min() >= 0
  assert found.max() <= 1


def test_initial_kernels_have_the_published_spread():
  params = ZeroDCE().init(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))["params"]["curves"]
  assert 0.019 < np.std(params["conv_3"]["kernel"]) < 0.021
  assert not np.asarray(params["conv_3"]["bias"]).any()
