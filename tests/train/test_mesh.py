import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.train import mesh


def test_all_devices_share_the_data_axis() -> None:
  made = mesh.make_mesh()
  assert made.axis_names == ("data",)
  assert made.size == len(jax.devices()) == 8


def test_a_batch_that_cannot_be_split_is_refused() -> None:
  with pytest.raises(UserError, match="12 clips cannot be split over 8 devices"):
    mesh.check_batch(12, mesh.make_mesh())
  mesh.check_batch(16, mesh.make_mesh())


def test_compiled_step_splits_the_batch_and_replicates_the_rest() -> None:
  made = mesh.make_mesh()

  def step(state: jax.Array, batch: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    return state + batch.mean(), {"loss": batch.sum()}

  batch = jax.device_put(jnp.arange(16.0), mesh.batch_sharding(made))
  assert len({shard.device for shard in batch.addressable_shards}) == 8
  state = mesh.create_on(made, lambda: jnp.ones(()))
  assert state.sharding.is_fully_replicated
  new, scalars = mesh.compile_step(step, made)(state, batch)
  np.testing.assert_allclose(new, 8.5)
  assert float(scalars["loss"]) == 120.0
  assert new.sharding.is_fully_replicated
  assert state.is_deleted()
