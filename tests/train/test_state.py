import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from llve_jax import models
from llve_jax.train import state

pytestmark = pytest.mark.usefixtures("standard_promotion")

TINY = {"widths": (4,), "bottleneck": 4, "cardinality": 2}


def fresh(seed: int = 0) -> state.State:
  optimizer = optax.adam(1e-3)
  return state.init_state(
    state.Learner(models.build("turntable_unet", **TINY), optimizer, (1, 1, 8, 8, 3)),
    seed=seed,
    critics={
      "critic": state.Learner(
        models.build_critic("turntable_critic", widths=(4,)), optimizer, (1, 8, 8, 3)
      )
    },
    memory={"threshold": jnp.float32(0.5)},
  )


def test_same_seed_same_bits_and_another_seed_other_bits() -> None:
  first, again, other = (state_leaves(fresh(seed)) for seed in (3, 3, 4))
  assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
  assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def state_leaves(tree: state.State) -> list[np.ndarray]:
  return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def test_the_average_starts_as_a_copy() -> None:
  made = fresh()
  jax.tree.map(np.testing.assert_array_equal, made.average, made.generator.variables)
  assert list(made.critics) == ["critic"]
  assert float(made.rate) == 1.0
  assert float(made.memory["threshold"]) == 0.5


def test_the_key_changes_with_the_step_only() -> None:
  made = fresh()
  keys = [jax.random.key_data(made.replace(step=jnp.int32(n)).step_key()) for n in (0, 0, 1)]
  assert np.array_equal(keys[0], keys[1])
  assert not np.array_equal(keys[0], keys[2])


def test_move_average() -> None:
  moved = state.move_average({"a": jnp.array(1.0)}, {"a": jnp.array(3.0)}, 0.75)
  assert float(moved["a"]) == 1.5


def test_shapes_are_known_without_computing() -> None:
  shapes = jax.eval_shape(fresh)
  counted = state.parameter_count(shapes.generator.params)
  assert counted == sum(leaf.size for leaf in jax.tree.leaves(fresh().generator.params))
