from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from llve_jax.data.sharding import global_batch, global_shapes
from llve_jax.errors import UserError
from llve_jax.train import mesh


def test_all_devices_share_the_data_axis() -> None:
  made = mesh.make_mesh()
  assert made.axis_names == ("data", "rows")
  assert made.devices.shape == (8, 1)
  assert made.size == len(jax.devices()) == 8


def test_neighbours_share_the_rows_of_a_frame() -> None:
  made = mesh.make_mesh(jax.devices()[::-1], rows=2)
  assert [[device.id for device in pair] for pair in made.devices] == [
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
  ]
  assert mesh.batch_sharding(made).spec == PartitionSpec("data", None, "rows")


@pytest.mark.parametrize("rows", [0, 3, 16])
def test_rows_that_do_not_divide_the_devices_are_refused(rows: int) -> None:
  with pytest.raises(UserError, match=f"rows is {rows}; expected a divisor of the 8 devices"):
    mesh.make_mesh(rows=rows)


@pytest.mark.parametrize("count", [0, 9, -2])
def test_devices_that_are_not_there_are_refused(count: int) -> None:
  with pytest.raises(UserError, match=rf"mesh\.data is {count}; expected -1 \(all\) or 1 to 8"):
    mesh.first_devices(count)


def test_processes_have_as_many_devices_each(monkeypatch: pytest.MonkeyPatch) -> None:
  class Device:
    def __init__(self, number: int):
      self.process_index = number // 4

  monkeypatch.setattr(jax, "devices", lambda: [Device(number) for number in range(12)])
  monkeypatch.setattr(jax, "process_count", lambda: 3)
  assert len(mesh.first_devices(-1)) == 12
  for count in (10, 4):
    with pytest.raises(UserError, match=f"mesh.data is {count}, of which the 3 processes would"):
      mesh.first_devices(count)


def test_a_batch_that_cannot_be_split_is_refused() -> None:
  with pytest.raises(UserError, match="12 clips cannot be split over 8 devices"):
    mesh.check_batch(12, mesh.make_mesh())
  mesh.check_batch(16, mesh.make_mesh())
  with pytest.raises(UserError, match="over 4 groups of 2 devices; choose a multiple of 4"):
    mesh.check_batch(6, mesh.make_mesh(rows=2))
  mesh.check_batch(12, mesh.make_mesh(rows=2))


def test_one_process_brings_all() -> None:
  assert mesh.share(mesh.make_mesh(rows=4)) == (0, 1)


def test_processes_bring_the_clips_of_their_devices(monkeypatch: pytest.MonkeyPatch) -> None:
  """As seen by process 1 of four with two devices each; rows over two processes share a part."""

  class Device:
    def __init__(self, number: int):
      self.id, self.process_index = number, number // 2

  class Mesh:
    axis_names = ("data", "rows")

    def __init__(self, rows: int):
      devices = [Device(number) for number in range(8)]
      self.devices = np.array(devices).reshape(-1, rows)
      self.shape = {"data": 8 // rows, "rows": rows}

  monkeypatch.setattr(jax, "process_index", lambda: 1)
  assert mesh.share(Mesh(1)) == (1, 4)
  assert mesh.share(Mesh(2)) == (1, 4)
  assert mesh.share(Mesh(4)) == (0, 2)
  assert mesh.share(Mesh(8)) == (0, 1)


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


@pytest.mark.parametrize(("height", "scale", "padded"), [(7, 2, 8), (8, 2, 8), (5, 1, 8)])
def test_frames_are_filled_up_and_the_step_sees_true_rows(
  height: int, scale: int, padded: int
) -> None:
  made = mesh.make_mesh(jax.devices()[:4], rows=4)
  random = np.random.default_rng(0)
  batch = {
    "low": random.random((2, 1, height, 3, 4), np.float32),
    "high": random.random((2, 1, scale * height, 3 * scale, 3), np.float32),
    "context": random.random((2, 1, 16, 16, 3), np.float32),
  }
  sharding = mesh.batch_sharding(made)
  shapes = global_shapes(batch, sharding)
  placed = global_batch(batch, sharding)
  assert {name: x.shape for name, x in placed.items()} == {n: x.shape for n, x in shapes.items()}
  assert placed["high"].shape[2] == scale * padded
  np.testing.assert_array_equal(placed["context"], batch["context"])

  def step(state: Any, clips: dict[str, jax.Array]) -> tuple[Any, dict[str, jax.Array]]:
    assert {name: clip.shape for name, clip in clips.items()} == {
      name: clip.shape for name, clip in batch.items()
    }
    # What neighbours need crosses the borders of devices.
    blurred = clips["high"][:, :, 1:] - clips["high"][:, :, :-1]
    return state, {"mean": clips["low"].mean(), "edges": jnp.abs(blurred).mean()}

  step_on_true = mesh.on_true_rows(step, height, padded)
  _, found = mesh.compile_step(step_on_true, made)(mesh.create_on(made, lambda: 0), placed)
  np.testing.assert_allclose(found["mean"], batch["low"].mean(), rtol=1e-6)
  expected = np.abs(np.diff(batch["high"], axis=2)).mean()
  np.testing.assert_allclose(found["edges"], expected, rtol=1e-6)


def test_fetch_brings_split_arrays_home() -> None:
  made = mesh.make_mesh()
  whole = np.arange(16.0, dtype=np.float32)
  tree = {"split": jax.device_put(whole, mesh.batch_sharding(made)), "plain": np.float32(3)}
  home = mesh.fetch(tree)
  assert isinstance(home["split"], np.ndarray)
  np.testing.assert_array_equal(home["split"], whole)
  assert home["plain"] == 3
