"""The GAN step on tiny networks: who learns when, from what."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.errors import UserError
from llve_jax.train.objective import make_objective
from llve_jax.train.state import Learner, State, Step
from llve_jax.train.steps import paired_gan
from tests.train.steps.tiny import BATCH, GENERATOR, distance, first_state

pytestmark = pytest.mark.usefixtures("standard_promotion")


def critic_of(norm: str = "layer") -> Any:
  return models.build_critic("turntable_critic", widths=(4, 4), norm=norm)


def gan_step(critic: Any, **kwargs: Any) -> Step:
  adam = optax.adam(1e-2)
  return paired_gan.make_step(GENERATOR, critic, make_objective({"l1": 1.0}), adam, adam, **kwargs)


def gan_state(critic: Any) -> State:
  adam = optax.adam(1e-2)
  return first_state(
    Learner(GENERATOR, adam, (1, 1, 16, 16, 3)),
    critics={"critic": Learner(critic, adam, (1, 16, 16, 3))},
  )


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


class Gain(nn.Module):
  """A generator of one number."""

  @nn.compact
  def __call__(self, clip: jax.Array, *, train: bool = False) -> dict[str, jax.Array]:
    return {"clip": clip * self.param("gain", nn.initializers.constant(1.5), ())}


class Dot(nn.Module):
  """A critic of four numbers, the same for every pixel: its slope is known."""

  @nn.compact
  def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
    return nn.Dense(1, name="dense")(images)


@pytest.mark.parametrize("kind", ["wgan", "wgan_gp"])
@pytest.mark.parametrize("updates", [1, 2])
def test_both_descend_by_gradients_written_by_hand(kind: str, updates: int) -> None:
  rate, weight, penalty = 0.25, 3.0, 10.0
  sgd = optax.sgd(1.0)
  step = paired_gan.make_step(
    Gain(),
    Dot(),
    make_objective({"l1": 1.0}),
    sgd,
    sgd,
    kind=kind,
    adversarial_weight=weight,
    critic_updates=updates,
    penalty_weight=penalty,
    weight_bound=1e9,
  )
  shape = BATCH["low"].shape
  critics = {"critic": Learner(Dot(), sgd, (1, *shape[2:]))}
  state = first_state(Learner(Gain(), sgd, shape), critics=critics)
  new, scalars = jax.jit(step)(dataclasses.replace(state, rate=jnp.float32(rate)), BATCH)
  low, high = (np.asarray(BATCH[side], np.float64) for side in ("low", "high"))
  pixels = shape[2] * shape[3]
  dense = state.critics["critic"].params["dense"]
  kernel, bias = np.asarray(dense["kernel"], np.float64)[:, 0], float(dense["bias"][0])
  for _ in range(updates):  # fake is no function of anything here
    slope = 1.5 * low.mean(axis=(0, 1, 2, 3)) - high.mean(axis=(0, 1, 2, 3))
    if kind == "wgan_gp":  # of an image's mean score: kernel / pixels, at each of its pixels
      length = np.linalg.norm(kernel)
      slope += penalty * 2 * (length / pixels**0.5 - 1) * kernel / length / pixels**0.5
    kernel = kernel - rate * slope
  found = new.critics["critic"].params["dense"]
  np.testing.assert_allclose(found["kernel"][:, 0], kernel, atol=1e-5)
  np.testing.assert_allclose(found["bias"], bias, atol=1e-6)  # as much up as down
  ahead = np.sign(1.5 * low - high)
  slope = (ahead * low).mean() - weight * low.mean(axis=(0, 1, 2, 3)) @ kernel
  np.testing.assert_allclose(scalars["gradient_norm"], abs(slope), rtol=1e-5)
  np.testing.assert_allclose(new.generator.params["gain"], 1.5 - rate * slope, rtol=1e-5)


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


def test_the_one_frame_is_the_same_of_output_and_target() -> None:
  """An output that is its target in every frame is at no distance from it."""
  low = jax.random.uniform(jax.random.key(3), (8, 4, 4, 4, 3))
  sgd = optax.sgd(0.0)
  step = paired_gan.make_step(
    Gain(), Dot(), make_objective({"l1": 1.0}), sgd, sgd, kind="wgan", frames="one"
  )
  critics = {"critic": Learner(Dot(), sgd, (1, 4, 4, 3))}
  state = first_state(Learner(Gain(), sgd, low.shape), critics=critics)
  scalars = jax.jit(step)(state, {"low": low, "high": 1.5 * low})[1]
  assert abs(float(scalars["critic/distance"])) < 1e-6
  scalars = jax.jit(step)(state, {"low": low, "high": 1.5 * low[:, ::-1]})[1]
  assert abs(float(scalars["critic/distance"])) > 1e-4  # frames do differ


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
