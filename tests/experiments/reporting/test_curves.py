import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from experiments.reporting.curves import flicker_curve, learning_curve

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
  return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def paths(svg: str, colour: str) -> list[str]:
  """Lines of that colour inside the axes: those of the legend are not cut off there."""
  return [
    each.get("d", "")
    for each in ElementTree.fromstring(svg).iter(f"{SVG}path")
    if f"stroke: {colour}" in each.get("style", "") and "clip-path" in each.attrib
  ]


def heights(path: str) -> np.ndarray:
  return np.array([float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)])


def history(*psnr: float) -> list[dict[str, float]]:
  return [{"step": 10 * index, "psnr": value} for index, value in enumerate(psnr, 1)]


def test_a_line_is_the_mean_over_seeds():
  svg = learning_curve(
    {"plain": [history(10, 20, 30, 40), history(20, 30, 20, 40)]}, "psnr", prefix="x"
  )
  assert svg is not None
  y = heights(paths(svg, "#0084d1")[0])
  # Means 15, 25, 25, 40; SVG counts downwards.
  np.testing.assert_allclose((y[0] - y) / (y[0] - y[3]), [0, 0.4, 0.4, 1], atol=1e-3)
  assert "training steps" in texts(svg)
  assert "plain" in texts(svg)
  assert "fill-opacity: 0.18" in svg  # the band of the spread


def test_seeds_that_are_behind_shorten_the_line_and_rows_without_are_left_out():
  rows = {"plain": [history(10, 20, 30, 35), history(20, 30, 40)], "none": [[]]}
  svg = learning_curve(rows, "psnr", prefix="x")
  assert svg is not None
  assert len(heights(paths(svg, "#0084d1")[0])) == 3
  assert "none" not in texts(svg)
  assert learning_curve(rows, "ssim", prefix="x") is None


def test_below_the_brightness_only_the_difference_of_course_is_left():
  target = np.linspace(0.3, 0.6, 8)
  svg = flicker_curve({"shifted": target + 0.1}, target, clip="c", prefix="x")
  above, below = paths(svg, "#0084d1")
  assert np.ptp(heights(above)) > 10
  assert np.ptp(heights(below)) < 1e-6
  assert len(paths(svg, "currentColor")) == 1
  assert "target" in texts(svg)


def test_below_lines_of_any_brightness_lie_on_one_another():
  target = np.linspace(0.3, 0.6, 8)
  svg = flicker_curve({"shifted": target + 0.1, "equal": target}, target, clip="c", prefix="x")
  shifted, equal = (heights(paths(svg, color)[1]) for color in ("#0084d1", "#e66100"))
  np.testing.assert_allclose(shifted, equal, atol=1e-3)


def test_without_a_target_there_is_one_plot():
  svg = flicker_curve({"a": [0.1, 0.4, 0.2, 0.3]}, None, clip="c", prefix="x")
  assert len(paths(svg, "#0084d1")) == 1
  assert "minus target's" not in texts(svg)


def test_figures_fit_into_a_page_of_either_colour():
  rows = {'a "quoted" <name>': [history(1, 2, 3)]}
  one, two = (learning_curve(rows, "psnr", prefix=prefix) for prefix in ("one", "two"))
  assert one is not None
  assert two is not None
  root = ElementTree.fromstring(one)
  assert root.get("role") == "img"
  assert root.get("aria-label", "").endswith('of a "quoted" <name>')
  assert root.get("width") is None
  assert "currentColor" in one
  assert "#010203" not in one
  identifiers = re.findall(r'\bid="([^"]+)"', one)
  assert all(name.startswith("one-") for name in identifiers)
  assert not set(identifiers) & set(re.findall(r'\bid="([^"]+)"', two))
  referred = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', one)
  assert {name for pair in referred for name in pair if name} <= set(identifiers)


def test_infinite_figures_are_left_out():
  inf = float("inf")
  svg = learning_curve({"plain": [history(10, inf, 30)]}, "psnr", prefix="x")
  assert svg is not None
  assert len(heights(paths(svg, "#0084d1")[0])) == 2
  assert learning_curve({"plain": [history(inf, inf)]}, "psnr", prefix="x") is None
