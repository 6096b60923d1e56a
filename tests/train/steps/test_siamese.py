"""The siamese step: against the sum written out, and what it must not see."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.train.objective import make_objective
from llve_jax.train.state import Learner, State
from llve_jax.train.steps import siamese
from tests.train.steps.tiny import distance, first_state

pytestmark = pytest.mark.usefixtures("standard_promotion")

RATE = 0.1
SGD = optax.sgd(RATE)
NETWORK = models.build("turntable_unet", widths=(4,), bottleneck=4, resnext=False)
LOW = 0.2 * jax.random.uniform(jax.random.key(1), (4, 2, 16, 16, 3))
HIGH = jnp.repeat(jax.random.uniform(jax.random.key(2), (4, 1, 16, 16, 3)), 2, axis=1)
BATCH = {"low": LOW, "high": HIGH}


def fresh(module: Any = NETWORK, optimizer: Any = SGD, channels: int = 3) -> State:
  return first_state(Learner(module, optimizer, (1, 1, 16, 16, channels)))


@pytest.mark.parametrize("weight", [0.05, 3.0])
def test_a_step_is_sgd_on_the_sum_written_out(weight: float) -> None:
  state = fresh()

  def error(params: Any) -> Any:
    variables = {"params": params, "batch_stats": state.generator.batch_stats}
    frames = jnp.concatenate([LOW[:, 0], LOW[:, 1]])[:, None]  # another order than the step's
    output, _ = NETWORK.apply(variables, frames, train=True, mutable=["batch_stats"])
    first, second = jnp.split(output["clip"][:, 0], 2)
    target = HIGH[:, 0]
    to_target = [jnp.abs(x - target).mean() for x in (first, second)]
    squared = [jnp.square(x - target).mean() for x in (first, second)]
    agreement = 2 * jnp.abs(first - second).mean() + 0.5 * jnp.square(first - second).mean()
    l1, l2 = sum(to_target), sum(squared)
    return 2 * l1 + 0.5 * l2 + weight * agreement, (l1 / 2, l2 / 2, agreement)

  (total, terms), gradient = jax.jit(jax.value_and_grad(error, has_aux=True))(
    state.generator.params
  )
  objective = make_objective({"l1": 2.0, "l2": 0.5})
  new, scalars = jax.jit(siamese.make_step(NETWORK, objective, SGD, weight=weight))(state, BATCH)
  expected = jax.tree.map(
    lambda p, g: p - RATE * g, *jax.device_get((state.generator.params, gradient))
  )
  assert distance(new.generator.params, expected) < 1e-5
  assert distance(new.generator.params, state.generator.params) > 1e-3
  assert scalars.keys() == {"loss", "loss/l1", "loss/l2", "loss/siamese", "gradient_norm"}
  found = [scalars[name] for name in ("loss", "loss/l1", "loss/l2", "loss/siamese")]
  np.testing.assert_allclose(found, [total, *terms], rtol=1e-5)
  np.testing.assert_allclose(
    scalars["gradient_norm"], jax.jit(optax.global_norm)(gradient), rtol=1e-4
  )
  assert int(new.step) == 1


def test_accumulated_it_is_the_mean_over_the_parts() -> None:
  network = models.build("smid_resunet", widths=(2, 4), blocks=1)  # no batch statistics
  objective = make_objective({"l1": 1.0})
  whole, parts = (
    jax.jit(siamese.make_step(network, objective, SGD, accumulate=n))(fresh(network), BATCH)
    for n in (1, 2)
  )
  assert distance(whole[0].generator.params, parts[0].generator.params) < 1e-6
  np.testing.assert_allclose(whole[1]["loss/siamese"], parts[1]["loss/siamese"], rtol=1e-5)


def test_a_network_that_remembers_sees_two_videos() -> None:
  """Swapping the frames of a scene changes nothing: neither is the other one's past."""
  network = models.build(
    "recurrent_unet", widths=(4, 4), blocks=(0, 1), decoder_blocks=(0,), reach=1
  )
  step = jax.jit(siamese.make_step(network, make_objective({"l1": 1.0}), SGD))
  results = [step(fresh(network), {**BATCH, "low": low}) for low in (LOW, LOW[:, ::-1])]
  assert distance(results[0][0].generator, results[1][0].generator) < 1e-6
  np.testing.assert_allclose(results[0][1]["loss"], results[1][1]["loss"], rtol=1e-6)


