import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.plan import collectives, hlo, topology
from llve_jax.plan.collectives import HOP_SECONDS, Collective

PART = 1024 * 4
ARRAY = "f32[1024]{0:T(1024)}"


def program(line: str) -> hlo.Module:
  head = "ENTRY %main (x: f32[1024]) -> f32[1024] {"
  return hlo.parse(f"{head}\n  %x = {ARRAY} parameter(0)\n  ROOT %r = {line}\n}}\n")


@pytest.mark.parametrize(
  ("line", "kind", "size", "group"),
  [
    (f"{ARRAY} all-reduce(%x), replica_groups={{{{0,1,2,3}},{{4,5,6,7}}}}", "all-reduce", PART, 4),
    (f"{ARRAY} all-reduce(%x), replica_groups=[4,2]<=[8]", "all-reduce", PART, 2),
    (f"{ARRAY} all-reduce(%x), replica_groups={{}}, to_apply=%a", "all-reduce", PART, 8),
    (
      f"{ARRAY} all-reduce(%x), replica_groups=mesh['data'=4,'rows'=2] {{'data'}}",
      "all-reduce",
      PART,
      4,
    ),
    (
      f"{ARRAY} all-reduce(%x), replica_groups=mesh['data'=4,'rows'=2] {{'data','rows'}}",
      "all-reduce",
      PART,
      8,
    ),
    (
      f"({ARRAY}, {ARRAY}) all-reduce(%x, %x), replica_groups=[1,8]<=[8]",
      "all-reduce",
      2 * PART,
      8,
    ),
    (f"{ARRAY} reduce-scatter(%x), replica_groups=[1,8]<=[8]", "reduce-scatter", 8 * PART, 8),
    (f"{ARRAY} all-to-all(%x), replica_groups=[1,8]<=[8]", "all-to-all", PART, 8),
    (
      f"({ARRAY}, f32[8192]{{0:T(1024)}}) all-gather-start(%x), replica_groups=[1,8]<=[8]",
      "all-gather",
      8 * PART,
      8,
    ),
    (
      f"({ARRAY}, {ARRAY}, u32[], u32[]) collective-permute-start(%x), "
      "source_target_pairs={{0,1},{1,2}}",
      "collective-permute",
      PART,
      2,
    ),
  ],
)
def test_exchanges_are_read(line: str, kind: str, size: int, group: int) -> None:
  assert collectives.find(program(line), 8) == [Collective(kind, size, group, 1)]


def test_one_that_goes_on_behind_other_kernels_counts_once() -> None:
  sum_ = "all-reduce({}), channel_id={}, replica_groups=[1,8]<=[8]"
  text = f"""%behind (y: f32[1024]) -> f32[1024] {{
  %y = {ARRAY} parameter(0)
  ROOT %again = {ARRAY} {sum_.format("%y", 3)}
}}

ENTRY %main (x: f32[1024]) -> f32[1024] {{
  %x = {ARRAY} parameter(0)
  %first = {ARRAY} {sum_.format("%x", 3)}
  %other = {ARRAY} {sum_.format("%x", 4)}
  %one = {ARRAY} fusion(%first), kind=kCustom, calls=%behind
  ROOT %two = {ARRAY} fusion(%one), kind=kCustom, calls=%behind
}}
"""
  assert collectives.find(hlo.parse(text), 8) == [Collective("all-reduce", PART, 8, 1)] * 2


def test_one_chip_alone_sends_nothing() -> None:
  line = f"{ARRAY} all-reduce(%x), replica_groups={{{{0}},{{1}}}}"
  assert collectives.find(program(line), 2) == []


@pytest.mark.parametrize(
  ("kind", "sent"),
  [
    ("all-reduce", 2 * 700),
    ("all-gather", 700),
    ("reduce-scatter", 700),
    ("all-to-all", 700),
    ("collective-permute", 800),
  ],
)
def test_bytes_on_the_wire_are_those_of_a_ring(kind: str, sent: int) -> None:
  assert Collective(kind, 800, 8, 1).wire_bytes == pytest.approx(sent)


@pytest.mark.parametrize(
  ("slice_", "rate", "hops"),
  [
    ("v5e:16x16", 4 * 50e9, 8 + 8),  # two rings, both ways
    ("v5e:8x16", 3 * 50e9, 7 + 8),  # the short side does not close
    ("v5e:2x4", 2 * 50e9, 1 + 3),
    ("v4:4x4x4", 6 * 50e9, 2 + 2 + 2),
  ],
)
def test_seconds_of_a_sum_over_all_chips(slice_: str, rate: float, hops: int) -> None:
  found = topology.parse(slice_)
  one = Collective("all-reduce", 10**9, found.size, 1)
  assert one.seconds(found) == pytest.approx(one.wire_bytes / rate + 2 * hops * HOP_SECONDS)


def test_a_few_chips_use_one_dimension() -> None:
  found = topology.parse("v5e:16x16")
  one = Collective("all-gather", 10**9, 4, 1)
  assert one.seconds(found) == pytest.approx(0.75 * 10**9 / 50e9 + 3 * HOP_SECONDS)


def test_neighbours_use_one_link() -> None:
  found = topology.parse("v5e:2x4")
  one = Collective("collective-permute", 10**9, 2, 1)
  assert one.seconds(found) == pytest.approx(10**9 / 50e9 + HOP_SECONDS)


def test_a_real_gradient_is_summed_in_every_turn_of_a_loop(eight_mesh: Mesh) -> None:
  spread = NamedSharding(eight_mesh, PartitionSpec("data"))
  everywhere = NamedSharding(eight_mesh, PartitionSpec())

  def descend(x: jax.Array, kernel: jax.Array) -> jax.Array:
    slope = jax.grad(lambda kernel: jnp.square(jnp.tanh(x @ kernel)).sum())
    return lax.scan(lambda kernel, _: (kernel - slope(kernel), None), kernel, None, length=5)[0]

  x = jax.ShapeDtypeStruct((8 * 64, 128), jnp.float32, sharding=spread)
  kernel = jax.ShapeDtypeStruct((128, 256), jnp.float32, sharding=everywhere)
  text = jax.jit(descend, out_shardings=everywhere).lower(x, kernel).compile().as_text()
  assert text is not None
  found = collectives.find(hlo.parse(text), 8)
  assert found == [Collective("all-reduce", 128 * 256 * 4, 8, 5)]


def test_split_rows_exchange_their_borders(eight_mesh: Mesh) -> None:
  rows = Mesh(eight_mesh.devices.reshape(4, 2), ("data", "rows"))
  spread = NamedSharding(rows, PartitionSpec("data", "rows"))
  everywhere = NamedSharding(rows, PartitionSpec())
  x = jax.ShapeDtypeStruct((4, 64, 64, 128), jnp.float32, sharding=spread)
  kernel = jax.ShapeDtypeStruct((3, 3, 128, 128), jnp.float32, sharding=everywhere)

  def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    names = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=names)

  text = jax.jit(convolve, out_shardings=spread).lower(x, kernel).compile().as_text()
  assert text is not None
  found = collectives.find(hlo.parse(text), 8)
  border = 1 * 64 * 128 * 4
  assert {one.kind for one in found} == {"collective-permute"}
  assert sum(one.bytes for one in found) == pytest.approx(2 * border, rel=0.6)
