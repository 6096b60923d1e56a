"""Global batches on one device and on eight."""

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.data import pipeline
from llve_jax.data.sharding import global_batch, global_shapes


def _sharding(count):
  return NamedSharding(Mesh(np.array(jax.devices()[:count]), ("data",)), PartitionSpec("data"))


@pytest.mark.parametrize("count", [1, 8])
def test_devices_hold_their_rows(count):
  rng = np.random.default_rng(0)
  batch = {key: rng.random((8, 1, 4, 4, 3), np.float32) for key in ("low", "high")}
  placed = global_batch({**batch, "id": np.array(["night/0/3"] * 8)}, _sharding(count))
  assert placed.keys() == batch.keys()  # Text stays on the host.
  for key, array in placed.items():
    assert array.shape == batch[key].shape
    assert len(array.addressable_shards) == count
    np.testing.assert_array_equal(array, batch[key])
    for shard in array.addressable_shards:
      assert shard.data.shape[0] == 8 // count
      np.testing.assert_array_equal(shard.data, batch[key][shard.index])


def test_larger_targets_are_filled_up_in_proportion():
  mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("data", "rows"))
  sharding = NamedSharding(mesh, PartitionSpec("data", None, "rows"))
  sizes = {"low": (6, 4), "high": (12, 8), "context": (4, 4)}
  batch = {name: np.ones((2, 1, *size, 3), np.float32) for name, size in sizes.items()}
  placed, shapes = global_batch(batch, sharding), global_shapes(batch, sharding)
  heights = {"low": 8, "high": 16, "context": 4}
  assert {name: array.shape[2] for name, array in placed.items()} == heights
  assert {name: shape.shape[2] for name, shape in shapes.items()} == heights


def test_from_the_pipeline_to_a_jitted_function(train_source):
  batch = next(pipeline.train_iterator(train_source, batch=8, frames=1, crop=16, seed=0))
  placed = global_batch(batch, _sharding(8))
  error = jax.jit(lambda b: ((b["low"] - b["high"]) ** 2).mean())(placed)
  np.testing.assert_allclose(error, np.mean((batch["low"] - batch["high"]) ** 2), rtol=1e-5)


def test_a_batch_that_the_devices_do_not_divide_is_refused():
  with pytest.raises(ValueError, match="6"):
    global_batch({"low": np.zeros((6, 1, 2, 2, 3), np.float32)}, _sharding(8))
