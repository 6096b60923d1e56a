import numpy as np
import pytest

from llve_jax.metrics.strips import strip


def frame(height: int, width: int, level: int) -> np.ndarray:
  return np.full((height, width, 3), level, np.uint8)


def test_frames_stand_unchanged_below_their_captions():
  levels = [[10, 20, 30], [40, 50, 60]]
  random = np.random.default_rng(0)
  first = random.integers(0, 256, (60, 100, 3)).astype(np.uint8)
  rows = [[frame(60, 100, level) for level in row] for row in levels]
  rows[0][0] = first
  picture = strip(rows, ["input", "network", "target"])
  assert picture.dtype == np.uint8
  gap = (picture.shape[1] - 3 * 100) // 2
  caption = picture.shape[0] - 2 * (60 + gap)
  assert caption >= 16
  np.testing.assert_array_equal(picture[caption + gap : caption + gap + 60, :100], first)
  for row in range(2):
    for column in range(3):
      top, left = caption + gap + row * (60 + gap), column * (100 + gap)
      np.testing.assert_array_equal(picture[top : top + 60, left : left + 100], rows[row][column])


def test_captions_are_drawn_in_their_columns_and_fit():
  text = "a very long name of a method that needs a small font"
  picture = strip([[frame(90, 120, 0)] * 2], ["x", text])
  caption = picture.shape[0] - 90 - 4
  left, right = picture[:caption, :120], picture[:caption, 124:]
  assert left.max() > 150
  assert right.max() > 100
  assert (left[:, 60:] == 0).all()
  assert (right[:, -3:] == 0).all()
  assert picture.shape[1] == 244


def test_rows_of_another_size_are_scaled_to_the_width_of_the_first():
  picture = strip([[frame(40, 80, 5)], [frame(100, 160, 9)]], ["input"])
  assert picture.shape[1] == 80
  assert (picture[-50:] == 9).all()
  assert (picture[-54:-50] == 255).all()


def test_rows_that_do_not_fit_the_captions_are_refused():
  with pytest.raises(ValueError, match="at least one row"):
    strip([], ["input"])
  with pytest.raises(ValueError, match="needs 2 frames"):
    strip([[frame(40, 40, 0)]], ["input", "target"])
  with pytest.raises(ValueError, match=r"of one size.*\(40, 41, 3\)"):
    strip([[frame(40, 40, 0), frame(40, 41, 0)]], ["input", "target"])
