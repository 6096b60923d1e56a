"""Adversarial losses on score maps, and the two ways to bound a Wasserstein critic's slope.

A score is the discriminator's last, linear output: no sigmoid. Every loss gives one number per
image, [n], which its network minimises. `critic_loss` and `generator_loss` are Wasserstein's.

Goodfellow et al., "Generative Adversarial Networks", NeurIPS 2014: cross-entropy.
Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017: LSGAN.
Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019; Jiang et al., "EnlightenGAN", IEEE
TIP 2021, Eq 3 and 4: RaLSGAN.
Arjovsky et al., "Wasserstein GAN", ICML 2017 (arXiv 1701.07875): weight clipping.
Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017 (arXiv 1704.00028): penalty.
"""

from collections.abc import Callable
from typing import Any, Literal

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


def bce_critic_loss(real_scores: Scores, fake_scores: Scores) -> PerImage:
  """Binary cross-entropy of both halves: mean -log s(D(real)) + mean -log(1 - s(D(fake)))."""
  return mean_score(jax.nn.softplus(-real_scores)) + mean_score(jax.nn.softplus(fake_scores))


def bce_generator_loss(fake_scores: Scores) -> PerImage:
  """mean -log s(D(fake)), the form that does not saturate; s is the logistic function."""
  return mean_score(jax.nn.softplus(-fake_scores))


def lsgan_critic_loss(real_scores: Scores, fake_scores: Scores) -> PerImage:
  """1/2 [mean (D(real) - 1)^2 + mean D(fake)^2]."""
  return 0.5 * (mean_score(jnp.square(real_scores - 1.0)) + mean_score(jnp.square(fake_scores)))


def lsgan_generator_loss(fake_scores: Scores) -> PerImage:
  """mean (D(fake) - 1)^2."""
  return mean_score(jnp.square(fake_scores - 1.0))


def ralsgan_critic_loss(real_scores: Scores, fake_scores: Scores) -> PerImage:
  """1/2 [mean (D(real) - m_fake - 1)^2 + mean (D(fake) - m_real)^2].

  m is the mean over the whole batch: an image's loss depends on the others.
  """
  return _relative(real_scores, fake_scores)


def ralsgan_generator_loss(real_scores: Scores, fake_scores: Scores) -> PerImage:
  """The critic's loss with real and fake exchanged; real images take part through their mean."""
  return _relative(fake_scores, real_scores)


def _relative(high: Scores, low: Scores) -> PerImage:
  above = jnp.square(high - jnp.mean(low) - 1.0)
  below = jnp.square(low - jnp.mean(high))
  return 0.5 * (mean_score(above) + mean_score(below))


def clip_weights(params: Any, limit: float = 0.01) -> Any:
  """Every parameter clipped to [-limit, limit]; plain WGAN applies it after each critic step."""
  return jax.tree.map(lambda leaf: jnp.clip(leaf, -limit, limit), params)


def gradient_penalty(
  critic_fn: Callable[[Float[Array, "n h w c"]], Scores],
  real: Float[Array, "n h w c"],
  fake: Float[Array, "n h w c"],
  key: Array,
  weight: float = 10.0,
  *,
  mixing: Literal["image", "batch"] = "image",
  norm: Literal["image", "pixel"] = "image",
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
    mixing: "batch" draws one a for all images, as DeblurGAN's and EnlightenGAN's programs do.
    norm: "pixel" takes the norm over channels alone and the mean of (norm - 1)^2 over pixels, as
      they do: it asks a slope of 1 of every pixel, so of sqrt(h w) of the image. (They also add a
      map's scores up; for that let `critic_fn` multiply its map by the number of its scores.)
  """
  check_same_shape(real, fake, MAPS)
  drawn = real.shape[0] if mixing == "image" else 1
  mix = jax.random.uniform(key, (drawn, 1, 1, 1), real.dtype)
  between = mix * real + (1.0 - mix) * fake
  slope = jax.grad(lambda images: jnp.sum(mean_score(critic_fn(images))))(between)
  if norm == "pixel":
    return weight * jnp.mean(jnp.square(euclidean_norm(slope) - 1.0), axis=(1, 2))
  return weight * jnp.square(euclidean_norm(slope, axis=(1, 2, 3)) - 1.0)
