"""Supervised and GAN steps on tiny networks: what they descend, what they leave alone."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.train import mesh
from llve_jax.train.goal import Goal, make_goal
from llve_jax.train.state import Learner, State, Step, init_state
from llve_jax.train.steps import paired_gan, supervised

pytestmark = pytest.mark.usefixtures("standard_promotion")

GENERATOR = models.build("turntable_unet", widths=(4,), bottleneck=4, cardinality=2)
BATCH = {
  "low": 0.2 * jax.random.uniform(jax.random.key(1), (8, 1, 16, 16, 3)),
  "high": jax.random.uniform(jax.random.key(2), (8, 1, 16, 16, 3)),
}


def critic_of(norm: str = "layer") -> Any:
  return models.build_critic("turntable_critic", widths=(4, 4), norm=norm)


def gan_step(critic: Any, **kwargs: Any) -> Step:
  adam = optax.adam(1e-2)
  return paired_gan.make_step(GENERATOR, critic, make_goal({"l1": 1.0}), adam, adam, **kwargs)


def gan_state(critic: Any) -> State:
  adam = optax.adam(1e-2)
  return init_state(
    Learner(GENERATOR, adam, (1, 1, 16, 16, 3)),
    seed=0,
    critics={"critic": Learner(critic, adam, (1, 16, 16, 3))},
  )


def fresh(optimizer: optax.GradientTransformation, goal: Goal | None = None) -> State:
  learner = Learner(GENERATOR, optimizer, (1, 1, 16, 16, 3))
  return init_state(learner, seed=0, memory=goal.memory if goal else None)


def distance(first: Any, second: Any) -> float:
  pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
  return max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs)


def test_supervised_learns_and_logs_every_term() -> None:
  adam = optax.adam(1e-2)
  step = jax.jit(supervised.make_step(GENERATOR, make_goal({"l1": 2.0, "tv": 0.5}), adam))
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
  new, _ = jax.jit(supervised.make_step(GENERATOR, make_goal({"l1": 1.0}), sgd))(state, BATCH)
  assert distance(new.generator.params, expected) < 1e-6


def test_gan_updates_the_critic_as_often_as_asked() -> None:
  critic = critic_of()
  for updates in (1, 3):
    step = jax.jit(gan_step(critic, critic_updates=updates))
    new, scalars = step(gan_state(critic), BATCH)
    assert int(new.critics["critic"].optimizer[0].count) == updates
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
  assert distance(plain.critics["critic"].params, pushed.critics["critic"].params) == 0
  assert distance(plain.generator.params, pushed.generator.params) > 0
  np.testing.assert_allclose(
    pushed_scalars["loss"], plain_scalars["loss"] + plain_scalars["loss/adversarial"], rtol=1e-5
  )


def test_wgan_clips_the_critic_and_has_no_penalty() -> None:
  critic = critic_of("none")
  new, scalars = jax.jit(gan_step(critic, kind="wgan", weight_bound=0.01))(gan_state(critic), BATCH)
  assert (
    max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(new.critics["critic"].params))
    <= 0.01
  )
  assert "critic/penalty" not in scalars


def test_batch_norm_critic_keeps_its_statistics() -> None:
  critic = critic_of("batch")
  state = gan_state(critic)
  new, _ = jax.jit(gan_step(critic))(state, BATCH)
  assert distance(state.critics["critic"].batch_stats, new.critics["critic"].batch_stats) > 0


@pytest.mark.parametrize("kind", ["supervised", "paired_gan"])
def test_eight_devices_equal_one(kind: str) -> None:
  """Losses of five steps agree to 1e-5: batch statistics and penalties are of the whole batch."""
  critic = critic_of() if kind == "paired_gan" else None
  losses = []
  for devices in (jax.devices()[:1], jax.devices()):
    on = mesh.make_mesh(devices)
    if critic is None:
      adam = optax.adam(1e-3)
      step = supervised.make_step(GENERATOR, make_goal({"l1": 1.0}), adam)
      state = mesh.create_on(on, lambda: fresh(optax.adam(1e-3)))
    else:
      adam = optax.adam(1e-3)
      step = paired_gan.make_step(GENERATOR, critic, make_goal({"l1": 1.0}), adam, adam)
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
  step = jax.jit(supervised.make_step(GENERATOR, make_goal({"l1": 1.0}), sgd))
  mask = jnp.zeros((8, 1, 16, 16, 1)).at[:, :, :8].set(1.0)
  rubbish = jnp.where(mask > 0, BATCH["high"], 100.0)
  results = [
    step(fresh(sgd), {**BATCH, "high": high, "mask": mask}) for high in (BATCH["high"], rubbish)
  ]
  assert float(results[0][1]["loss"]) == float(results[1][1]["loss"])
  assert distance(results[0][0].generator, results[1][0].generator) == 0
  unmasked = step(fresh(sgd), BATCH)[1]["loss"]
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


def test_accumulated_parts_give_the_gradient_of_the_whole_batch() -> None:
  """A network without batch norm: the mean of the parts' gradients is that of the batch."""
  module = models.build("zero_dce", features=4, iterations=2)
  sgd = optax.sgd(0.1)
  start = init_state(Learner(module, sgd, (1, 1, 16, 16, 3)), seed=0)
  results = [
    jax.jit(supervised.make_step(module, make_goal({"l2": 1.0}), sgd, accumulate=parts))(
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
  once, _ = jax.jit(supervised.make_step(GENERATOR, make_goal({"l1": 1.0}), sgd))(fresh(sgd), same)
  # Part i holds the examples i, i + 4: the same two images each time.
  often, _ = jax.jit(supervised.make_step(GENERATOR, make_goal({"l1": 1.0}), sgd, accumulate=4))(
    fresh(sgd), same
  )
  first = jax.tree.leaves(once.generator.batch_stats)[0]
  fourth = jax.tree.leaves(often.generator.batch_stats)[0]
  assert float(jnp.max(jnp.abs(fourth))) > 1.5 * float(jnp.max(jnp.abs(first)))


def test_a_batch_that_cannot_be_cut_is_refused() -> None:
  sgd = optax.sgd(0.1)
  step = supervised.make_step(GENERATOR, make_goal({"l1": 1.0}), sgd, accumulate=3)
  with pytest.raises(UserError, match="batch of 8 clips cannot be accumulated in 3"):
    jax.eval_shape(step, fresh(sgd), BATCH)


def test_the_rate_of_the_state_scales_the_update() -> None:
  sgd = optax.sgd(0.1)
  step = jax.jit(supervised.make_step(GENERATOR, make_goal({"l1": 1.0}), sgd))
  full, _ = step(fresh(sgd), BATCH)
  half, _ = step(dataclasses.replace(fresh(sgd), rate=jnp.float32(0.5)), BATCH)
  start = fresh(sgd).generator.params
  halves = jax.tree.map(lambda s, f: s + 0.5 * (f - s), start, full.generator.params)
  assert distance(halves, half.generator.params) < 1e-6


def test_a_loss_with_a_memory_takes_it_from_step_to_step() -> None:
  """System C's threshold: 0.03, raised by a tenth while less than 40 % of the output is below."""
  goal = make_goal({"region_adaptive": 1.0, "l1": 0.5})
  sgd = optax.sgd(0.0)
  step = jax.jit(supervised.make_step(GENERATOR, goal, sgd))
  state = fresh(sgd, goal)
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
  goal = make_goal({"zero_dce": 1.0})
  step = jax.jit(supervised.make_step(module, goal, adam))
  state = init_state(Learner(module, adam, (1, 1, 16, 16, 3)), seed=0)
  losses = []
  for _ in range(20):
    state, scalars = step(state, {"low": BATCH["low"]})
    losses.append(float(scalars["loss"]))
  assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("kind", sorted(paired_gan.KINDS))
def test_the_adversarial_loss_is_that_of_the_scores(kind: str) -> None:
  """From the scores that the new critic gives to the output, computed beside the step."""
  critic = critic_of("none")
  state = gan_state(critic)
  new, scalars = jax.jit(gan_step(critic, kind=kind, critic_updates=1))(state, BATCH)
  variables = state.generator.variables
  output = GENERATOR.apply(variables, BATCH["low"], train=True, mutable=["batch_stats"])[0]["clip"]
  judge = jax.jit(critic.apply)
  fake = np.asarray(judge(new.critics["critic"].variables, output[:, 0]), np.float64)
  real = np.asarray(judge(new.critics["critic"].variables, BATCH["high"][:, 0]), np.float64)
  expected = {
    "bce": np.mean(np.log1p(np.exp(-fake))),
    "lsgan": np.mean((fake - 1) ** 2),
    "ralsgan": 0.5 * np.mean((real - fake.mean()) ** 2)
    + 0.5 * np.mean((fake - real.mean() - 1) ** 2),
    "wgan": -fake.mean(),
    "wgan_gp": -fake.mean(),
  }[kind]
  np.testing.assert_allclose(scalars["loss/adversarial"], expected, rtol=2e-4, atol=1e-6)
  assert all(np.isfinite(value) for value in scalars.values())


def test_the_critic_may_see_one_frame_of_a_clip() -> None:
  clips = {name: jnp.concatenate([clip] * 3, axis=1) for name, clip in BATCH.items()}
  seen: list[tuple[int, ...]] = []

  class Counting:
    def apply(self, variables: Any, images: Any, **kwargs: Any) -> Any:
      seen.append(images.shape)
      return critic.apply(variables, images, **kwargs)

  critic = critic_of("none")
  step = gan_step(Counting(), kind="lsgan", frames="one", critic_updates=1)
  jax.eval_shape(step, gan_state(critic), clips)
  assert seen == [(16, 16, 16, 3), (8, 16, 16, 3)]  # real and fake to learn, fake to judge


def test_an_unknown_kind_lists_the_known() -> None:
  with pytest.raises(UserError, match="'gan'; known: bce, lsgan, ralsgan, wgan, wgan_gp"):
    gan_step(critic_of(), kind="gan")


def test_released_penalties_differ_from_the_right_one() -> None:
  critic = critic_of("none")
  found = [
    float(
      jax.jit(gan_step(critic, critic_updates=1, **options))(gan_state(critic), BATCH)[1][
        "critic/penalty"
      ]
    )
    for options in ({}, {"penalty_mixing": "batch"}, {"penalty_norm": "pixel"})
  ]
  assert len({round(value, 6) for value in found}) == 3
