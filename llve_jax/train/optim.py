"""Learning-rate schedules in steps, and the optimisers that follow them."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array

from llve_jax.errors import UserError


def halving(rate: float, steps: int, halve_at: Sequence[float]) -> optax.Schedule:
  """A rate that halves at each given fraction of the run.

  System A (section "Training" of the report) halves after epochs 10, 20, 25 and 40 of 50:
  `halve_at=(0.2, 0.4, 0.5, 0.8)`.
  """
  if any(not 0 < fraction < 1 for fraction in halve_at):
    raise UserError(f"halve_at holds {tuple(halve_at)}; expected fractions between 0 and 1")
  boundaries = jnp.asarray([max(1, round(fraction * steps)) for fraction in halve_at], jnp.int32)

  def schedule(count: Any) -> Array:
    return rate * jnp.exp2(-jnp.sum(count >= boundaries).astype(jnp.float32))

  return schedule


def slowed(schedule: optax.Schedule, updates: int) -> optax.Schedule:
  """The schedule of a network that is updated `updates` times per step of the run."""
  return lambda count: schedule(count // updates)


def adam(
  schedule: optax.Schedule | float,
  *,
  beta1: float = 0.9,
  beta2: float = 0.999,
  weight_decay: float = 0.0,
  clip_norm: float | None = None,
) -> optax.GradientTransformation:
  """Adam with decoupled weight decay and, if given, gradients clipped by their global norm."""
  update = optax.adamw(schedule, b1=beta1, b2=beta2, weight_decay=weight_decay)
  if clip_norm is None:
    return update
  return optax.chain(optax.clip_by_global_norm(clip_norm), update)
