"""A tiny network, its batch and its states, for the tests of several steps."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from llve_jax import models
from llve_jax.train.objective import Objective
from llve_jax.train.state import Learner, State, init_state

GENERATOR = models.build("turntable_unet", widths=(4,), bottleneck=4, cardinality=2)
BATCH = {
  "low": 0.2 * jax.random.uniform(jax.random.key(1), (8, 1, 16, 16, 3)),
  "high": jax.random.uniform(jax.random.key(2), (8, 1, 16, 16, 3)),
}


def fresh(optimizer: optax.GradientTransformation, objective: Objective | None = None) -> State:
  learner = Learner(GENERATOR, optimizer, (1, 1, 16, 16, 3))
  return init_state(learner, seed=0, memory=objective.memory if objective else None)


def distance(first: Any, second: Any) -> float:
  pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
  return max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs)
