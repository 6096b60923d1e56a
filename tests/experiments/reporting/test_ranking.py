import numpy as np
import pytest
from scipy import stats

from experiments.reporting.measures import Summary
from experiments.reporting.ranking import rank, sentence

PUBLISHED = {"a": 18.7, "b": 19.2, "c": 21.0}


def test_tau_is_that_of_scipy():
  random = np.random.default_rng(0)
  for _ in range(5):
    ours, published = random.normal(size=(2, 7))
    names = [str(index) for index in range(7)]
    found = rank(
      {name: Summary(float(value), 0.0, 3) for name, value in zip(names, ours, strict=True)},
      dict(zip(names, map(float, published), strict=True)),
    )
    assert found.tau == pytest.approx(stats.kendalltau(ours, published).statistic)


def test_pairs_are_agreed_opposed_or_within_the_spread():
  ours = {"a": Summary(20.0, 0.1, 3), "b": Summary(19.0, 0.2, 3), "c": Summary(20.25, 0.15, 3)}
  found = rank(ours, PUBLISHED)
  assert found.opposed == [("b", "a")]
  assert found.agreed == [("c", "b")]
  assert found.undecided == [("c", "a")]  # 0.25 apart, spreads sum to 0.25
  assert found.tau == pytest.approx(1 / 3)
  text = sentence(found, {name: name.upper() for name in "abcd"}, "psnr", "psnr", ["d"])
  assert text == (
    "PSNR: 1 of 3 pairs in the published order; 1 the other way round (published: B over A); "
    "1 undecided (published: C over A). Kendall's tau of the means: +0.33. Not compared: D."
  )


def test_smaller_may_be_better():
  ours = {"a": Summary(0.5, 0.0, 3), "b": Summary(0.1, 0.0, 3)}
  steady = {"a": 29.0, "b": 35.0}  # of the published metric more is better
  assert rank(ours, steady, ours_better="lower").agreed == [("b", "a")]
  assert rank(ours, steady).opposed == [("b", "a")]
  told = sentence(rank(ours, steady, ours_better="lower"), {}, "flicker", "tpsnr", [])
  assert told.startswith("flicker (published: TPSNR): 1 of 1 pair in the published order.")


def test_single_runs_and_missing_rows_are_told():
  found = rank({"a": Summary(20.0, None, 1), "b": Summary(21.0, 0.1, 3)}, PUBLISHED)
  told = sentence(found, {"a": "A", "b": "B", "c": "C"}, "ssim", "ssim", ["c"])
  assert "chance is not ruled out" in told
  assert told.endswith("Not compared: C.")
  alone = rank({"a": Summary(20.0, None, 1)}, PUBLISHED)
  assert alone.tau is None
  assert "no order yet" in sentence(alone, {"c": "C"}, "ssim", "ssim", ["c"])


def test_equal_published_figures_make_no_pair():
  ours = {"a": Summary(20.0, 0.1, 3), "b": Summary(21.0, 0.1, 3)}
  assert rank(ours, {"a": 1.0, "b": 1.0}).tau is None


def test_infinite_figures_that_are_equal_are_undecided():
  same = Summary(float("inf"), None, 2)
  assert rank({"a": same, "b": same}, PUBLISHED).undecided == [("b", "a")]
