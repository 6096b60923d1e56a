"""Brightness over time and histogram, as numbers and as pictures."""

import xml.etree.ElementTree as ET

import numpy as np

from llve_jax.demo.curves import Curves


def grey(level: int, dtype: type = np.uint8) -> np.ndarray:
  return np.full((4, 6, 3), level, dtype)


def lines(figure: str) -> list[list[tuple[float, float]]]:
  """The points of both curves."""
  found = [each for each in ET.fromstring(figure).iter() if each.tag == "polyline"]
  return [
    [tuple(map(float, point.split(","))) for point in each.attrib["points"].split()]  # type: ignore[misc]
    for each in found
  ]


def test_sums_are_of_luma_in_any_depth() -> None:
  curves = Curves()
  curves.add(grey(10), grey(200))
  curves.add(grey(10 * 257, np.uint16), np.full((4, 6, 3), 100 / 255, np.float32))
  assert curves.means == [(10.0, 200.0), (10.0, 100.0)]
  assert curves.frames == 2
  assert curves.counts.sum(axis=1).tolist() == [48, 48]
  assert np.flatnonzero(curves.counts[0]).tolist() == [10 // 4]
  assert np.flatnonzero(curves.counts[1]).tolist() == [100 // 4, 200 // 4]


def test_the_plot_over_time_holds_every_frame_at_its_height() -> None:
  curves = Curves()
  for level in (0, 51, 102):
    curves.add(grey(level), grey(255))
  before, after = lines(curves.over_time())
  heights = [y for _, y in before]
  assert heights[0] > heights[1] > heights[2]
  np.testing.assert_allclose(np.diff(heights), -112 / 5, atol=0.1)  # a fifth of the height each
  assert {y for _, y in after} == {24.0}
  assert "before 0 at first and 102 at last, after 255 and 255" in curves.over_time()


def test_one_frame_has_no_course_and_long_films_few_points() -> None:
  curves = Curves()
  curves.add(grey(1), grey(2))
  assert curves.over_time() == ""
  curves.means = [(float(at % 256), 0.0) for at in range(10_000)]
  assert len(lines(curves.over_time())[0]) <= 600


def test_the_histogram_says_the_median() -> None:
  curves = Curves()
  curves.add(grey(20), grey(120))
  assert "half of them below 20 of 255 before, below 120 after" in curves.histogram()
  peaks = [
    min(range(64), key=lambda at, line=line: line[at][1]) for line in lines(curves.histogram())
  ]
  assert peaks == [5, 30]


def test_the_most_frequent_brightness_of_either_side_is_at_the_top() -> None:
  curves = Curves()
  spread = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6, 1).repeat(3, axis=2)
  curves.add(grey(20), spread)
  assert [min(y for _, y in line) for line in lines(curves.histogram())] == [24.0, 24.0]


def test_nothing_seen_is_drawn_without_harm() -> None:
  assert "polyline" in Curves().histogram()
