import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec

from llve_jax.errors import UserError
from llve_jax.train import mesh
from llve_jax.train.placement import of_state

SHAPES = {
  "generator": {
    "params": {
      "wide": jax.ShapeDtypeStruct((3, 3, 64, 128), jnp.float32),
      "odd": jax.ShapeDtypeStruct((3, 3, 63, 129), jnp.float32),
      "bias": jax.ShapeDtypeStruct((128,), jnp.float32),
    }
  },
  "step": jax.ShapeDtypeStruct((), jnp.int32),
}


def specs(*rules: tuple) -> dict[str, PartitionSpec]:
  placed = of_state(mesh.make_mesh(rows=2), SHAPES, rules)
  leaves = jax.tree_util.tree_leaves_with_path(placed)
  return {path[-1].key: sharding.spec for path, sharding in leaves}


def test_without_rules_everything_is_everywhere() -> None:
  assert set(specs().values()) == {PartitionSpec()}


def test_fsdp_splits_the_longest_dimension_of_large_leaves() -> None:
  found = specs((r"params", "fsdp"))
  assert found["wide"] == PartitionSpec(None, None, None, "data")
  # Four devices along data: 63 and 129 cannot be split, and a bias is not worth it.
  assert found["odd"] == found["bias"] == found["step"] == PartitionSpec()


def test_the_first_rule_that_is_found_decides() -> None:
  found = specs(
    (r"\.bias$", ("rows",)), (r"wide", [None, None, "data"]), (r"generator", "replicated")
  )
  assert found["bias"] == PartitionSpec("rows")
  assert found["wide"] == PartitionSpec(None, None, "data")
  assert found["odd"] == PartitionSpec()


@pytest.mark.parametrize(
  ("rule", "message"),
  [
    (("(", "fsdp"), r"'\(' is no regular expression"),
    ((".", "everywhere"), r"'everywhere'; expected 'replicated', 'fsdp', or"),
    ((".", 5), r"is to go to 5; expected 'replicated'"),
    (("wide", ("rows", "rows")), "each once"),
    (("wide", (None, "columns")), r"generator\.params\.wide .*one of data, rows"),
    (("bias", (None, "data")), r"generator\.params\.bias \(128,\) is to go to"),
    (("odd", (None, None, "data")), r"63 cannot be split over the 4 devices along data"),
  ],
)
def test_rules_that_make_no_sense_are_refused(rule: tuple, message: str) -> None:
  with pytest.raises(UserError, match=message):
    specs(rule)


def test_each_device_holds_its_part() -> None:
  on = mesh.make_mesh()
  shapes = {"params": jax.ShapeDtypeStruct((256, 512), jnp.float32)}
  placed = of_state(on, shapes, [("params", "fsdp")])
  made = mesh.create_on(on, lambda: {"params": jnp.ones((256, 512))}, placed)
  assert {shard.data.shape for shard in made["params"].addressable_shards} == {(256, 64)}
