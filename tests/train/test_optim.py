import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax.errors import UserError
from llve_jax.train import optim

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_halving_follows_the_report() -> None:
  """Epochs 10, 20, 25 and 40 of 50: 2e-4, 1e-4, 5e-5, 2.5e-5, 1.25e-5."""
  schedule = optim.halving(2e-4, 500, (0.2, 0.4, 0.5, 0.8))
  epochs = np.array([0, 9, 10, 19, 20, 24, 25, 39, 40, 49])
  rates = [float(schedule(10 * epoch + 5)) for epoch in epochs]
  np.testing.assert_allclose(
    rates, [2e-4, 2e-4, 1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5, 2.5e-5, 1.25e-5, 1.25e-5], rtol=1e-6
  )


def test_halvings_that_fall_on_one_step_all_count() -> None:
  schedule = optim.halving(1.0, 2, (0.4, 0.5, 0.6))
  assert float(schedule(0)) == 1.0
  assert float(schedule(2)) == 0.125


@pytest.mark.parametrize("fraction", [0.0, 1.0, 40.0])
def test_halving_refuses_what_is_no_fraction(fraction: float) -> None:
  with pytest.raises(UserError, match="fractions"):
    optim.halving(1.0, 10, (fraction,))


def test_slowed_counts_updates_of_the_critic() -> None:
  schedule = optim.slowed(optim.halving(1.0, 10, (0.5,)), 5)
  assert [float(schedule(jnp.asarray(count))) for count in (0, 24, 30, 49)] == [1.0, 1.0, 0.5, 0.5]


def test_adam_takes_the_textbook_step() -> None:
  """First step of Adam is -rate * sign(gradient); decoupled decay adds -rate * decay * weight."""
  optimizer = optim.adam(0.1, weight_decay=0.5)
  params = {"w": jnp.array([2.0, -4.0])}
  gradient = {"w": jnp.array([3.0, -1e-3])}
  updates, _ = optimizer.update(gradient, optimizer.init(params), params)
  expected = -0.1 * (np.sign([3.0, -1e-3]) + 0.5 * np.array([2.0, -4.0]))
  np.testing.assert_allclose(updates["w"], expected, rtol=1e-4)


def test_clip_norm_bounds_the_gradient() -> None:
  optimizer = optim.adam(1.0, beta1=0.0, beta2=0.0, clip_norm=1.0)
  params = {"w": jnp.zeros(2)}
  state = optimizer.init(params)
  _, after = optimizer.update({"w": jnp.array([30.0, 40.0])}, state, params)
  moment = optax.tree_utils.tree_get(after, "mu")["w"]
  np.testing.assert_allclose(moment, [0.6, 0.8], rtol=1e-6)
