"""One step towards a target: any network, any composition of losses.

Losses that need no target (`losses.OUTPUT_LOSSES`) train the same way, on dark clips alone.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import optax
from jaxtyping import Array

from llve_jax.train.objective import Objective
from llve_jax.train.state import Batch, Scalars, State, Step, apply_train, variables_of
from llve_jax.train.update import advance, descend, gradient_of


def make_step(
  module: nn.Module,
  objective: Objective,
  optimizer: optax.GradientTransformation,
  *,
  average_decay: float = 0.999,
  accumulate: int = 1,
) -> Step:
  """Returns `step(state, batch) -> (state, scalars)`; jit it with a sharding.

  A batch holds "low" and, if the objective has a target, "high"; "context", where the network takes
  a small picture of the whole frame; with "mask" [b, t, h, w, 1] the loss
  looks where that is 1. With `accumulate` the gradient is taken of so many parts of the batch, one
  after the other; what losses carry along is then the mean over the parts.

  Scalars: `loss`, every term of the objective unweighted as `loss/NAME`, and `gradient_norm`.
  """

  def step(state: State, batch: Batch) -> tuple[State, Scalars]:
    def loss(params: Any, stats: Any, part: Batch, key: Array) -> tuple[Array, tuple[Any, Scalars]]:
      output, stats = apply_train(
        module, variables_of(params, stats), part["low"], key, context=part.get("context")
      )
      total, scalars, memory = objective(output, part, state, key)
      # The memory travels with the scalars, out of the gradient's reach.
      return total, (stats, scalars | {"loss": total} | {f"memory/{k}": memory[k] for k in memory})

    gradient, stats, scalars = gradient_of(
      loss, state.generator, batch, state.step_key(), accumulate
    )
    scalars["gradient_norm"] = optax.global_norm(gradient)
    generator = descend(state.generator, gradient, optimizer, stats, state.rate)
    memory = {name: scalars[f"memory/{name}"] for name in state.memory}
    return advance(dataclasses.replace(state, memory=memory), generator, average_decay), scalars

  return step
