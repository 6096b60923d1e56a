from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from llve_jax.plan import hlo

# A loop of 5 turns with a kernel in it, a kernel that reads a slice, and one that writes in place.
TEXT = """HloModule jit_step, is_scheduled=true, num_partitions=8

%sliced (param_0: f32[4,8,128], param_1: s32[]) -> f32[1,8,128] {
  %param_0 = f32[4,8,128]{2,1,0:T(8,128)} parameter(0)
  %param_1 = s32[]{:T(128)} parameter(1)
  ROOT %cut = f32[1,8,128]{2,1,0:T(8,128)} dynamic-slice(%param_0, %param_1), dynamic_slice_sizes={1,8,128}
}

%written (param_0.1: f32[4,8,128], param_1.1: f32[1,8,128], param_2: s32[]) -> f32[4,8,128] {
  %param_0.1 = f32[4,8,128]{2,1,0:T(8,128)} parameter(0)
  %param_1.1 = f32[1,8,128]{2,1,0:T(8,128)} parameter(1)
  %param_2 = s32[]{:T(128)} parameter(2)
  ROOT %put = f32[4,8,128]{2,1,0:T(8,128)} dynamic-update-slice(%param_0.1, %param_1.1, %param_2)
}

%body (arg: (s32[], f32[4,8,128])) -> (s32[], f32[4,8,128]) {
  %arg = (s32[]{:T(128)}, f32[4,8,128]{2,1,0:T(8,128)}) parameter(0)
  %one = s32[]{:T(128)} constant(1)
  %turn = s32[]{:T(128)} get-tuple-element(%arg), index=0
  %data = f32[4,8,128]{2,1,0:T(8,128)} get-tuple-element(%arg), index=1
  %part = f32[1,8,128]{2,1,0:T(8,128)} fusion(%data, %turn), kind=kLoop, calls=%sliced, backend_config={"window_config":{"estimated_cycles":"100"}}
  %new = f32[4,8,128]{2,1,0:T(8,128)} fusion(%data, %part, %turn), kind=kLoop, calls=%written, backend_config={"window_config":{"estimated_cycles":"10"}}
  %next = s32[]{:T(128)} add(%turn, %one)
  ROOT %result = (s32[]{:T(128)}, f32[4,8,128]{2,1,0:T(8,128)}) tuple(%next, %new)
}

%test (arg.1: (s32[], f32[4,8,128])) -> pred[] {
  %arg.1 = (s32[]{:T(128)}, f32[4,8,128]{2,1,0:T(8,128)}) parameter(0)
  %limit = s32[]{:T(128)} constant(5)
  %turn.1 = s32[]{:T(128)} get-tuple-element(%arg.1), index=0
  ROOT %less = pred[]{:T(512)} compare(%turn.1, %limit), direction=LT
}

ENTRY %main (x: f32[4,8,100]) -> f32[4,8,128] {
  %x = f32[4,8,100]{2,1,0:T(8,128)} parameter(0)
  %zero = s32[]{:T(128)} constant(0)
  %wide = f32[4,8,128]{2,1,0:T(8,128)} copy(%x), backend_config={"window_config":{"estimated_cycles":"1000"}}
  %near = (f32[4,8,128]{2,1,0:T(8,128)S(1)}, f32[4,8,128]{2,1,0:T(8,128)}, u32[]{:S(2)}) copy-start(%wide)
  %there = f32[4,8,128]{2,1,0:T(8,128)S(1)} copy-done(%near)
  %start = (s32[]{:T(128)}, f32[4,8,128]{2,1,0:T(8,128)}) tuple(%zero, %wide)
  %loop = (s32[]{:T(128)}, f32[4,8,128]{2,1,0:T(8,128)}) while(%start), condition=%test, body=%body
  ROOT %last = f32[4,8,128]{2,1,0:T(8,128)} get-tuple-element(%loop), index=1
}
"""  # noqa: E501

PART = 8 * 128 * 4
WHOLE = 4 * PART
NUMBER = 4


@pytest.fixture(scope="module")
def module() -> hlo.Module:
  return hlo.parse(TEXT)


def test_the_entry_and_what_it_calls_are_found(module: hlo.Module) -> None:
  assert module.entry == "main"
  often = {name: (call.times, call.fused) for name, call in module.calls.items()}
  assert often["main"] == (1, False)
  assert often["body"] == (5, False)
  assert often["sliced"] == (5, True)


def test_a_loop_says_how_often_it_runs(module: hlo.Module) -> None:
  assert [(loop.name, trips) for loop, trips in module.loops()] == [("loop", 5)]


