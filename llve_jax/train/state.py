"""Everything a training run needs to go on: one pytree, one checkpoint."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

Tree = Any

_DROPOUT = 1  # folded into a key that also serves something else


@flax.struct.dataclass
class Trainable:
  """A network under training: parameters, batch statistics ({} without any), optimiser state."""

  params: Tree
  batch_stats: Tree
  optimizer: Tree

  @property
  def variables(self) -> dict[str, Tree]:
    """What `module.apply` takes."""
    return variables_of(self.params, self.batch_stats)


@flax.struct.dataclass
class State:
  """One training run.

  Attributes:
    step: optimiser steps of the generator taken so far, int32 scalar.
    key: raw data of the run's random key; each step folds its number into it.
    generator: the network that is trained.
    critics: the networks that judge it, by name; {} where there is none.
    average: exponential moving average of the generator's variables; starts as a copy.
    memory: what losses carry from step to step, such as a threshold; {} without any.
    rate: factor on the learning rate of every network, float32 scalar; 1 until evaluations halve
      it.
    frozen: weights of fixed networks inside losses; arguments of the step, never checkpointed.
  """

  step: Array
  key: Array
  generator: Trainable
  critics: dict[str, Trainable]
  average: dict[str, Tree]
  memory: dict[str, Array]
  rate: Array
  frozen: Tree

  def step_key(self) -> Array:
    """The random key of this step: same seed and step, same key, resumed or not."""
    return jax.random.fold_in(jax.random.wrap_key_data(self.key), self.step)


Batch = dict[str, Array]
Scalars = dict[str, Array]
Step = Callable[[State, Batch], tuple[State, Scalars]]


@dataclasses.dataclass(frozen=True, eq=False)
class Learner:
  """A network that is trained, and how.

  Attributes:
    module: the network or critic.
    optimizer: what turns its gradients into updates.
    shape: of an input it takes, batch axis included; parameters are drawn for it.
  """

  module: nn.Module
  optimizer: optax.GradientTransformation
  shape: tuple[int, ...]

  def init(self, key: Array) -> Trainable:
    """Draws the parameters."""
    variables = self.module.init(key, jnp.zeros(self.shape))
    params = variables["params"]
    return Trainable(params, variables.get("batch_stats", {}), self.optimizer.init(params))


def variables_of(params: Tree, batch_stats: Tree) -> dict[str, Tree]:
  """The variables dictionary flax expects, without an empty collection."""
  return {"params": params, "batch_stats": batch_stats} if batch_stats else {"params": params}


def apply_train(
  module: nn.Module,
  variables: dict[str, Tree],
  inputs: Array,
  key: Array,
  carry: Tree = None,
  context: Array | None = None,
) -> tuple[Any, Tree]:
  """Runs a module in training mode; returns its output and the new batch statistics.

  Args:
    module: a network or a critic.
    variables: what `module.apply` takes.
    inputs: a batch.
    key: random key, for modules with dropout.
    carry: what a network that streams remembers; None: nothing.
    context: small pictures of the whole frames, for a network that takes them (`traits.context`);
      None: what it is given is the whole frame.
  """
  # Folded: the key itself draws something else in the step.
  rngs = {"dropout": jax.random.fold_in(key, _DROPOUT)}
  given = (inputs,) if carry is None else (inputs, carry)
  view: dict[str, Any] = {} if context is None else {"context": context}
  output, updated = module.apply(
    variables, *given, **view, train=True, mutable=["batch_stats"], rngs=rngs
  )
  return output, updated.get("batch_stats", {})


def init_state(
  generator: Learner,
  *,
  seed: int,
  critics: Mapping[str, Learner] | None = None,
  memory: Mapping[str, Array] | None = None,
  frozen: Tree = (),
) -> State:
  """A fresh state; trace it with `jax.eval_shape` to know shapes without computing them.

  Args:
    generator: what is trained.
    seed: of all randomness of the run.
    critics: what judges it, by name.
    memory: first values of what losses carry along (`Objective.memory`).
    frozen: weights of fixed networks inside losses.
  """
  key = jax.random.key(seed)
  generator_key, critic_key, run_key = jax.random.split(key, 3)
  trainable = generator.init(generator_key)
  return State(
    step=jnp.zeros((), jnp.int32),
    key=jax.random.key_data(run_key),
    generator=trainable,
    critics={
      name: critic.init(jax.random.fold_in(critic_key, index))
      for index, (name, critic) in enumerate(sorted((critics or {}).items()))
    },
    average=jax.tree.map(jnp.copy, trainable.variables),
    memory=dict(memory or {}),
    rate=jnp.ones((), jnp.float32),
    frozen=frozen,
  )


def move_average(average: Tree, variables: Tree, decay: float) -> Tree:
  """average <- decay * average + (1 - decay) * variables, leaf by leaf."""
  return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, average, variables)


def parameter_count(params: Tree) -> int:
  """How many numbers a tree of arrays (or their shapes) holds."""
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
