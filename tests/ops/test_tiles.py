import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llve_jax.ops import tiles


@st.composite
def covers(draw):
  """Arguments of `cover` that it must accept."""
  stride = draw(st.sampled_from([1, 2, 4, 8, 16]))
  context = {
    "halo": draw(st.integers(0, 40)),
    "overlap": draw(st.integers(0, 24)),
    "stride": stride,
  }
  largest = tiles.smallest_tile(**context) + draw(st.integers(0, 100))
  return draw(st.integers(1, 700)), largest, context


@given(covers())
@example((97, 100, {"halo": 0, "overlap": 0, "stride": 16}))
@settings(deadline=None)
def test_windows_cover_every_pixel_of_a_padded_side(arguments):
  length, largest, context = arguments
  windows = tiles.cover(length, largest, **context)
  stride = context["stride"]
  assert windows.starts[0] == 0
  assert windows.padded == math.ceil(length / stride) * stride
  assert list(windows.starts) == sorted(set(windows.starts))
  assert all(start % stride == 0 for start in windows.starts)
  assert windows.size % stride == 0
  if length > largest:
    assert windows.size <= largest
    assert windows.halo >= context["halo"]
    for start, following in zip(windows.starts, windows.starts[1:], strict=False):
      shared = start + windows.size - following - 2 * windows.halo
      assert shared >= max(context["overlap"], 1)
  else:
    assert len(windows.starts) == 1


@given(covers())
@settings(deadline=None)
def test_no_fewer_windows_would_do(arguments):
  length, largest, context = arguments
  windows = tiles.cover(length, largest, **context)
  count = len(windows.starts)
  if count > 1:
    stride = context["stride"]
    largest = stride * (largest // stride)
    shared = 2 * windows.halo + stride * math.ceil(max(context["overlap"], 1) / stride)
    assert largest * (count - 1) - shared * (count - 2) < windows.padded


@given(covers())
@settings(deadline=None)
def test_weights_sum_to_one_and_are_zero_in_halos_inside_the_frame(arguments):
  length, largest, context = arguments
  windows = tiles.cover(length, largest, **context)
  weights = windows.weights()
  total = np.zeros(windows.padded)
  for start, weight in zip(windows.starts, weights, strict=True):
    total[start : start + windows.size] += weight
  np.testing.assert_allclose(total, 1.0, atol=1e-6)
  assert weights.min() >= 0
  if len(windows.starts) > 1 and windows.halo:
    assert not weights[1:, : windows.halo].any()
    assert not weights[:-1, -windows.halo :].any()
  # Nothing but the halo is without a say.
  inside = weights[:, windows.halo : windows.size - windows.halo]
  assert inside.min() > 0


def test_two_windows_feather_as_a_raised_cosine():
  windows = tiles.Windows(length=22, size=16, halo=4, starts=(0, 6))
  overlap = 2  # 0..12 and 10..22 are the cores
  ramp = [0.5 - 0.5 * math.cos(math.pi * (x + 0.5) / overlap) for x in range(overlap)]
  np.testing.assert_allclose(windows.weights()[0], [1] * 10 + ramp[::-1] + [0] * 4, atol=1e-7)
  np.testing.assert_allclose(windows.weights()[1], [0] * 4 + ramp + [1] * 10, atol=1e-7)


@settings(deadline=None, max_examples=40)
@given(covers(), covers(), st.integers(0, 2**32 - 1))
def test_doing_nothing_to_the_tiles_gives_back_the_frame(row_arguments, column_arguments, seed):
  (height, tallest, row_context), (width, widest, column_context) = row_arguments, column_arguments
  rows = tiles.cover(height, tallest, **row_context)
  columns = tiles.cover(width, widest, **column_context)
  frames = np.random.default_rng(seed).integers(0, 256, (1, height, width, 1)).astype(np.uint8)
  cut = list(tiles.split(frames, rows, columns))
  assert {tile.shape for tile in cut} == {(1, rows.size, columns.size, 1)}
  whole = tiles.blend((tile / np.float32(255) for tile in cut), rows, columns)
  assert whole.dtype == np.float32
  np.testing.assert_allclose(whole, frames / 255.0, atol=1e-6)
  np.testing.assert_array_equal(np.round(whole * 255), frames)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (7, 3), (45, 67)])