def test_mosaics_have_larger_targets() -> None:
  network = models.build("sid_unet", widths=(2, 4))
  batch = {
    "low": jax.random.uniform(jax.random.key(3), (2, 2, 16, 16, 4)),
    "high": jnp.full((2, 2, 32, 32, 3), 0.5),
  }
  step = jax.jit(siamese.make_step(network, make_objective({"l1": 1.0}), SGD))
  _, scalars = step(fresh(network, channels=4), batch)
  assert all(np.isfinite(value) for value in scalars.values())


def test_equal_frames_agree_and_others_come_to() -> None:
  adam = optax.adam(1e-2)
  objective = make_objective({"l1": 1.0})
  step = jax.jit(siamese.make_step(NETWORK, objective, adam, weight=10.0))
  state = fresh(optimizer=adam)
  same = {**BATCH, "low": jnp.repeat(LOW[:, :1], 2, axis=1)}
  assert float(step(state, same)[1]["loss/siamese"]) < 1e-6
  agreements = []
  for _ in range(20):
    state, scalars = step(state, BATCH)
    agreements.append(float(scalars["loss/siamese"]))
  assert agreements[-1] < 0.5 * agreements[0]


def test_what_a_mask_covers_in_either_frame_teaches_nothing() -> None:
  step = jax.jit(siamese.make_step(NETWORK, make_objective({"l1": 1.0}), SGD))
  mask = jnp.ones((4, 2, 16, 16, 1)).at[:, 0, :4].set(0.0).at[:, 1, 12:].set(0.0)
  both = jnp.min(mask, axis=1, keepdims=True)
  rubbish = jnp.where(both > 0, HIGH, 100.0)
  results = [step(fresh(), {**BATCH, "high": x, "mask": mask}) for x in (HIGH, rubbish)]
  assert float(results[0][1]["loss"]) == float(results[1][1]["loss"])
  assert distance(results[0][0].generator, results[1][0].generator) == 0
  unmasked = step(fresh(), BATCH)[1]
  for name in ("loss/l1", "loss/siamese"):
    assert float(results[0][1][name]) != float(unmasked[name])


def test_two_runs_are_bit_equal() -> None:
  step = jax.jit(siamese.make_step(NETWORK, make_objective({"l1": 1.0, "tv": 0.1}), SGD))
  states = []
  for _ in range(2):
    state = fresh()
    for _ in range(3):
      state, _ = step(state, BATCH)
    states.append(jax.tree.leaves(state))
  assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("frames", [1, 3])
def test_other_than_two_frames_are_refused(frames: int) -> None:
  step = siamese.make_step(NETWORK, make_objective({"l1": 1.0}), SGD)
  batch = {name: jnp.zeros((2, frames, 16, 16, 3)) for name in ("low", "high")}
  with pytest.raises(UserError, match=rf"two frames.*found clips of {frames}"):
    jax.eval_shape(step, fresh(), batch)


@pytest.mark.parametrize("loss", ["zero_dce", "kpn_burst", "region_adaptive"])
def test_losses_of_other_things_are_refused(loss: str) -> None:
  with pytest.raises(UserError, match=loss):
    siamese.make_step(NETWORK, make_objective({"l1": 1.0, loss: 1.0}), SGD)


def test_a_goal_without_losses_is_refused() -> None:
  objective = make_objective({"l1": 0.0})
  with pytest.raises(UserError, match="at least one"):
    siamese.make_step(NETWORK, objective, SGD)
