"""The supervised step on a tiny network: what it descends and what it leaves alone."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.train.objective import make_objective
from llve_jax.train.state import Learner, Trainable
from llve_jax.train.steps import supervised
from llve_jax.train.update import gradient_of
from tests.train.steps.tiny import BATCH, GENERATOR, distance, first_state, fresh

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_supervised_learns_and_logs_every_term() -> None:
  adam = optax.adam(1e-2)
  step = jax.jit(supervised.make_step(GENERATOR, make_objective({"l1": 2.0, "tv": 0.5}), adam))
  state = fresh(adam)
  losses = []
  for _ in range(30):
    state, scalars = step(state, BATCH)
    losses.append(float(scalars["loss"]))
  assert losses[-1] < 0.7 * losses[0]
  assert scalars.keys() == {"loss", "loss/l1", "loss/tv", "gradient_norm"}
  np.testing.assert_allclose(
    scalars["loss"], 2 * scalars["loss/l1"] + 0.5 * scalars["loss/tv"], rtol=1e-5
  )
  assert int(state.step) == 30
  assert distance(state.average, state.generator.variables) > 0


def test_first_supervised_step_is_sgd_on_the_loss() -> None:
  """Against the gradient of the mean absolute error written out here."""
  rate = 0.1
  sgd = optax.sgd(rate)
  state = fresh(sgd)

  def error(params: Any) -> jax.Array:
    variables = {"params": params, "batch_stats": state.generator.batch_stats}
    output, _ = GENERATOR.apply(variables, BATCH["low"], train=True, mutable=["batch_stats"])
    return jnp.mean(jnp.abs(output["clip"] - BATCH["high"]))

  expected = jax.tree.map(
    lambda p, g: p - rate * g,
    state.generator.params,
    jax.jit(jax.grad(error))(state.generator.params),
  )
  new, _ = jax.jit(supervised.make_step(GENERATOR, make_objective({"l1": 1.0}), sgd))(state, BATCH)
  assert distance(new.generator.params, expected) < 1e-6


def test_what_a_mask_covers_teaches_nothing() -> None:
  """With half of the target covered, rubbish there changes neither loss nor parameters."""
  sgd = optax.sgd(0.1)
  step = jax.jit(supervised.make_step(GENERATOR, make_objective({"l1": 1.0}), sgd))
  mask = jnp.zeros((8, 1, 16, 16, 1)).at[:, :, :8].set(1.0)
  rubbish = jnp.where(mask > 0, BATCH["high"], 100.0)
  results = [
    step(fresh(sgd), {**BATCH, "high": high, "mask": mask}) for high in (BATCH["high"], rubbish)
  ]
  assert float(results[0][1]["loss"]) == float(results[1][1]["loss"])
  assert distance(results[0][0].generator, results[1][0].generator) == 0
  unmasked = step(fresh(sgd), BATCH)[1]["loss"]
  assert float(results[0][1]["loss"]) != float(unmasked)


def test_accumulated_parts_give_the_gradient_of_the_whole_batch() -> None:
  """A network without batch norm: the mean of the parts' gradients is that of the batch."""
  module = models.build("zero_dce", features=4, iterations=2)
  sgd = optax.sgd(0.1)
  start = first_state(Learner(module, sgd, (1, 1, 16, 16, 3)))
  results = [
    jax.jit(supervised.make_step(module, make_objective({"l2": 1.0}), sgd, accumulate=parts))(
      start, BATCH
    )
    for parts in (1, 4)
  ]
  (whole, whole_scalars), (parts, parts_scalars) = results
  assert distance(whole.generator.params, start.generator.params) > 1e-5
  assert distance(whole.generator.params, parts.generator.params) < 1e-7
  assert whole_scalars.keys() == parts_scalars.keys()
  for name, value in whole_scalars.items():
    np.testing.assert_allclose(parts_scalars[name], value, rtol=1e-5)


