"""Numbers fall into their ranges; ranges that make no sense are named."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.ops import ranges


def _rng():
  return np.random.default_rng(0)


def test_numbers_fill_their_range():
  rng = _rng()
  even = [ranges.uniform(rng, "x", (2, 4)) for _ in range(500)]
  assert (min(even), max(even)) == pytest.approx((2, 4), abs=0.05)
  whole = {ranges.whole(rng, "x", (3, 6)) for _ in range(100)}
  assert whole == {3, 4, 5, 6}
  logs = np.log([ranges.log_uniform(rng, "x", (0.01, 1)) for _ in range(2000)])
  assert np.median(logs) == pytest.approx(np.log(0.1), abs=0.2)
  part = [ranges.log_uniform(rng, "x", (0.01, 1), (0.5, 1)) for _ in range(100)]
  assert min(part) >= 0.1
  assert ranges.log_uniform(rng, "x", (0, 0)) == 0


@pytest.mark.parametrize("bounds", [(2, 1), (-1, 1), (1, 2, 3)])
@pytest.mark.parametrize("draw", [ranges.uniform, ranges.whole, ranges.log_uniform])
def test_empty_ranges_are_named(draw, bounds):
  with pytest.raises(UserError, match=r"glow: expected \(low, high\)"):
    draw(_rng(), "glow", bounds)


def test_logarithms_start_above_0():
  with pytest.raises(UserError, match="glow: a range in logarithms cannot start at 0"):
    ranges.log_uniform(_rng(), "glow", (0, 1))
