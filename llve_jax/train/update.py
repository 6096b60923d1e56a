"""What every step does with a gradient: take it, in parts if need be, and follow it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from llve_jax.errors import UserError
from llve_jax.train.state import Batch, Scalars, State, Trainable, move_average

# (params, batch statistics, part of the batch, key) -> loss, (new batch statistics, scalars)
Loss = Callable[[Any, Any, Batch, Array], tuple[Array, tuple[Any, Scalars]]]


def gradient_of(
  loss: Loss, network: Trainable, batch: Batch, key: Array, parts: int = 1
) -> tuple[Any, Any, Scalars]:
  """The mean gradient over the batch, computed on one part of it after the other.

  Parts save memory: only one is in flight. Part i holds the examples i, i + parts, ..., so that a
  batch that is split over devices stays split. Batch statistics pass from part to part.

  Args:
    loss: mean over the examples it is given; called with the part's own key.
    network: what is differentiated.
    batch: arrays with one leading axis.
    key: random key.
    parts: how many; the batch must be divisible by it.

  Returns:
    gradient, new batch statistics, scalars (means over the parts).
  """
  slope = jax.grad(loss, has_aux=True)
  if parts == 1:
    gradient, (stats, scalars) = slope(network.params, network.batch_stats, batch, key)
    return gradient, stats, scalars
  size = next(iter(batch.values())).shape[0]
  if size % parts:
    raise UserError(f"a batch of {size} clips cannot be accumulated in {parts} equal parts")
  cut = jax.tree.map(lambda x: x.reshape(size // parts, parts, *x.shape[1:]).swapaxes(0, 1), batch)

  def one(so_far: tuple[Any, Any], part: tuple[Batch, Array]) -> tuple[Any, Scalars]:
    stats, total = so_far
    gradient, (stats, scalars) = slope(network.params, stats, *part)
    return (stats, jax.tree.map(jnp.add, total, gradient)), scalars

  start = (network.batch_stats, jax.tree.map(jnp.zeros_like, network.params))
  (stats, total), scalars = jax.lax.scan(one, start, (cut, jax.random.split(key, parts)))
  gradient = jax.tree.map(lambda x: x / parts, total)
  return gradient, stats, {name: values.mean(axis=0) for name, values in scalars.items()}


def descend(
  network: Trainable,
  gradient: Any,
  optimizer: optax.GradientTransformation,
  batch_stats: Any,
  rate: Array,
) -> Trainable:
  """One optimiser update, shortened by the factor `rate` (`State.rate`)."""
  updates, optimizer_state = optimizer.update(gradient, network.optimizer, network.params)
  updates = jax.tree.map(lambda update: rate.astype(update.dtype) * update, updates)
  return Trainable(optax.apply_updates(network.params, updates), batch_stats, optimizer_state)


def advance(state: State, generator: Trainable, average_decay: float) -> State:
  """The state one step later, with an updated generator and its moving average."""
  average = move_average(state.average, generator.variables, average_decay)
  return dataclasses.replace(state, step=state.step + 1, generator=generator, average=average)
