"""The larger number, and a gradient that is not lost whatever rounding does."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from llve_jax.ops.larger import larger

A = np.array([1.0, 2.0, 3.0, -1.0], np.float32)
B = np.array([2.0, 2.0, 1.0, -2.0], np.float32)


def test_it_is_the_larger_and_passes_on_what_is_no_number():
  np.testing.assert_array_equal(larger(A, B), [2.0, 2.0, 3.0, -1.0])
  np.testing.assert_array_equal(larger(jnp.float32(np.nan), jnp.float32(1)), np.nan)
  np.testing.assert_array_equal(larger(jnp.float32(1), jnp.float32(np.nan)), np.nan)


def test_the_gradient_goes_to_the_larger_and_equal_ones_share_it():
  to_a, to_b = jax.grad(lambda a, b: larger(a, b).sum(), (0, 1))(A, B)
  np.testing.assert_array_equal(to_a, [0, 0.5, 1, 1])
  np.testing.assert_array_equal(to_b, [1, 0.5, 0, 0])
  apart = jnp.asarray([0.3, 0.9, -0.2, 0.1], jnp.float32)
  check_grads(lambda a, b: larger(a, b) ** 3, (A + apart, B - apart), order=2, atol=0.05, rtol=0.05)


def test_a_result_that_was_rounded_otherwise_loses_no_gradient():
  """As a compiler may: the primal result is not bit for bit one of the arguments."""
  _, tangent = jax.jvp(
    larger, (jnp.float32(0.1), jnp.float32(-1)), (jnp.float32(1), jnp.float32(0))
  )
  assert tangent == 1
  compared = jax.make_jaxpr(lambda a, b, da, db: jax.jvp(larger, (a, b), (da, db))[1])(A, B, A, B)
  assert " eq " not in str(compared)