def test_a_side_that_does_not_divide_is_mirrored(height, width):
  frames = np.random.default_rng(0).random((2, height, width, 3))
  rows = tiles.cover(height, 64, halo=4, overlap=4, stride=16)
  columns = tiles.cover(width, 64, halo=4, overlap=4, stride=16)

  def mirrored(index, length):  # brute force: walk to and fro
    step = 1
    position = 0
    for _ in range(index):
      if length > 1 and not 0 <= position + step < length:
        step = -step
      position += step if length > 1 else 0
    return position

  expected = frames[:, [mirrored(row, height) for row in range(rows.padded)]]
  expected = expected[:, :, [mirrored(column, width) for column in range(columns.padded)]]
  for index, tile in enumerate(tiles.split(frames, rows, columns)):
    row, column = divmod(index, len(columns.starts))
    top, left = rows.starts[row], columns.starts[column]
    np.testing.assert_array_equal(
      tile, expected[:, top : top + rows.size, left : left + columns.size]
    )


def test_halos_hide_what_goes_wrong_at_the_edge_of_a_tile():
  """A blur that sees 4 pixels each way: with a halo of 4, tiled equals whole, bit for bit or so."""

  def blur(frames):
    padded = np.pad(frames, [(0, 0), (4, 4), (4, 4), (0, 0)])
    height, width = frames.shape[1:3]
    shifts = [padded[:, y : y + height, x : x + width] for y in range(9) for x in range(9)]
    return np.mean(shifts, 0)

  frames = np.random.default_rng(0).random((1, 100, 130, 2)).astype(np.float32)
  for halo, equal in ((4, True), (3, False)):
    rows = tiles.cover(100, 48, halo=halo, overlap=8)
    columns = tiles.cover(130, 48, halo=halo, overlap=8)
    tiled = tiles.blend(map(blur, tiles.split(frames, rows, columns)), rows, columns)
    assert np.allclose(tiled, blur(frames), atol=1e-6) is equal


def test_blend_takes_one_tile_at_a_time():
  rows = tiles.cover(100, 48, halo=8, overlap=8)
  alive = []

  def count():
    for tile in tiles.split(np.zeros((100, 100, 3), np.float32), rows, rows):
      alive.append(1)
      yield tile
      assert len(alive) == 1
      alive.pop()

  assert tiles.blend(count(), rows, rows).shape == (100, 100, 3)


class TestBadInput:
  def test_tile_too_small_names_the_least(self):
    context = {"halo": 10, "overlap": 4, "stride": 8}
    least = tiles.smallest_tile(**context)
    with pytest.raises(ValueError, match=f"too small for a side of 500: least {least}"):
      tiles.cover(500, least - 1, **context)
    assert len(tiles.cover(500, least, **context).starts) > 10

  @pytest.mark.parametrize(
    ("length", "largest", "halo", "overlap"),
    [(0, 8, 0, 0), (8, 0, 0, 0), (8, 8, -1, 0), (8, 8, 0, -1)],
  )
  def test_impossible_numbers(self, length, largest, halo, overlap):
    with pytest.raises(ValueError, match="can cover"):
      tiles.cover(length, largest, halo=halo, overlap=overlap)

  def test_frames_of_another_size(self):
    windows = tiles.cover(100, 48, halo=8, overlap=8)
    with pytest.raises(ValueError, match="frames are 90x100, windows cover 100x100"):
      next(tiles.split(np.zeros((100, 90, 3)), windows, windows))

  def test_missing_tiles(self):
    windows = tiles.cover(100, 48, halo=8, overlap=8)
    cut = list(tiles.split(np.zeros((100, 100, 3)), windows, windows))
    with pytest.raises(ValueError, match="shorter"):
      tiles.blend(cut[:-1], windows, windows)
