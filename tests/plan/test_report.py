import json

import pytest

from llve_jax.plan import estimate, report, topology
from llve_jax.plan.collectives import Collective
from llve_jax.plan.compile import Memory, Program, Work
from llve_jax.plan.report import Column

EIGHT = topology.parse("v5e:2x4")
WORK = Work(
  flops=197e9,
  cycles=6_000_000,
  hbm_bytes=1_638_000_000,
  xla_flops=40e9,
  xla_bytes=3e9,
  xla_seconds=3e-3,
  collectives=(
    Collective("all-reduce", 8_000_000, 8, 5),
    Collective("all-reduce", 800, 8, 1),
    Collective("collective-permute", 50_000, 2, 3),
  ),
  unknown_loops=0,
)
GIB = 2**30
FITS = Column(Program(EIGHT, 3 * GIB, 15 * GIB, Memory(GIB, 0, GIB, GIB, 3 * GIB), WORK, 12.3), 16)
TOO_LARGE = Column(Program(EIGHT, 34 * GIB, 15 * GIB, None, None, 0.5), 256)


def lines(text: str) -> dict[str, list[str]]:
  """Cells by the label of their row; labels and cells are two spaces apart."""
  rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
  return {row[0]: row[1:] for row in rows}


def test_a_table_has_a_column_for_each_program() -> None:
  rows = lines(report.table([FITS, TOO_LARGE], "clips"))
  assert rows["per chip and step"] == ["v5e:2x4", "v5e:2x4"]
  assert rows["clips a chip"] == ["2", "32"]
  assert rows["fits"] == ["yes", "NO"]
  assert rows["memory needed, of GiB"] == ["3.00 / 15.00", "34.00 / 15.00"]
  assert rows["GFLOP"] == ["197.0", "-"]
  assert rows["arithmetic at peak ms"] == ["1.00", "-"]
  assert rows["memory at full rate ms"] == ["2.00", "-"]
  assert rows["utilisation at most"] == ["50.0%", "-"]
  assert rows["XLA's own estimate ms"] == ["3.00", "-"]
  assert rows["compiler's kernels ms"] == ["4.00", "-"]
  assert rows["exchanges"] == ["9", "-"]


def test_the_rate_is_that_of_the_prediction() -> None:
  times = FITS.estimate
  assert times is not None
  rows = lines(report.table([FITS], "frames"))
  assert rows["predicted step ms"] == [f"{1e3 * times.seconds:.2f}"]
  assert rows["frames a second, all"] == [f"{16 / times.seconds:,.1f}"]


def test_values_are_plain_and_complete() -> None:
  found = json.loads(json.dumps(report.values(FITS)))
  assert found["chips"] == 8
  assert found["fits"] is True
  parts = {"arguments": GIB, "outputs": 0, "temporaries": GIB, "code": GIB, "peak": 3 * GIB}
  assert found["hbm"] == parts
  assert found["xla"]["seconds"] == pytest.approx(3e-3)
  assert found["collectives"]["all-reduce"]["count"] == 6
  sent = 2 * 7 / 8 * (5 * 8_000_000 + 800)
  assert found["collectives"]["all-reduce"]["wire_bytes"] == pytest.approx(sent)
  assert found["seconds"]["predicted"] >= found["seconds"]["fastest"]


def test_values_of_what_does_not_fit() -> None:
  found = report.values(TOO_LARGE)
  assert found["fits"] is False
  assert found["hbm_needed"] == 34 * GIB
  assert "seconds" not in found


def test_scaling_has_a_row_for_each_slice() -> None:
  runs = [
    estimate.RunEstimate(topology.parse("v5e:2x4"), 8, 1e-3, 10.0),
    estimate.RunEstimate(topology.parse("v5e:4x4"), 16, 1.25e-3, 12.5),
  ]
  rows = lines(report.scaling(runs))
  assert rows["v5e:2x4"] == ["8", "8", "1.00", "8,000.0", "100.0%", "10.0", "1.25"]
  assert rows["v5e:4x4"] == ["16", "16", "1.25", "12,800.0", "80.0%", "12.5", "0.78"]
  assert report.run_values(runs[0])["chip_hours"] == 10.0
