"""Learning-rate schedules in steps, and the optimisers that follow them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array

from llve_jax.errors import UserError


def constant(rate: float, steps: int) -> optax.Schedule:
  """The same rate all along."""
  del steps
  return lambda count: jnp.full_like(count, rate, dtype=jnp.float32)


def drops(rate: float, steps: int, at: Sequence[float], factor: float = 0.5) -> optax.Schedule:
  """A rate that is multiplied by `factor` at each given fraction of the run.

  System A (section "Training" of the report) halves after epochs 10, 20, 25 and 40 of 50:
  `at=(0.2, 0.4, 0.5, 0.8)`. System C: `at=(0.5,), factor=0.1`.
  """
  if any(not 0 < fraction < 1 for fraction in at):
    raise UserError(f"schedule.at holds {tuple(at)}; expected fractions between 0 and 1")
  boundaries = jnp.asarray([max(1, round(fraction * steps)) for fraction in at], jnp.int32)

  def schedule(count: Any) -> Array:
    return rate * jnp.float32(factor) ** jnp.sum(count >= boundaries).astype(jnp.float32)

  return schedule


def linear_end(rate: float, steps: int, start: float = 0.5) -> optax.Schedule:
  """Constant up to the fraction `start` of the run, then a straight line to 0 at its end.

  EnlightenGAN and DeblurGAN fall over the second half.
  """
  if not 0 <= start < 1:
    raise UserError(f"schedule.start is {start}; expected a fraction from 0 to below 1")

  def schedule(count: Any) -> Array:
    left = (steps - jnp.asarray(count, jnp.float32)) / (steps * (1 - start))
    return rate * jnp.clip(left, 0.0, 1.0)

  return schedule


def exponential(
  rate: float, steps: int, epochs: float = 60, factor: float = 0.99
) -> optax.Schedule:
  """A rate that is multiplied by `factor` after each of the `epochs` parts of the run (MBLLEN)."""
  length = steps / epochs

  def schedule(count: Any) -> Array:
    passed = jnp.floor(jnp.asarray(count, jnp.float32) / length)
    return rate * jnp.float32(factor) ** passed

  return schedule


def cosine(rate: float, steps: int, warmup: float = 0.02) -> optax.Schedule:
  """From 0 up to the rate over the fraction `warmup`, then half a cosine down to a hundredth."""
  return optax.warmup_cosine_decay_schedule(
    0.0, rate, max(1, round(warmup * steps)), steps, end_value=rate / 100
  )


SCHEDULES: dict[str, Callable[..., optax.Schedule]] = {
  "constant": constant,
  "drops": drops,
  "linear_end": linear_end,
  "exponential": exponential,
  "cosine": cosine,
}


def make_schedule(name: str, rate: float, steps: int, options: Mapping[str, Any]) -> optax.Schedule:
  """The schedule called `name` over a run of `steps`.

  Raises:
    UserError: no such schedule, options that it does not take, or one that it needs is missing.
  """
  if name not in SCHEDULES:
    raise UserError(f"no schedule is named {name!r}; known: {', '.join(SCHEDULES)}")
  make = SCHEDULES[name]
  parameters = list(inspect.signature(make).parameters.values())[2:]
  known = [parameter.name for parameter in parameters]
  if unknown := sorted(options.keys() - set(known)):
    raise UserError(
      f"schedule {name} takes no {', '.join(unknown)}; known: {', '.join(known) or 'nothing'}"
    )
  needed = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
  if missing := [option for option in needed if option not in options]:
    raise UserError(f"schedule {name} needs schedule.{', '.join(missing)}; found none")
  return make(rate, steps, **options)


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
  coupled: bool = False,
) -> optax.GradientTransformation:
  """Adam with weight decay and, if given, gradients clipped by their global norm.

  Args:
    schedule: learning rate.
    beta1: decay of the mean of gradients.
    beta2: decay of the mean of their squares.
    weight_decay: times the parameters and the learning rate is taken off at each step (AdamW).
    clip_norm: the largest norm of all gradients together; None: any.
    coupled: the decay is added to the clipped gradient instead, so that Adam scales it, too: what
      `torch.optim.Adam` calls weight_decay, and older programs have.
  """
  parts = [] if clip_norm is None else [optax.clip_by_global_norm(clip_norm)]
  if coupled:
    parts.append(optax.add_decayed_weights(weight_decay))
    weight_decay = 0.0
  parts.append(optax.adamw(schedule, b1=beta1, b2=beta2, weight_decay=weight_decay))
  return optax.chain(*parts) if len(parts) > 1 else parts[0]
