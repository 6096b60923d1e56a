"""Terms of every kind see the mask, the step and the memory."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.train.objective import make_objective


@pytest.mark.parametrize("name", ["l1", "region_input", "region_adaptive"])
def test_what_a_mask_covers_costs_nothing(name: str) -> None:
  """Of losses of an output, of all that a network returns, and of those with a memory."""
  objective = make_objective({name: 2.0})
  state: Any = SimpleNamespace(frozen={}, memory=objective.memory, step=jnp.int32(0))
  rng = np.random.default_rng(0)
  clip, high, low = (jnp.asarray(rng.random((2, 1, 8, 8, 3), np.float32)) for _ in range(3))
  mask = jnp.asarray(rng.integers(0, 2, (2, 1, 8, 8, 1)), jnp.float32)
  outputs, found = {"clip": clip}, []
  for target in (high, jnp.where(mask > 0, high, jnp.float32(9))):
    batch = {"low": low, "high": target, "mask": mask}
    total, terms, _ = objective(outputs, batch, state, jax.random.key(0))
    np.testing.assert_allclose(total, 2 * terms[f"loss/{name}"], rtol=1e-6)
    found.append(float(total))
  assert found[0] == pytest.approx(found[1], rel=1e-6)
  bare, _, _ = objective(outputs, {"low": low, "high": high}, state, jax.random.key(0))
  assert float(bare) != pytest.approx(found[0], rel=1e-3)
