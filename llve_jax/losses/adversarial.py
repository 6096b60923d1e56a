"""Wasserstein GAN losses on score maps, and the two ways to bound the critic's slope.

Arjovsky et al., "Wasserstein GAN", ICML 2017 (arXiv 1701.07875): weight clipping.
Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017 (arXiv 1704.00028): penalty.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.losses.contract import MAPS, check_same_shape, euclidean_norm

Scores = Float[Array, "n h w 1"]
PerImage = Float[Array, "n"]


def mean_score(scores: Scores) -> PerImage:
  """Mean of each image's score map (any axes after the first)."""
  return jnp.mean(scores, axis=tuple(range(1, scores.ndim)))


def critic_loss(real_scores: Scores, fake_scores: Scores) -> PerImage:
  """What the critic minimises: mean D(fake) - mean D(real), the negative of System A's Eq 2.5."""
  return mean_score(fake_scores) - mean_score(real_scores)


def generator_loss(fake_scores: Scores) -> PerImage:
  """What the generator minimises: -mean D(fake)."""
  return -mean_score(fake_scores)


def clip_weights(params: Any, limit: float = 0.01) -> Any:
  """Every parameter clipped to [-limit, limit]; plain WGAN applies it after each critic step."""
  return jax.tree.map(lambda leaf: jnp.clip(leaf, -limit, limit), params)


def gradient_penalty(
  critic_fn: Callable[[Float[Array, "n h w c"]], Scores],
  real: Float[Array, "n h w c"],
  fake: Float[Array, "n h w c"],
  key: Array,
  weight: float = 10.0,
) -> PerImage:
  """weight * (||grad_x D(x)||_2 - 1)^2 at x = a * real + (1 - a) * fake (WGAN-GP, Eq 3).

  a ~ U(0, 1), one per image; the norm runs over rows, columns and channels together. D(x) is the
  mean of the score map. The penalty is one image's own; in a critic with batch statistics an image
  also moves the others' scores, and the gradient is that of their sum: leave batch norm out of it.
  The penalty's own gradient is finite where the critic is flat.

  Args:
    critic_fn: images to score maps; the parameters are bound by the caller.
    real: true images.
    fake: generated images of the same shape.
    key: random key for a.
    weight: factor lambda.
  """
  check_same_shape(real, fake, MAPS)
  mix = jax.random.uniform(key, (real.shape[0], 1, 1, 1), real.dtype)
  between = mix * real + (1.0 - mix) * fake
  slope = jax.grad(lambda images: jnp.sum(mean_score(critic_fn(images))))(between)
  return weight * jnp.square(euclidean_norm(slope, axis=(1, 2, 3)) - 1.0)
