import pytest

from llve_jax.plan.chips import CHIPS, GIB, peak_flops


# Google Cloud's pages, read anew: TFLOP/s, GiB, GB/s, and the links of a chip both ways, GB/s.
@pytest.mark.parametrize(
  ("name", "teraflops", "gibibytes", "memory", "links"),
  [
    ("v4", 275, 32, 1200, 600),
    ("v5e", 197, 16, 819, 400),
    ("v5p", 459, 95, 2765, 1200),
    ("v6e", 918, 32, 1640, 800),
  ],
)
def test_figures_are_those_of_the_pages(
  name: str, teraflops: int, gibibytes: int, memory: int, links: int
) -> None:
  chip = CHIPS[name]
  assert chip.flops == pytest.approx(teraflops * 1e12)
  assert chip.memory == gibibytes * GIB
  assert chip.memory_rate == pytest.approx(memory * 1e9)
  both_ways = 2 * chip.dimensions * 2 * chip.link_rate
  assert both_ways == pytest.approx(links * 1e9)


@pytest.mark.parametrize(("name", "units"), [("v4", 8), ("v5e", 4), ("v5p", 8), ("v6e", 16)])
def test_the_clock_is_what_the_matrix_units_need_for_the_peak(name: str, units: int) -> None:
  chip = CHIPS[name]
  per_cycle = units * 128 * 128 * 2
  assert chip.flops / chip.clock == pytest.approx(per_cycle, rel=0.01)


@pytest.mark.parametrize(
  ("kind", "teraflops"),
  [
    ("TPU v5 lite", 197),
    ("TPU v5", 459),
    ("NVIDIA H100 80GB HBM3", 989.4),
    ("NVIDIA H100 PCIe", 756),
    ("NVIDIA H200", 989.4),
    ("NVIDIA A100-SXM4-80GB", 312),
  ],
)
def test_peak_by_the_name_that_jax_reports(kind: str, teraflops: float) -> None:
  assert peak_flops(kind) == pytest.approx(teraflops * 1e12)


def test_nobody_knows_the_peak_of_a_processor() -> None:
  assert peak_flops("cpu") is None
