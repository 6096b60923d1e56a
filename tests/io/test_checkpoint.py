from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints


def stream() -> grain.DatasetIterator:
  return iter(grain.MapDataset.range(100).seed(1).shuffle().repeat().to_iter_dataset())


def tree(scale: float = 1.0) -> dict:
  return {"net": {"kernel": scale * jnp.arange(6.0).reshape(2, 3)}, "step": jnp.int32(7)}


def test_state_iterator_and_memory_come_back_together(tmp_path: Path) -> None:
  iterator = stream()
  for _ in range(5):
    next(iterator)
  checkpoints = Checkpoints(tmp_path / "c")
  assert checkpoints.latest is None
  checkpoints.save(5, tree(), iterator, {"best": {"psnr": 20.5}})
  checkpoints.close()
  following = [next(iterator) for _ in range(10)]

  again = stream()
  checkpoints = Checkpoints(tmp_path / "c")
  assert checkpoints.latest == 5
  restored, memory = checkpoints.restore(jax.tree.map(jnp.zeros_like, tree()), again)
  jax.tree.map(np.testing.assert_array_equal, restored, tree())
  assert memory == {"best": {"psnr": 20.5}}
  assert [next(again) for _ in range(10)] == following


def test_only_the_newest_stay(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path / "c", keep=2)
  for step in (1, 2, 3):
    checkpoints.save(step, tree(step), stream(), {})
  checkpoints.close()
  kept = sorted(path.name for path in (tmp_path / "c").iterdir() if path.name.isdigit())
  assert kept == ["2", "3"]


def test_another_network_is_refused_by_name(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path / "c")
  checkpoints.save(1, tree(), stream(), {})
  checkpoints.close()
  checkpoints = Checkpoints(tmp_path / "c")
  other = {"net": {"kernel": jnp.zeros((2, 4)), "bias": jnp.zeros(4)}, "step": jnp.int32(0)}
  with pytest.raises(UserError) as error:
    checkpoints.restore(other, stream())
  message = str(error.value)
  assert "net.bias is missing" in message
  assert "net.kernel has shape (2, 3), expected (2, 4)" in message
  assert str(tmp_path) in message


def test_nothing_to_restore(tmp_path: Path) -> None:
  with pytest.raises(UserError, match="no checkpoint"):
    Checkpoints(tmp_path / "c").restore(tree(), stream())