@pytest.mark.parametrize(
  ("old", "new", "trips"),
  [
    ("body=%body", 'body=%body, backend_config={"known_trip_count":{"n":"7"}}', 7),
    ("direction=LT", "direction=NE", None),
    ("constant(5)", "get-tuple-element(%arg.1), index=0", None),
    ("constant(5)", "constant(5)\n  %other = s32[]{:T(128)} constant(7)", None),
  ],
)
def test_other_loops(old: str, new: str, trips: int | None) -> None:
  assert [count for _, count in hlo.parse(TEXT.replace(old, new)).loops()] == [trips]


def test_cycles_of_loops_count_as_often_as_they_run(module: hlo.Module) -> None:
  assert module.cycles() == 1000 + 5 * 110
  assert module.cycles(loops=False) == 1000 + 110


def test_buffers_are_padded_to_tiles(module: hlo.Module) -> None:
  x = module.computations["main"].instructions["x"]
  assert [buffer.bytes for buffer in x.buffers] == [WHOLE]


@pytest.mark.parametrize(
  ("shape", "size"),
  [
    ("bf16[8,128,128,64]{3,0,2,1:T(8,128)(2,1)}", 8 * 128 * 128 * 128 * 2),
    ("bf16[8,128,128,64]{2,3,1,0:T(8,128)(2,1)}", 8 * 128 * 128 * 64 * 2),
    ("f32[32]{0:T(128)}", 128 * 4),
    ("pred[10]{0}", 10),
    ("s4[10]{0}", 5),
    ("f8e4m3fn[4,4]{1,0}", 16),
  ],
)
def test_sizes_in_memory(shape: str, size: int) -> None:
  text = f"ENTRY %main (x: u8[1]) -> u8[1] {{\n  ROOT %x = {shape} parameter(0)\n}}\n"
  (buffer,) = hlo.parse(text).computations["main"].root.buffers
  assert buffer == hlo.Buffer(size, True)


def test_traffic_counts_what_is_read_and_written(module: hlo.Module) -> None:
  copied = 2 * WHOLE
  fetched = WHOLE  # and written where it costs nothing
  sliced = 2 * PART + NUMBER
  put = 2 * PART + NUMBER
  counted = 3 * NUMBER  # the turn, one, and the next
  tested = 2 * NUMBER + 1
  turn = sliced + put + counted + tested
  assert module.traffic() == copied + fetched + 5 * turn
  assert module.traffic(loops=False) == copied + fetched + turn
  assert module.traffic(loops=False, hbm_only=False) == copied + 2 * fetched + turn


def test_a_text_without_a_program_is_refused() -> None:
  with pytest.raises(ValueError, match="none with an entry"):
    hlo.parse("nothing")


def layers(x: Any, kernel: Any) -> Any:
  return lax.scan(lambda y, _: (jnp.tanh(y @ kernel), None), x, None, length=5)[0]


def unrolled(x: Any, kernel: Any) -> Any:
  for _ in range(5):
    x = jnp.tanh(x @ kernel)
  return x


def _fusions(module: hlo.Module) -> int:
  """Cycles of all but the copy of what a loop carries on."""
  return sum(
    call.times * (one.cycles or 0)
    for call in module.calls.values()
    for one in call.computation.instructions.values()
    if one.opcode == "fusion"
  )


def test_a_real_loop_costs_what_it_costs_written_out(eight_mesh: Mesh) -> None:
  spread = NamedSharding(eight_mesh, PartitionSpec("data"))
  everywhere = NamedSharding(eight_mesh, PartitionSpec())
  x = jax.ShapeDtypeStruct((8 * 4096, 1024), jnp.bfloat16, sharding=spread)
  kernel = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16, sharding=everywhere)
  found: dict[Any, hlo.Module] = {}
  told: dict[Any, Any] = {}
  for function in (layers, unrolled):
    compiled = jax.jit(function).lower(x, kernel).compile()
    text, analysis = compiled.as_text(), compiled.cost_analysis()
    assert text is not None
    found[function], told[function] = hlo.parse(text), analysis
  assert [trips for _, trips in found[layers].loops()] == [5]
  assert _fusions(found[layers]) == pytest.approx(_fusions(found[unrolled]), rel=0.1)
  # XLA itself counts the loop once.
  assert told[layers]["flops"] == pytest.approx(told[unrolled]["flops"] / 5, rel=0.1)
  traffic = found[unrolled].traffic(hbm_only=False)
  # It counts what is copied ahead of need twice.
  assert traffic <= told[unrolled]["bytes accessed"] <= 1.3 * traffic
