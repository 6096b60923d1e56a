"""One step of a generator with known targets and a Wasserstein critic.

Arjovsky et al. 2017 (arXiv 1701.07875): the critic's weights are clipped. Gulrajani et al. 2017
(arXiv 1704.00028): its gradient is penalised instead. The critic sees single frames.
"""

import dataclasses
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from llve_jax.losses import Objective, adversarial
from llve_jax.train.state import State, Trainable, apply_train, variables_of
from llve_jax.train.steps.supervised import Scalars, Step, advance, descend


def make_step(
  generator: nn.Module,
  critic: nn.Module,
  objective: Objective,
  generator_optimizer: optax.GradientTransformation,
  critic_optimizer: optax.GradientTransformation,
  *,
  kind: Literal["wgan", "wgan_gp"] = "wgan_gp",
  adversarial_weight: float = 1e-4,
  critic_updates: int = 5,
  penalty_weight: float = 10.0,
  weight_bound: float = 0.01,
  average_decay: float = 0.999,
) -> Step:
  """Returns `step(state, batch)`: the critic learns first, then the generator (Eq 2.5 and 2.8).

  The generator runs once: its output serves the `critic_updates` updates of the critic, which are
  one `lax.scan` with a fresh interpolation each, and then its own loss against the new critic.

  Scalars: those of `steps.supervised`, and `loss/adversarial` (generator), `critic/distance`
  (Wasserstein estimate, Eq 2.5) and `critic/penalty`, the last two averaged over the updates.
  """

  def update_critic(
    network: Trainable, real: Array, fake: Array, key: Array
  ) -> tuple[Trainable, Scalars]:
    def loss(params: Any) -> tuple[Array, tuple[Any, Scalars]]:
      variables = variables_of(params, network.batch_stats)
      scores, stats = apply_train(critic, variables, jnp.concatenate([real, fake]), key)
      real_scores, fake_scores = jnp.split(scores, 2)
      cost = adversarial.critic_loss(real_scores, fake_scores).mean()
      penalty = jnp.zeros(())
      if kind == "wgan_gp":
        penalty = adversarial.gradient_penalty(
          lambda images: apply_train(critic, variables, images, key)[0],
          real,
          fake,
          key,
          weight=penalty_weight,
        ).mean()
      return cost + penalty, (stats, {"critic/distance": -cost, "critic/penalty": penalty})

    gradient, (stats, scalars) = jax.grad(loss, has_aux=True)(network.params)
    network = descend(network, gradient, critic_optimizer, stats)
    if kind == "wgan":
      clipped = adversarial.clip_weights(network.params, weight_bound)
      network = dataclasses.replace(network, params=clipped)
    return network, scalars

  def step(state: State, batch: dict[str, Array]) -> tuple[State, Scalars]:
    assert state.critic is not None, "the state was made without a critic"
    first_critic = state.critic
    loss_key, critic_key = jax.random.split(state.step_key())
    keys = jax.random.split(critic_key, critic_updates)
    frames = batch["high"].reshape(-1, *batch["high"].shape[2:])

    def loss(params: Any) -> tuple[Array, tuple[Any, Trainable, Scalars]]:
      variables = variables_of(params, state.generator.batch_stats)
      output, stats = apply_train(generator, variables, batch["low"], loss_key)
      pred = output["clip"]
      pred_frames = pred.reshape(frames.shape)
      fake = jax.lax.stop_gradient(pred_frames)
      new_critic, critic_scalars = jax.lax.scan(
        lambda network, key: update_critic(network, frames, fake, key), first_critic, keys
      )
      mask = batch.get("mask")
      total, terms = objective(pred, batch["high"], state.frozen, mask=mask, key=loss_key)
      scores, _ = apply_train(critic, new_critic.variables, pred_frames, critic_key)
      adversarial_loss = adversarial.generator_loss(scores).mean()
      scalars = {f"loss/{name}": term.mean() for name, term in terms.items()}
      scalars |= {name: values.mean() for name, values in critic_scalars.items()}
      scalars["loss/adversarial"] = adversarial_loss
      return total.mean() + adversarial_weight * adversarial_loss, (stats, new_critic, scalars)

    (total, (stats, new_critic, scalars)), gradient = jax.value_and_grad(loss, has_aux=True)(
      state.generator.params
    )
    network = descend(state.generator, gradient, generator_optimizer, stats)
    scalars |= {"loss": total, "gradient_norm": optax.global_norm(gradient)}
    state = dataclasses.replace(state, critic=new_critic)
    return advance(state, network, average_decay), scalars

  return step
