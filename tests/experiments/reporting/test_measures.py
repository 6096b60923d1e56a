import math
import statistics

import pytest

from experiments.reporting.measures import Summary, measure, summarize
from llve_jax.metrics.whole_clip import CLIP_METRICS


def test_the_spread_is_that_of_a_sample():
  values = [20.1, 20.7, 19.9]
  found = summarize(values)
  assert found is not None
  assert found.mean == pytest.approx(statistics.mean(values))
  assert found.spread == pytest.approx(statistics.stdev(values))
  assert found.count == 3


def test_no_spread_of_one_run_or_of_infinite_figures():
  assert summarize([]) is None
  assert summarize([3.0]) == Summary(3.0, None, 1)
  assert summarize([math.inf, 20.0]) == Summary(math.inf, None, 2)


def test_numbers_are_printed_as_precisely_as_they_mean_something():
  assert measure("psnr").text(23.456) == "23.46"
  assert measure("flicker").text(0.00012345) == "0.000123"
  assert measure("psnr").text(math.inf) == "inf"
  assert measure("of somebody else").text(1.23456) == "1.235"


def test_every_metric_of_whole_clips_has_a_name():
  assert all(measure(name).label != name or name == "flicker" for name in CLIP_METRICS)
  assert measure("warp_err").better == "lower"
