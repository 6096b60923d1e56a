import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from llve_jax.plan import compile, hlo, topology
from llve_jax.plan.chips import GIB
from llve_jax.plan.compile import compile_for, usable_memory


def product(mesh: Mesh, rows: int) -> jax.stages.Traced:
  """A product of `rows` rows on each chip, five times, in place of its first argument."""
  spread = NamedSharding(mesh, PartitionSpec("data"))
  everywhere = NamedSharding(mesh, PartitionSpec())
  x = jax.ShapeDtypeStruct((8 * rows, 1024), jnp.bfloat16, sharding=spread)
  kernel = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16, sharding=everywhere)

  def run(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.scan(lambda y, _: (jnp.tanh(y @ kernel), None), x, None, length=5)[0]

  return jax.jit(run, out_shardings=spread, donate_argnums=0).trace(x, kernel)


def test_a_program_that_fits(eight: topology.Topology, eight_mesh: Mesh) -> None:
  program = compile_for(eight, product(eight_mesh, 4096))
  assert program.fits
  assert program.memory is not None
  assert program.work is not None
  assert program.memory.arguments == 2 * (4096 + 1024) * 1024
  assert program.memory.outputs < 2**20  # in place of the argument
  assert program.needed == program.memory.peak < program.usable
  assert program.memory.arguments <= program.memory.peak
  assert program.work.flops == 5 * 2 * 4096 * 1024 * 1024
  assert program.work.xla_flops == pytest.approx(program.work.flops / 5, rel=0.1)
  assert program.work.collectives == ()
  assert program.work.unknown_loops == 0
  peak = program.work.flops / eight.chip.flops
  assert program.work.xla_seconds is not None
  assert peak < program.work.xla_seconds < 20 * peak
  assert peak < program.work.cycles / eight.chip.clock < 20 * peak


def test_a_program_that_does_not_fit(eight: topology.Topology, eight_mesh: Mesh) -> None:
  program = compile_for(eight, product(eight_mesh, 2**24))
  assert not program.fits
  assert program.work is None
  assert program.memory is None
  assert program.needed > 2**24 * 1024 * 2 > program.usable


@pytest.mark.parametrize(
  ("told", "calls", "kernels", "seconds"),
  [
    (0.02, 0, 0.03, 0.02),
    (-2.98, 3, 0.03, 0.02),
    (-2.98, 5, 0.03, 0.02),  # two of them were counted right
    (0.02, 5, 0.03, 0.02),
    (-2.98, 1, 0.03, None),
    (-1.5, 3, 1.0, None),  # is it 0.5 or 1.5?
    (1.5, 0, 1.0, 1.5),
  ],
)
def test_seconds_that_xla_took_off_are_added_back(
  told: float, calls: int, kernels: float, seconds: float | None
) -> None:
  lines = [f"  %c{at} = f32[] custom-call()" for at in range(calls)]
  text = "\n".join(["ENTRY %main () -> f32[] {", *lines, "  ROOT %r = f32[] constant(0)", "}"])
  found = compile._xla_seconds(told, kernels, hlo.parse(text))
  assert found == (None if seconds is None else pytest.approx(seconds))


def test_some_memory_is_kept_back(eight: topology.Topology) -> None:
  assert 0.9 * 16 * GIB < usable_memory(eight.chip) < 16 * GIB


@pytest.mark.parametrize(
  ("message", "gibibytes"),
  [
    (
      "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries "
      "(20.50G) exceeds available HBM (15.75G).",
      20.5,
    ),
    (
      "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. "
      "Used 34.50G of 15.75G hbm. Exceeded hbm capacity by 18.75G.\n\nTotal hbm usage >= 34.75G:",
      34.5,
    ),
    ("RESOURCE_EXHAUSTED: Ran out of memory in memory space vmem. Used 130M of 128M vmem.", None),
    ("INTERNAL: Used 34.50G of 15.75G hbm", None),
  ],
)
def test_what_the_compiler_says_of_memory(message: str, gibibytes: float | None) -> None:
  needed = compile._needed(message)
  assert needed == (None if gibibytes is None else gibibytes * GIB)


def test_other_errors_are_not_taken_for_a_lack_of_memory(eight: topology.Topology) -> None:
  class Broken:
    jaxpr = jax.jit(jnp.sin).trace(1.0).jaxpr

    def lower(self) -> None:
      raise jax.errors.JaxRuntimeError("INTERNAL: broken")

  with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL: broken"):
    compile_for(eight, Broken())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["v5e:1x1", "v6e:1x1", "v4:1x1x1", "v5p:1x1x1"])
def test_cycles_are_those_of_the_clock(name: str, eight: topology.Topology) -> None:
  """The compiler thinks that a large product reaches most of the peak, and no more."""
  del eight  # skips without libtpu
  found = topology.parse(name)
  place = SingleDeviceSharding(found.devices()[0])
  x = jax.ShapeDtypeStruct((8192, 8192), jnp.bfloat16, sharding=place)
  program = compile_for(found, jax.jit(jnp.matmul).trace(x, x))
  assert program.work is not None
  share = program.work.flops / found.chip.flops / (program.work.cycles / found.chip.clock)
  assert 0.65 < share <= 1


def test_the_cache_on_disk_is_left_alone_and_used_again() -> None:
  name = "jax_persistent_cache_min_compile_time_secs"
  before = getattr(jax.config, name)
  with compile.uncached():
    assert getattr(jax.config, name) > 1e9
  assert getattr(jax.config, name) == before
