import pytest

from experiments.benchmarks import full_width
from experiments.run.flags import parse
from llve_jax.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("standard_promotion")]
CONFIG = "--config=experiments/configs/zero_dce.py:smoke"


def test_a_row_says_what_a_step_needs():
  (row,) = full_width.rows(parse([CONFIG]), 2, 1.0)
  _, label, shape, count, planned, peak, compiling, steps, _ = row.split("|")
  assert (label.strip(), shape.strip()) == ("`zero_dce`, all", "2x1x32x32x3")
  assert int(count.replace(",", "")) > 0
  assert 0 <= float(planned) < 1 < 10 * float(peak)
  assert float(compiling) >= 0
  assert len(steps.split(",")) == 2


def test_what_needs_too_much_is_not_run():
  (row,) = full_width.rows(parse([CONFIG]), 1, 1e-6)
  assert "| not run |" in row


def test_what_is_no_number_is_refused(monkeypatch):
  monkeypatch.setattr(full_width.math, "isfinite", lambda value: False)
  with pytest.raises(UserError, match=r"zero_dce: .*loss.* of a step is not"):
    list(full_width.rows(parse([CONFIG]), 1, 1.0))
