"""One step of EnlightenGAN: dark and bright images of different scenes, and two critics.

Jiang et al., "EnlightenGAN: Deep Light Enhancement without Paired Supervision", IEEE TIP 2021
(arXiv 1906.06972), in the order of its published program: one update of the generator, then one of
each critic, on the images the generator made before its update. System E trains so.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.losses import adversarial
from llve_jax.losses.contract import Clip
from llve_jax.losses.self_feature import (
  draw_corners,
  self_feature_local,
  vgg16_self_feature,
  vgg16_self_feature_released,
)
from llve_jax.losses.self_feature import patches as cut
from llve_jax.losses.vgg import VggLoss, as_images, load_network
from llve_jax.train.state import Batch, Scalars, State, Step, Trainable, apply_train, variables_of
from llve_jax.train.update import advance, descend

_Cost = Callable[[Array, Array], Array]

# Critic -> its loss and the generator's, both of (real scores, fake scores), per image. The global
# one judges whole images, the local one patches.
CRITICS: dict[str, tuple[_Cost, _Cost]] = {
  "global": (adversarial.ralsgan_critic_loss, adversarial.ralsgan_generator_loss),
  "local": (
    adversarial.lsgan_critic_loss,
    lambda real, fake: adversarial.lsgan_generator_loss(fake),
  ),
}
SELF_FEATURE: dict[str, VggLoss] = {
  "paper": vgg16_self_feature,
  "released": vgg16_self_feature_released,
}
WEIGHTS = {"global": 1.0, "local": 1.0, "self_feature": 1.0, "self_feature_local": 1.0}


def frozen() -> dict[str, Any]:
  """What `State.frozen` must hold: VGG-16 as far as the self-feature terms look, either variant."""
  loss = SELF_FEATURE["paper"]
  network = loss.vgg.network
  return {network: loss.vgg.weights(loss.layers, load_network(network))}


def make_step(
  generator: nn.Module,
  critics: Mapping[str, nn.Module],
  generator_optimizer: optax.GradientTransformation,
  critic_optimizers: Mapping[str, optax.GradientTransformation],
  *,
  patches: int = 6,
  patch_size: int = 32,
  darken: tuple[float, float] = (2.0, 4.0),
  darken_probability: float = 0.5,
  weights: Mapping[str, float] = WEIGHTS,
  self_feature: str = "paper",
  average_decay: float = 0.999,
) -> Step:
  """Returns `step(state, batch)`.

  A batch holds "low", dark images [b, 1, h, w, 3], and "high", bright ones of that shape of other
  scenes (drawn at random). Clips of more frames are taken as so many images. The state's
  critics are "global" and "local", and its `frozen` is what `frozen()` returns.

  Scalars: `loss`, its unweighted terms `loss/global`, `loss/local`, `loss/self_feature` and
  `loss/self_feature_local`, what the critics minimise as `critic/global` and `critic/local`, and
  `gradient_norm` of the generator.

  Args:
    generator: the network; all of it sees the darkened images, also its attention.
    critics: "global" judges images [n, h, w, 3], "local" patches of them.
    generator_optimizer: of the generator.
    critic_optimizers: of each critic, by its name.
    patches: how many patches of an image count. Their places are drawn for each step and are the
      same in result, bright and dark image, and for the whole batch.
    patch_size: their side in pixels.
    darken: limits of the number a dark image is divided by before the generator sees it. The
      self-feature terms compare with the image as it was.
    darken_probability: how likely that is, for each image.
    weights: factor of each term of the generator's loss; one that is 0 or missing is neither
      computed nor reported, and its critic does not learn.
    self_feature: "paper", or "released": VGG-16 without its mean taken off, as in the program.
    average_decay: of the moving average.

  Raises:
    UserError: an unknown name, a critic that a term needs is missing, or a number out of range;
      from the step, frames smaller than a patch, or no bright images of the dark ones' shape.
  """
  active = {name: weight for name, weight in weights.items() if weight}
  _check_names(active, critics, self_feature)
  _check_numbers(patches, patch_size, darken, darken_probability)
  compare = SELF_FEATURE[self_feature]
  judges = [name for name in CRITICS if name in active]

  def scores(
    name: str, critic: Trainable, params: Any, real: Array, fake: Array, key: Array
  ) -> tuple[list[Array], Any]:
    variables = variables_of(params, critic.batch_stats)
    both, stats = apply_train(critics[name], variables, jnp.concatenate([real, fake]), key)
    return jnp.split(both, 2), stats

  def update_critic(
    name: str, critic: Trainable, real: Array, fake: Array, key: Array, rate: Array
  ) -> tuple[Trainable, Array]:
    def loss(params: Any) -> tuple[Array, tuple[Array, Any]]:
      pair, stats = scores(name, critic, params, real, fake, key)
      cost = CRITICS[name][0](*pair).mean()
      return cost, (cost, stats)

    gradient, (cost, stats) = jax.grad(loss, has_aux=True)(critic.params)
    return descend(critic, gradient, critic_optimizers[name], stats, rate), cost

  def step(state: State, batch: Batch) -> tuple[State, Scalars]:
    dark, bright = _pair(batch, patch_size)
    darken_key, corner_key, generator_key, critic_key = jax.random.split(state.step_key(), 4)
    corners = draw_corners(corner_key, dark.shape[2], dark.shape[3], patches, patch_size)
    given = darkened(dark, darken_key, darken, darken_probability)

    def shown(clip: Clip) -> dict[str, Array]:
      images = {"global": clip, "local": cut(clip, corners, patch_size)}
      return {name: as_images(images[name]) for name in judges}

    real = shown(bright)

    def loss(params: Any) -> tuple[Array, tuple[Any, dict[str, Array], Scalars]]:
      variables = variables_of(params, state.generator.batch_stats)
      output, stats = apply_train(generator, variables, given, generator_key)
      clip = output["clip"]
      fake = shown(clip)
      terms: dict[str, Array] = {}
      for name in judges:
        critic = state.critics[name]
        pair, _ = scores(name, critic, critic.params, real[name], fake[name], critic_key)
        terms[name] = CRITICS[name][1](*pair).mean()
      if "self_feature" in active:
        terms["self_feature"] = compare(clip, dark, frozen=state.frozen).mean()
      if "self_feature_local" in active:
        terms["self_feature_local"] = self_feature_local(
          clip, dark, corners, size=patch_size, loss=compare, frozen=state.frozen
        ).mean()
      total = jnp.zeros((), jnp.float32)
      for name, term in terms.items():
        total += active[name] * term
      scalars = {"loss": total} | {f"loss/{name}": term for name, term in terms.items()}
      return total, (stats, fake, scalars)

    gradient, (stats, fake, scalars) = jax.grad(loss, has_aux=True)(state.generator.params)
    scalars["gradient_norm"] = optax.global_norm(gradient)
    network = descend(state.generator, gradient, generator_optimizer, stats, state.rate)
    learnt = dict(state.critics)
    for name in judges:
      learnt[name], scalars[f"critic/{name}"] = update_critic(
        name, state.critics[name], real[name], fake[name], critic_key, state.rate
      )
    state = dataclasses.replace(state, critics=learnt)
    return advance(state, network, average_decay), scalars

  return step


def darkened(
  clip: Clip, key: Array, factors: tuple[float, float] = (2.0, 4.0), probability: float = 0.5
) -> Float[Array, "b t h w c"]:
  """Each image, with a probability, divided by a number drawn between `factors`.

  All frames of a clip are divided by the same number.
  """
  chance_key, factor_key = jax.random.split(key)
  shape = (clip.shape[0], 1, 1, 1, 1)
  divide = jax.random.bernoulli(chance_key, probability, shape)
  factor = jax.random.uniform(factor_key, shape, clip.dtype, *factors)
  return jnp.where(divide, clip / factor, clip)


def _check_names(
  active: Mapping[str, float], critics: Mapping[str, nn.Module], self_feature: str
) -> None:
  if unknown := sorted(active.keys() - WEIGHTS.keys()):
    raise UserError(f"unpaired_gan has no term {', '.join(unknown)}; known: {', '.join(WEIGHTS)}")
  if unknown := sorted(critics.keys() - CRITICS.keys()):
    raise UserError(f"unpaired_gan has no critic {', '.join(unknown)}; known: {', '.join(CRITICS)}")
  if missing := [name for name in CRITICS if name in active and name not in critics]:
    raise UserError(
      f"unpaired_gan lacks the critic {' and '.join(missing)}; found "
      f"{', '.join(critics) or 'none'}; add it, or set the weight of its term to 0"
    )
  if self_feature not in SELF_FEATURE:
    raise UserError(f"self_feature is {self_feature!r}; expected {' or '.join(SELF_FEATURE)}")


def _check_numbers(
  patches: int, patch_size: int, darken: tuple[float, float], probability: float
) -> None:
  if patches < 1 or patch_size < 1:
    raise UserError(f"{patches} patches of {patch_size} pixels; expected 1 at least of both")
  if not 1 <= darken[0] <= darken[1]:
    raise UserError(f"darken is {darken}; expected two numbers, 1 <= first <= second")
  if not 0 <= probability <= 1:
    raise UserError(f"darken_probability is {probability}; expected 0 to 1")


def _pair(batch: Batch, patch_size: int) -> tuple[Clip, Clip]:
  """Dark and bright images, of which patches can be cut."""
  dark, bright = batch["low"], batch.get("high")
  if bright is None or bright.shape != dark.shape:
    found = "none" if bright is None else f"those of {tuple(bright.shape)}"
    raise UserError(
      f"unpaired_gan needs bright images (high) as large as the dark ones, {tuple(dark.shape)}; "
      f"found {found}"
    )
  height, width = dark.shape[2:4]
  if min(height, width) < patch_size:
    raise UserError(
      f"frames of {height} x {width} pixels hold no patch of {patch_size} x {patch_size}; choose "
      "larger crops or a smaller patch_size"
    )
  return dark, bright