def test_batch_statistics_pass_from_part_to_part() -> None:
  """Four parts move the running mean four times."""
  sgd = optax.sgd(0.0)
  same = {name: jnp.repeat(clip[:2], 4, axis=0) for name, clip in BATCH.items()}
  once, _ = jax.jit(supervised.make_step(GENERATOR, make_objective({"l1": 1.0}), sgd))(
    fresh(sgd), same
  )
  # Part i holds the examples i, i + 4: the same two images each time.
  often, _ = jax.jit(
    supervised.make_step(GENERATOR, make_objective({"l1": 1.0}), sgd, accumulate=4)
  )(fresh(sgd), same)
  first = jax.tree.leaves(once.generator.batch_stats)[0]
  fourth = jax.tree.leaves(often.generator.batch_stats)[0]
  assert float(jnp.max(jnp.abs(fourth))) > 1.5 * float(jnp.max(jnp.abs(first)))


def test_every_part_draws_anew() -> None:
  def loss(params: Any, stats: Any, part: Any, key: jax.Array) -> Any:
    drawn = jax.random.uniform(key)
    return params * drawn, (stats, {"drawn": drawn, "square": drawn**2})

  gradient, _, scalars = gradient_of(
    loss, Trainable(jnp.float32(1.0), {}, ()), BATCH, jax.random.key(0), parts=4
  )
  assert float(scalars["square"] - scalars["drawn"] ** 2) > 1e-3  # the variance over the parts
  np.testing.assert_allclose(gradient, scalars["drawn"], rtol=1e-6)


def test_a_batch_that_cannot_be_cut_is_refused() -> None:
  sgd = optax.sgd(0.1)
  step = supervised.make_step(GENERATOR, make_objective({"l1": 1.0}), sgd, accumulate=3)
  with pytest.raises(UserError, match="batch of 8 clips cannot be accumulated in 3"):
    jax.eval_shape(step, fresh(sgd), BATCH)


def test_the_rate_of_the_state_scales_the_update() -> None:
  sgd = optax.sgd(0.1)
  step = jax.jit(supervised.make_step(GENERATOR, make_objective({"l1": 1.0}), sgd))
  full, _ = step(fresh(sgd), BATCH)
  half, _ = step(dataclasses.replace(fresh(sgd), rate=jnp.float32(0.5)), BATCH)
  start = fresh(sgd).generator.params
  halves = jax.tree.map(lambda s, f: s + 0.5 * (f - s), start, full.generator.params)
  assert distance(halves, half.generator.params) < 1e-6


def test_a_loss_with_a_memory_takes_it_from_step_to_step() -> None:
  """System C's threshold: 0.03, raised by a tenth while less than 40 % of the output is below."""
  objective = make_objective({"region_adaptive": 1.0, "l1": 0.5})
  sgd = optax.sgd(0.0)
  step = jax.jit(supervised.make_step(GENERATOR, objective, sgd))
  state = fresh(sgd, objective)
  bright = {"low": BATCH["low"] + 0.5, "high": BATCH["high"]}
  thresholds = [float(state.memory["region_adaptive"])]
  for _ in range(2):
    state, scalars = step(state, bright)
    thresholds.append(float(state.memory["region_adaptive"]))
  output = GENERATOR.apply(
    fresh(sgd).generator.variables, bright["low"], train=True, mutable=["batch_stats"]
  )[0]["clip"]
  below = float(jnp.mean(output < 0.03))
  raised = [0.03, 0.033, 0.0363] if below < 0.4 else [0.03] * 3
  np.testing.assert_allclose(thresholds, raised, rtol=1e-5)
  assert {"loss/region_adaptive", "loss/l1"} <= scalars.keys()


def test_zero_reference_losses_need_no_target() -> None:
  module = models.build("zero_dce", features=4, iterations=2)
  adam = optax.adam(1e-2)
  objective = make_objective({"zero_dce": 1.0})
  step = jax.jit(supervised.make_step(module, objective, adam))
  state = first_state(Learner(module, adam, (1, 1, 16, 16, 3)))
  losses = []
  for _ in range(20):
    state, scalars = step(state, {"low": BATCH["low"]})
    losses.append(float(scalars["loss"]))
  assert losses[-1] < 0.9 * losses[0]
