"""Both kinds of step, on tiny networks: what they descend, what they leave alone, and sharding."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.losses import compose
from llve_jax.train import mesh
from llve_jax.train.state import State, init_state
from llve_jax.train.steps import paired_gan, supervised

pytestmark = pytest.mark.usefixtures("standard_promotion")

GENERATOR = models.build("turntable_unet", widths=(4,), bottleneck=4, cardinality=2)
BATCH = {
  "low": 0.2 * jax.random.uniform(jax.random.key(1), (8, 1, 16, 16, 3)),
  "high": jax.random.uniform(jax.random.key(2), (8, 1, 16, 16, 3)),
}


def critic_of(norm: str = "layer") -> Any:
  return models.build_critic("turntable_critic", widths=(4, 4), norm=norm)


def gan_step(critic: Any, **kwargs: Any) -> supervised.Step:
  adam = optax.adam(1e-2)
  return paired_gan.make_step(GENERATOR, critic, compose({"l1": 1.0}), adam, adam, **kwargs)


def gan_state(critic: Any) -> State:
  adam = optax.adam(1e-2)
  return init_state(GENERATOR, adam, seed=0, crop=16, critic=critic, critic_optimizer=adam)


def distance(first: Any, second: Any) -> float:
  pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
  return max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs)


def test_supervised_learns_and_logs_every_term() -> None:
  adam = optax.adam(1e-2)
  step = jax.jit(supervised.make_step(GENERATOR, compose({"l1": 2.0, "tv": 0.5}), adam))
  state = init_state(GENERATOR, adam, seed=0, crop=16)
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
  state = init_state(GENERATOR, sgd, seed=0, crop=16)

  def error(params: Any) -> jax.Array:
    variables = {"params": params, "batch_stats": state.generator.batch_stats}
    output, _ = GENERATOR.apply(variables, BATCH["low"], train=True, mutable=["batch_stats"])
    return jnp.mean(jnp.abs(output["clip"] - BATCH["high"]))

  expected = jax.tree.map(
    lambda p, g: p - rate * g,
    state.generator.params,
    jax.jit(jax.grad(error))(state.generator.params),
  )
  new, _ = jax.jit(supervised.make_step(GENERATOR, compose({"l1": 1.0}), sgd))(state, BATCH)
  assert distance(new.generator.params, expected) < 1e-6


def test_gan_updates_the_critic_as_often_as_asked() -> None:
  critic = critic_of()
  for updates in (1, 3):
    step = jax.jit(gan_step(critic, critic_updates=updates))
    new, scalars = step(gan_state(critic), BATCH)
    assert int(new.critic.optimizer[0].count) == updates
    assert int(new.generator.optimizer[0].count) == 1
    assert all(np.isfinite(value) for value in scalars.values())
  assert {"loss/adversarial", "critic/distance", "critic/penalty"} <= scalars.keys()


def test_critic_comes_to_tell_real_from_restored() -> None:
  critic = critic_of()
  step = jax.jit(gan_step(critic, critic_updates=5, adversarial_weight=0.0))
  state = gan_state(critic)
  distances = []
  for _ in range(15):
    state, scalars = step(state, BATCH)
    distances.append(float(scalars["critic/distance"]))
  assert max(distances[-5:]) > max(0.0, distances[0])


def test_adversarial_weight_scales_only_the_generator_gradient() -> None:
  critic = critic_of()
  state = gan_state(critic)
  steps = [jax.jit(gan_step(critic, adversarial_weight=w, critic_updates=1)) for w in (0, 1)]
  results = [step(state, BATCH) for step in steps]
  (plain, plain_scalars), (pushed, pushed_scalars) = results
  assert distance(plain.critic.params, pushed.critic.params) == 0
  assert distance(plain.generator.params, pushed.generator.params) > 0
  np.testing.assert_allclose(
    pushed_scalars["loss"], plain_scalars["loss"] + plain_scalars["loss/adversarial"], rtol=1e-5
  )


def test_wgan_clips_the_critic_and_has_no_penalty() -> None:
  critic = critic_of("none")
  new, scalars = jax.jit(gan_step(critic, kind="wgan", weight_bound=0.01))(gan_state(critic), BATCH)
  assert max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(new.critic.params)) <= 0.01
  assert float(scalars["critic/penalty"]) == 0.0


def test_batch_norm_critic_keeps_its_statistics() -> None:
  critic = critic_of("batch")
  state = gan_state(critic)
  new, _ = jax.jit(gan_step(critic))(state, BATCH)
  assert distance(state.critic.batch_stats, new.critic.batch_stats) > 0


@pytest.mark.parametrize("kind", ["supervised", "paired_gan"])
def test_eight_devices_equal_one(kind: str) -> None:
  """Losses of five steps agree to 1e-5: batch statistics and penalties are of the whole batch."""
  critic = critic_of() if kind == "paired_gan" else None
  losses = []
  for devices in (jax.devices()[:1], jax.devices()):
    on = mesh.make_mesh(devices)
    if critic is None:
      adam = optax.adam(1e-3)
      step = supervised.make_step(GENERATOR, compose({"l1": 1.0}), adam)
      state = mesh.create_on(on, lambda: init_state(GENERATOR, optax.adam(1e-3), seed=0, crop=16))
    else:
      adam = optax.adam(1e-3)
      step = paired_gan.make_step(GENERATOR, critic, compose({"l1": 1.0}), adam, adam)
      state = mesh.create_on(on, lambda: gan_state(critic))
    compiled = mesh.compile_step(step, on)
    batch = jax.device_put(BATCH, mesh.batch_sharding(on))
    run = []
    for _ in range(5):
      state, scalars = compiled(state, batch)
      run.append(float(scalars["loss"]))
    losses.append(run)
  np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_what_a_mask_covers_teaches_nothing() -> None:
  """With half of the target covered, rubbish there changes neither loss nor parameters."""
  sgd = optax.sgd(0.1)
  step = jax.jit(supervised.make_step(GENERATOR, compose({"l1": 1.0}), sgd))
  mask = jnp.zeros((8, 1, 16, 16, 1)).at[:, :, :8].set(1.0)
  rubbish = jnp.where(mask > 0, BATCH["high"], 100.0)
  results = [
    step(init_state(GENERATOR, sgd, seed=0, crop=16), {**BATCH, "high": high, "mask": mask})
    for high in (BATCH["high"], rubbish)
  ]
  assert float(results[0][1]["loss"]) == float(results[1][1]["loss"])
  assert distance(results[0][0].generator, results[1][0].generator) == 0
  unmasked = step(init_state(GENERATOR, sgd, seed=0, crop=16), BATCH)[1]["loss"]
  assert float(results[0][1]["loss"]) != float(unmasked)


def test_a_critic_with_dropout_draws_by_the_number_of_the_step() -> None:
  critic = models.build_critic("patch_classifier", widths=(4, 4), hidden=8)
  step = jax.jit(gan_step(critic, kind="wgan_gp", critic_updates=1))
  distances = []
  for number in (0, 0, 5):
    state = dataclasses.replace(gan_state(critic), step=jnp.int32(number))
    scalars = step(state, BATCH)[1]
    assert all(np.isfinite(value) for value in scalars.values())
    distances.append(float(scalars["critic/distance"]))
  assert distances[0] == distances[1] != distances[2]
