import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax.errors import UserError
from llve_jax.train import optim

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_drops_follow_the_report() -> None:
  """Epochs 10, 20, 25 and 40 of 50: 2e-4, 1e-4, 5e-5, 2.5e-5, 1.25e-5."""
  schedule = optim.drops(2e-4, 500, (0.2, 0.4, 0.5, 0.8))
  epochs = np.array([0, 9, 10, 19, 20, 24, 25, 39, 40, 49])
  rates = [float(schedule(10 * epoch + 5)) for epoch in epochs]
  np.testing.assert_allclose(
    rates, [2e-4, 2e-4, 1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5, 2.5e-5, 1.25e-5, 1.25e-5], rtol=1e-6
  )


def test_drops_that_fall_on_one_step_all_count() -> None:
  schedule = optim.drops(1.0, 2, (0.4, 0.5, 0.6))
  assert float(schedule(0)) == 1.0
  assert float(schedule(2)) == 0.125


@pytest.mark.parametrize("fraction", [0.0, 1.0, 40.0])
def test_drops_refuse_what_is_no_fraction(fraction: float) -> None:
  with pytest.raises(UserError, match="fractions"):
    optim.drops(1.0, 10, (fraction,))


def test_system_c_drops_to_a_tenth_half_way() -> None:
  schedule = optim.make_schedule("drops", 1e-4, 60, {"at": (0.5,), "factor": 0.1})
  np.testing.assert_allclose([schedule(29), schedule(30)], [1e-4, 1e-5], rtol=1e-5)


def test_linear_end_is_flat_then_a_straight_line_to_zero() -> None:
  schedule = optim.linear_end(1e-4, 200)
  rates = [float(schedule(count)) for count in (0, 99, 100, 150, 199, 200, 250)]
  np.testing.assert_allclose(rates, [1e-4, 1e-4, 1e-4, 5e-5, 1e-6, 0, 0], rtol=1e-3)


def test_exponential_falls_by_a_hundredth_each_epoch() -> None:
  schedule = optim.exponential(1.0, 600, epochs=60)
  rates = [float(schedule(count)) for count in (9, 10, 25, 599)]
  np.testing.assert_allclose(rates, [1.0, 0.99, 0.99**2, 0.99**59], rtol=1e-5)


def test_cosine_warms_up_and_ends_at_a_hundredth() -> None:
  schedule = optim.cosine(1.0, 100, warmup=0.1)
  np.testing.assert_allclose([schedule(0), schedule(5), schedule(10)], [0, 0.5, 1], rtol=1e-5)
  np.testing.assert_allclose([schedule(55), schedule(100)], [0.505, 0.01], rtol=1e-4)


def test_unknown_schedules_and_options_list_the_known() -> None:
  with pytest.raises(UserError, match="'step'; known: constant, drops, linear_end"):
    optim.make_schedule("step", 1.0, 10, {})
  with pytest.raises(UserError, match="drops takes no gamma; known: at, factor"):
    optim.make_schedule("drops", 1.0, 10, {"at": (0.5,), "gamma": 2})


def test_every_schedule_starts_under_jit() -> None:
  options = {"drops": {"at": (0.5,)}}
  for name in optim.SCHEDULES:
    schedule = optim.make_schedule(name, 0.5, 10, options.get(name, {}))
    rates = jax.jit(jax.vmap(schedule))(jnp.arange(11))
    assert np.all((np.asarray(rates) >= 0) & (np.asarray(rates) <= 0.5 + 1e-6)), name


def test_slowed_counts_updates_of_the_critic() -> None:
  schedule = optim.slowed(optim.drops(1.0, 10, (0.5,)), 5)
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


@pytest.mark.parametrize("coupled", [False, True])
def test_coupled_decay_is_that_of_the_gradient(coupled: bool) -> None:
  """At the first step Adam takes the sign of what it is given, times the rate."""
  update = optim.adam(0.1, weight_decay=0.5, clip_norm=1.0, coupled=coupled)
  parameters = jnp.asarray([2.0, -2.0])
  gradient = jnp.asarray([-0.5, 0.5])  # decay, 1 and -1, is larger and turns the sign
  step, _ = update.update(gradient, update.init(parameters), parameters)
  expected = [-0.1, 0.1] if coupled else [0.1 - 0.1, -0.1 + 0.1]
  np.testing.assert_allclose(step, expected, atol=1e-6)
