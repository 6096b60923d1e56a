import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.errors import UserError
from llve_jax.prepare.crop import boxes, cover, released


def test_released_grid_of_the_report():
  expected = [(x, y, 512, 512) for y in (28, 540) for x in (192, 704, 1216)]
  assert released(1920, 1080, 512) == expected


def test_full_cover_of_the_same_frame():
  found = cover(1920, 1080, 512)
  assert sorted({left for left, *_ in found}) == [0, 512, 1024, 1408]
  assert sorted({top for _, top, *_ in found}) == [0, 512, 568]
  assert len(found) == 12


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 400), st.integers(1, 300), st.integers(16, 256))
def test_grids_stay_inside_and_cover_covers(width, height, size):
  for grid in ("cover", "released", "none"):
    found = boxes(grid, width, height, size)
    count = np.zeros((height, width), int)
    for left, top, columns, rows in found:
      assert left >= 0
      assert top >= 0
      assert left + columns <= width
      assert top + rows <= height
      if grid != "none":
        assert (columns, rows) == (min(size, width), min(size, height))
      count[top : top + rows, left : left + columns] += 1
    if grid == "released":
      assert count.max() == 1
      assert len(found) <= 6
    else:
      assert count.min() == 1
    if grid == "cover":
      assert len(found) == -(-width // size) * -(-height // size)


def test_small_frames_and_bad_requests():
  assert released(300, 200, 512) == [(0, 0, 300, 200)]
  assert released(1100, 600, 512) == [(38, 44, 512, 512), (550, 44, 512, 512)]
  with pytest.raises(UserError, match=r"crops='half': expected one of cover, released, none"):
    boxes("half", 10, 10, 4)
  with pytest.raises(UserError, match="size=0"):
    boxes("cover", 10, 10, 0)
