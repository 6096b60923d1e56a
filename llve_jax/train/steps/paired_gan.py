"""One step of a generator with known targets and a critic.

Goodfellow et al. 2014: "bce", with the generator's loss that does not saturate. Mao et al. 2017:
"lsgan". Jolicoeur-Martineau 2019: "ralsgan". Arjovsky et al. 2017 (arXiv 1701.07875): "wgan", the
critic's weights are clipped. Gulrajani et al. 2017 (arXiv 1704.00028): "wgan_gp", its gradient is
penalised instead. The critic sees single frames.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.losses import adversarial
from llve_jax.train.objective import Objective
from llve_jax.train.state import Batch, Scalars, State, Step, Trainable, apply_train, variables_of
from llve_jax.train.update import advance, descend

Scores = Array

# Name -> the critic's loss and the generator's, both of (real scores, fake scores), per image.
KINDS: dict[str, tuple[Callable[[Scores, Scores], Array], Callable[[Scores, Scores], Array]]] = {
  "bce": (
    adversarial.bce_critic_loss,
    lambda real, fake: adversarial.bce_generator_loss(fake),
  ),
  "lsgan": (
    adversarial.lsgan_critic_loss,
    lambda real, fake: adversarial.lsgan_generator_loss(fake),
  ),
  "ralsgan": (adversarial.ralsgan_critic_loss, adversarial.ralsgan_generator_loss),
  "wgan": (adversarial.critic_loss, lambda real, fake: adversarial.generator_loss(fake)),
  "wgan_gp": (adversarial.critic_loss, lambda real, fake: adversarial.generator_loss(fake)),
}
_CRITIC = "critic"


def make_step(
  generator: nn.Module,
  critic: nn.Module,
  objective: Objective,
  generator_optimizer: optax.GradientTransformation,
  critic_optimizer: optax.GradientTransformation,
  *,
  kind: str = "wgan_gp",
  adversarial_weight: float = 1e-4,
  critic_updates: int = 5,
  frames: Literal["all", "one"] = "all",
  penalty_weight: float = 10.0,
  penalty_mixing: Literal["image", "batch"] = "image",
  penalty_norm: Literal["image", "pixel"] = "image",
  weight_bound: float = 0.01,
  average_decay: float = 0.999,
) -> Step:
  """Returns `step(state, batch)`: the critic learns first, then the generator.

  The generator runs once: its output serves the `critic_updates` updates of the critic, which are
  one `lax.scan` with a fresh interpolation each, and then its own loss against the new critic.

  Scalars: those of `steps.supervised`, and `loss/adversarial` (generator), `critic/loss`, of the
  two Wasserstein kinds `critic/distance` (the estimate, Eq 2.5 of System A's report) and of
  "wgan_gp" `critic/penalty`, those of the critic averaged over its updates.

  Args:
    generator: the network.
    critic: judges images [n, h, w, 3]; it is `state.critics["critic"]`.
    objective: what is minimised beside the adversarial loss.
    generator_optimizer: of the network.
    critic_optimizer: of the critic.
    kind: a name of `KINDS`.
    adversarial_weight: factor of the adversarial loss.
    critic_updates: updates of the critic for one of the generator.
    frames: what the critic sees of a clip: every frame, or one drawn anew each step, the same of
      output and target.
    penalty_weight: factor of the gradient penalty.
    penalty_mixing: see `adversarial.gradient_penalty`.
    penalty_norm: see `adversarial.gradient_penalty`.
    weight_bound: limit of the critic's weights, "wgan" only.
    average_decay: of the moving average.

  Raises:
    UserError: no such kind, or another option that is not known.
  """
  if kind not in KINDS:
    raise UserError(f"no adversarial loss is named {kind!r}; known: {', '.join(KINDS)}")
  for name, value, known in (
    ("frames", frames, ("all", "one")),
    ("penalty_mixing", penalty_mixing, ("image", "batch")),
    ("penalty_norm", penalty_norm, ("image", "pixel")),
  ):
    if value not in known:
      raise UserError(f"{name} is {value!r}; expected {' or '.join(known)}")
  critic_loss, generator_loss = KINDS[kind]

  def update_critic(
    network: Trainable, real: Array, fake: Array, key: Array, rate: Array
  ) -> tuple[Trainable, Scalars]:
    def loss(params: Any) -> tuple[Array, tuple[Any, Scalars]]:
      variables = variables_of(params, network.batch_stats)
      scores, stats = apply_train(critic, variables, jnp.concatenate([real, fake]), key)
      cost = critic_loss(*jnp.split(scores, 2)).mean()
      scalars = {"critic/loss": cost}
      if kind in ("wgan", "wgan_gp"):
        scalars["critic/distance"] = -cost
      if kind == "wgan_gp":
        scalars["critic/penalty"] = adversarial.gradient_penalty(
          lambda images: apply_train(critic, variables, images, key)[0],
          real,
          fake,
          key,
          weight=penalty_weight,
          mixing=penalty_mixing,
          norm=penalty_norm,
        ).mean()
        cost += scalars["critic/penalty"]
      return cost, (stats, scalars)

    gradient, (stats, scalars) = jax.grad(loss, has_aux=True)(network.params)
    network = descend(network, gradient, critic_optimizer, stats, rate)
    if kind == "wgan":
      clipped = adversarial.clip_weights(network.params, weight_bound)
      network = dataclasses.replace(network, params=clipped)
    return network, scalars

  def step(state: State, batch: Batch) -> tuple[State, Scalars]:
    first_critic = state.critics[_CRITIC]
    loss_key, critic_key = jax.random.split(state.step_key())
    keys = jax.random.split(critic_key, critic_updates)
    real = _seen(batch["high"], frames, critic_key)

    def loss(params: Any) -> tuple[Array, tuple[Any, Trainable, Scalars, dict[str, Array]]]:
      variables = variables_of(params, state.generator.batch_stats)
      output, stats = apply_train(generator, variables, batch["low"], loss_key)
      shown = _seen(output["clip"], frames, critic_key)
      fake = jax.lax.stop_gradient(shown)
      new_critic, critic_scalars = jax.lax.scan(
        lambda network, key: update_critic(network, real, fake, key, state.rate),
        first_critic,
        keys,
      )
      total, scalars, memory = objective(output, batch, state, loss_key)
      # Only the relativistic loss compares with the real images' scores.
      images = jnp.concatenate([real, shown]) if kind == "ralsgan" else shown
      scores, _ = apply_train(critic, new_critic.variables, images, critic_key)
      real_scores, fake_scores = scores[: len(images) - len(shown)], scores[-len(shown) :]
      adversarial_loss = generator_loss(real_scores, fake_scores).mean()
      total += adversarial_weight * adversarial_loss
      scalars |= {name: values.mean() for name, values in critic_scalars.items()}
      scalars |= {"loss/adversarial": adversarial_loss, "loss": total}
      return total, (stats, new_critic, scalars, memory)

    gradient, (stats, new_critic, scalars, memory) = jax.grad(loss, has_aux=True)(
      state.generator.params
    )
    scalars["gradient_norm"] = optax.global_norm(gradient)
    network = descend(state.generator, gradient, generator_optimizer, stats, state.rate)
    state = dataclasses.replace(state, critics={_CRITIC: new_critic}, memory=memory)
    return advance(state, network, average_decay), scalars

  return step


def _seen(clip: Array, frames: str, key: Array) -> Array:
  """The images [n, h, w, c] of a clip that the critic sees."""
  if frames == "all":
    return clip.reshape(-1, *clip.shape[2:])
  at = jax.random.randint(key, (clip.shape[0],), 0, clip.shape[1])
  return jnp.take_along_axis(clip, at[:, None, None, None, None], axis=1)[:, 0]
