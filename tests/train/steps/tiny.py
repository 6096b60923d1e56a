"""A tiny network, its batch and its states, for the tests of several steps."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
import optax

from llve_jax import models
from llve_jax.train.objective import Objective
from llve_jax.train.state import Learner, State, Trainable, init_state

GENERATOR = models.build("turntable_unet", widths=(4,), bottleneck=4, resnext=False)
BATCH = {
  "low": 0.2 * jax.random.uniform(jax.random.key(1), (8, 1, 16, 16, 3)),
  "high": jax.random.uniform(jax.random.key(2), (8, 1, 16, 16, 3)),
}


_drawn: dict[Any, State] = {}


def first_state(
  generator: Learner,
  *,
  critics: Mapping[str, Learner] | None = None,
  memory: Mapping[str, jax.Array] | None = None,
  frozen: Any = (),
) -> State:
  """What `init_state` makes of seed 0; networks are drawn once, whatever trains them."""
  learners = {"": generator, **(critics or {})}
  key = tuple((name, learner.module, learner.shape) for name, learner in learners.items())
  if key not in _drawn:
    bare = {
      name: dataclasses.replace(learner, optimizer=optax.identity())
      for name, learner in learners.items()
    }
    draw = partial(init_state, bare.pop(""), seed=0, critics=bare)
    _drawn[key] = jax.jit(draw).lower().compile()()  # numbers, also where a test traces
  state = _drawn[key]

  def trained(network: Trainable, learner: Learner) -> Trainable:
    return dataclasses.replace(network, optimizer=learner.optimizer.init(network.params))

  return dataclasses.replace(
    state,
    generator=trained(state.generator, generator),
    critics={name: trained(state.critics[name], each) for name, each in (critics or {}).items()},
    memory=dict(memory or {}),
    frozen=frozen,
  )


def fresh(optimizer: optax.GradientTransformation, objective: Objective | None = None) -> State:
  learner = Learner(GENERATOR, optimizer, (1, 1, 16, 16, 3))
  return first_state(learner, memory=objective.memory if objective else None)


def distance(first: Any, second: Any) -> float:
  """The largest difference of two trees; in numpy, where no shape needs a program."""
  pairs = zip(*(jax.tree.leaves(jax.device_get(tree)) for tree in (first, second)), strict=True)
  return max(float(np.max(np.abs(a - b))) for a, b in pairs)
