import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.errors import UserError
from llve_jax.io.checkpoint import Checkpoints
from tests.io.checkpoint_run import names, read, stream, tree, write


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


def test_another_network_is_refused_by_name(tmp_path: Path) -> None:
  write(tmp_path, 1)
  checkpoints = Checkpoints(tmp_path)
  other = tree()
  other["net"] |= {"kernel": jnp.zeros((2, 4)), "bias": jnp.zeros(4)}
  with pytest.raises(UserError) as error:
    checkpoints.restore(other, stream())
  message = str(error.value)
  assert "net.bias is missing" in message
  assert "net.kernel has shape (2, 3), expected (2, 4)" in message
  assert str(tmp_path) in message
  assert names(tmp_path) == ["1"]


def test_nothing_to_restore(tmp_path: Path) -> None:
  with pytest.raises(UserError, match="no checkpoint"):
    Checkpoints(tmp_path / "c").restore(tree(), stream())


def placed(kind: str) -> Any:
  """Eight numbers on one device, on all, or split among eight or four of them."""
  count = {"one": 1, "all": 8, "split": 8, "split among 4": 4}[kind]
  mesh = Mesh(np.array(jax.devices()[-count:]), ("data",))
  spec = PartitionSpec("data") if "split" in kind else PartitionSpec()
  return jax.device_put(jnp.arange(8.0), NamedSharding(mesh, spec))


@pytest.mark.parametrize(
  ("before", "after"),
  [("one", "all"), ("all", "one"), ("one", "split"), ("split", "one"), ("split", "split among 4")],
)
@pytest.mark.parametrize("abstract", [False, True])
def test_another_mesh(tmp_path: Path, before: str, after: str, abstract: bool) -> None:
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(1, {"x": placed(before)}, stream(), {})
  wanted = jnp.zeros_like(placed(after))
  sharding = placed(after).sharding
  target = jax.ShapeDtypeStruct((8,), jnp.float32, sharding=sharding) if abstract else wanted
  restored, _ = checkpoints.restore({"x": target}, stream())
  np.testing.assert_array_equal(restored["x"], np.arange(8.0))
  assert restored["x"].sharding.is_equivalent_to(sharding, 1)
  checkpoints.close()


def test_later_steps_do_not_change_what_is_saved(tmp_path: Path) -> None:
  advance = jax.jit(lambda x: x + 1, donate_argnums=0)
  x = jnp.zeros(1_000_000)
  memory = {"history": [0]}
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(1, {"x": x}, stream(), memory)
  memory["history"].append(1)
  for _ in range(5):
    x = advance(x)
  x.block_until_ready()
  restored, read_back = checkpoints.restore({"x": jnp.ones_like(x)}, stream())
  assert float(jnp.max(jnp.abs(restored["x"]))) == 0
  assert read_back == {"history": [0]}
  checkpoints.close()


@pytest.mark.parametrize("text", ["garbage", "{}", None])
def test_what_orbax_notes_at_the_end_is_not_needed(tmp_path: Path, text: str | None) -> None:
  write(tmp_path, 1, 2)
  for step in ("1", "2"):
    note = tmp_path / step / "_CHECKPOINT_METADATA"
    note.unlink() if text is None else note.write_text(text)
  assert read(tmp_path) == 2


def test_what_a_killed_save_has_left_is_removed(tmp_path: Path) -> None:
  write(tmp_path, 1, 2)
  (tmp_path / "2").rename(tmp_path / "2.orbax-checkpoint-tmp")
  (tmp_path / "3.orbax-checkpoint-tmp-123").mkdir()
  assert Checkpoints(tmp_path).latest == 1
  assert names(tmp_path) == ["1"]
  assert read(tmp_path) == 1


def test_an_earlier_step(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path)
  checkpoints.save(2, tree(2), stream(), {"step": 2})
  with pytest.raises(ValueError, match="step 1: expected one after the newest checkpoint, 2"):
    checkpoints.save(1, tree(1), stream(), {"step": 1})
  checkpoints.close()
  assert read(tmp_path) == 2


class Bytes:
  def get_state(self) -> bytes:
    return b"{}"


def test_values_that_are_not_json_are_refused_at_once(tmp_path: Path) -> None:
  checkpoints = Checkpoints(tmp_path)
  with pytest.raises(TypeError, match="bytes"):
    checkpoints.save(1, tree(), Bytes(), {})
  with pytest.raises(TypeError, match="set"):
    checkpoints.save(1, tree(), stream(), {"a": {1}})
  checkpoints.save(1, tree(1), stream(), {"step": 1})
  checkpoints.close()
  assert read(tmp_path) == 1


def test_the_list_of_files_is_complete(tmp_path: Path) -> None:
  write(tmp_path, 1)
  files = {str(p.relative_to(tmp_path / "1")) for p in (tmp_path / "1").rglob("*") if p.is_file()}
  listed = json.loads((tmp_path / "1" / "manifest.json").read_text())["files"]
  assert files - set(listed) == {"manifest.json", "_CHECKPOINT_METADATA", "commit_success.txt"}
  assert set(listed) <= files


@pytest.mark.parametrize("folder", ["gs://bucket/run/checkpoints", Path("gs://bucket/run")])
def test_addresses_are_refused(folder: str | Path) -> None:
  with pytest.raises(UserError, match="an address; expected a folder that all hosts see"):
    Checkpoints(folder)


def test_a_file_in_the_way(tmp_path: Path) -> None:
  (tmp_path / "c").write_text("x")
  with pytest.raises(UserError, match=f"{tmp_path / 'c'}: cannot be written"):
    Checkpoints(tmp_path / "c")
