"""One step towards a target: any network, any composition of losses."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import optax
from jaxtyping import Array

from llve_jax.losses import Objective
from llve_jax.train.state import State, Trainable, apply_train, move_average, variables_of

Scalars = dict[str, Array]
Step = Callable[[State, dict[str, Array]], tuple[State, Scalars]]


def make_step(
  module: nn.Module,
  objective: Objective,
  optimizer: optax.GradientTransformation,
  *,
  average_decay: float = 0.999,
) -> Step:
  """Returns `step(state, batch) -> (state, scalars)`; jit it with a sharding.

  A batch holds "low" and "high"; with "mask" [b, t, h, w, 1] the loss looks where that is 1.

  Scalars: `loss`, every term of the objective unweighted as `loss/NAME`, and `gradient_norm`.
  """

  def step(state: State, batch: dict[str, Array]) -> tuple[State, Scalars]:
    def loss(params: Any) -> tuple[Array, tuple[Any, Scalars]]:
      variables = variables_of(params, state.generator.batch_stats)
      key = state.step_key()
      output, stats = apply_train(module, variables, batch["low"], key)
      total, terms = objective(
        output["clip"], batch["high"], state.frozen, mask=batch.get("mask"), key=key
      )
      scalars = {f"loss/{name}": term.mean() for name, term in terms.items()}
      return total.mean(), (stats, scalars)

    (total, (stats, scalars)), gradient = jax.value_and_grad(loss, has_aux=True)(
      state.generator.params
    )
    generator = descend(state.generator, gradient, optimizer, stats)
    scalars |= {"loss": total, "gradient_norm": optax.global_norm(gradient)}
    return advance(state, generator, average_decay), scalars

  return step


def advance(state: State, generator: Trainable, average_decay: float) -> State:
  """The state one step later, with an updated generator and its moving average."""
  average = move_average(state.average, generator.variables, average_decay)
  return dataclasses.replace(state, step=state.step + 1, generator=generator, average=average)


def descend(
  network: Trainable, gradient: Any, optimizer: optax.GradientTransformation, batch_stats: Any
) -> Trainable:
  """One optimiser update."""
  updates, optimizer_state = optimizer.update(gradient, network.optimizer, network.params)
  return Trainable(optax.apply_updates(network.params, updates), batch_stats, optimizer_state)
