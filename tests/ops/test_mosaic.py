"""Packing, flips and levels of mosaics, against loops over pixels and tables written out."""

from typing import Any, cast

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.errors import UserError
from llve_jax.ops import mosaic
from llve_jax.ops.mosaic import BAYER, XTRANS

AXES = {"up_down": -2, "left_right": -1}
LAYOUTS = st.sampled_from([*BAYER, XTRANS])
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))


def _plane(cfa, cells, batch=()):
  side = mosaic.cell_size(cfa)
  shape = (*batch, side * cells[0], side * cells[1])
  return np.random.default_rng(0).integers(0, 2**16, shape, np.uint16)


def _color(cfa, row, column):
  side = {4: 2, 36: 6}[len(cfa)]
  return cfa[side * (row % side) + column % side]


def _demosaic(plane, cfa):
  """Mean of the pixels of a colour, weighted by a 7x7 tent: symmetric, knows nothing of phases."""
  h, w = plane.shape
  tent = 4.0 - np.abs(np.arange(-3, 4))
  colors = np.array([[_color(cfa, y, x) for x in range(w)] for y in range(h)])
  planes = []
  for color in "RGB":
    sites = (colors == color).astype(float)
    sums = [
      scipy.ndimage.convolve(part, np.outer(tent, tent), mode="constant")
      for part in (plane * sites, sites)
    ]
    planes.append(sums[0] / sums[1])
  return np.stack(planes, axis=-1)


def test_xtrans_is_a_true_xtrans_layout():
  rows = np.array(list(XTRANS)).reshape(6, 6)
  assert "".join(rows[0]) == "RBGBRG"
  for line in [*rows, *rows.T]:
    assert set(line) == set("RGB")
  assert [XTRANS.count(color) for color in "RGB"] == [8, 20, 8]
  # Four greens in a square stand in every block of 3x3.
  for y in (1, 4):
    for x in (0, 3):
      assert set(rows[y : y + 2, x : x + 2].ravel()) == {"G"}


@pytest.mark.parametrize("cfa", BAYER)
def test_bayer_channels_are_red_green_blue_green_by_row(cfa):
  plane = _plane(cfa, (3, 4), batch=(2,))
  packed = mosaic.pack(plane, cfa)
  assert packed.shape == (2, 3, 4, 4)
  assert packed.dtype == np.uint16
  for a in range(3):
    for b in range(4):
      cell = [(2 * a + y, 2 * b + x) for y in (0, 1) for x in (0, 1)]
      red = next(site for site in cell if _color(cfa, *site) == "R")
      blue = next(site for site in cell if _color(cfa, *site) == "B")
      greens = [site for site in cell if _color(cfa, *site) == "G"]
      first = next(site for site in greens if site[0] == red[0])
      second = next(site for site in greens if site[0] == blue[0])
      expected = [plane[(slice(None), *site)] for site in (red, first, blue, second)]
      np.testing.assert_array_equal(packed[:, a, b], np.stack(expected, axis=-1))


def test_rggb_channels_run_clockwise():
  np.testing.assert_array_equal(
    mosaic.pack(np.array([[1, 2], [4, 3]]), "RGGB"), np.array([[[1, 2, 3, 4]]])
  )


# The table of the code released with "Learning to See in the Dark": where channels 0 to 4 of the
# packed pixels (0,0), (0,1), (1,0) and (1,1) of a 6x6 cell come from.
SID_SITES = [
  [(0, 0), (0, 4), (3, 1), (3, 3)],
  [(0, 2), (0, 5), (3, 2), (3, 5)],
  [(0, 1), (0, 3), (3, 0), (3, 4)],
  [(1, 2), (2, 5), (5, 2), (4, 5)],
  [(2, 2), (1, 5), (4, 2), (5, 5)],
]


def test_xtrans_channels_are_those_of_the_published_table():
  plane = _plane(XTRANS, (2, 3))
  packed = mosaic.pack(plane, XTRANS)
  expected = np.empty((4, 6, 9), np.uint16)
  for channel, sites in enumerate(SID_SITES):
    for index, (r, c) in enumerate(sites):
      expected[index // 2 :: 2, index % 2 :: 2, channel] = plane[r::6, c::6]
  for channel, (r, c) in enumerate([(1, 0), (1, 1), (2, 0), (2, 1)], start=5):
    expected[..., channel] = plane[r::3, c::3]
  np.testing.assert_array_equal(packed, expected)
  for channel, color in enumerate("RGBRB"):
    assert {_color(XTRANS, *site) for site in SID_SITES[channel]} == {color}


def test_xtrans_planes_are_cropped_to_whole_cells():
  plane = np.arange(16 * 23).reshape(16, 23)
  packed = mosaic.pack(plane, XTRANS)
  np.testing.assert_array_equal(packed, mosaic.pack(plane[:12, :18], XTRANS))
  np.testing.assert_array_equal(mosaic.unpack(packed, XTRANS), plane[:12, :18])


@settings(deadline=None, max_examples=30)
@given(cfa=LAYOUTS, cells=SIZES, batch=st.lists(st.integers(1, 2), max_size=2))
def test_unpack_inverts_pack(cfa, cells, batch):
  plane = _plane(cfa, cells, tuple(batch))
  np.testing.assert_array_equal(mosaic.unpack(mosaic.pack(plane, cfa), cfa), plane)


def test_rows_are_packed_row_by_row():
  plane = _plane("GBRG", (2, 3), batch=(2,))
  packed = mosaic.pack_rows(plane)
  for channel, (y, x) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
    np.testing.assert_array_equal(packed[..., channel], plane[:, y::2, x::2])
  np.testing.assert_array_equal(mosaic.unpack_rows(packed), plane)


@settings(deadline=None, max_examples=30)
@given(cfa=LAYOUTS, top=st.integers(0, 7), left=st.integers(0, 7))
def test_layout_after_crop_and_flip(cfa, top, left):
  side = mosaic.cell_size(cfa)
  plane = np.tile(np.array(list(cfa)).reshape(side, side), (6, 6))

  def cell(changed):
    return "".join(changed[:side, :side].ravel())

  assert mosaic.crop_cfa(cfa, top, left) == cell(plane[top:, left:])
  assert mosaic.flip_cfa(cfa, "up_down") == cell(plane[::-1])
  assert mosaic.flip_cfa(cfa, "left_right") == cell(plane[:, ::-1])
  cropped = mosaic.crop_cfa(cfa, top, left)
  back = mosaic.phase_offset(cropped, cfa)
  assert mosaic.crop_cfa(cropped, *back) == cfa
  assert max(back) < side
  smaller = [(y, x) for y in range(side) for x in range(side) if y + x < sum(back)]
  assert cfa not in [mosaic.crop_cfa(cropped, *offset) for offset in smaller]


@settings(deadline=None, max_examples=40)
@given(cfa=LAYOUTS, cells=SIZES, axis=st.sampled_from(sorted(AXES)))
def test_flip_is_the_packed_form_of_the_flipped_plane(cfa, cells, axis):
  plane = _plane(cfa, cells, batch=(2,))
  packed, flipped_cfa = mosaic.flip_packed(mosaic.pack(plane, cfa), cfa, axis)
  flipped = np.flip(plane, AXES[axis])
  np.testing.assert_array_equal(mosaic.unpack(packed, flipped_cfa), flipped)
  assert flipped_cfa == mosaic.flip_cfa(cfa, axis)
  if cfa in BAYER:
    np.testing.assert_array_equal(packed, mosaic.pack(flipped, flipped_cfa))
  again, first_cfa = mosaic.flip_packed(packed, flipped_cfa, axis)
  assert first_cfa == cfa
  np.testing.assert_array_equal(again, mosaic.pack(plane, cfa))


@settings(deadline=None, max_examples=30)
@given(cfa=LAYOUTS, cells=SIZES, turns=st.lists(st.sampled_from(sorted(AXES)), max_size=5))
def test_any_sequence_of_turns(cfa, cells, turns):
  plane = _plane(cfa, cells)
  packed, turned_cfa = mosaic.pack(plane, cfa), cfa
  for turn in turns:
    packed, turned_cfa = mosaic.flip_packed(packed, turned_cfa, turn)
    plane = np.flip(plane, AXES[turn])
  np.testing.assert_array_equal(mosaic.unpack(packed, turned_cfa), plane)


@pytest.mark.parametrize("cfa", [*BAYER, XTRANS])
@pytest.mark.parametrize("turn", AXES)
def test_demosaicing_commutes_with_turns_but_not_with_blind_ones(cfa, turn):
  plane = _plane(cfa, (3, 3)).astype(float)

  def turned(blind):
    packed = mosaic.pack(plane, cfa)
    return mosaic.flip_packed(packed, cfa, turn, blind=blind)

  picture = _demosaic(plane, cfa)
  expected = np.flip(picture, AXES[turn] + 2)
  aware, blind = turned(False), turned(True)
  np.testing.assert_allclose(_demosaic(mosaic.unpack(*aware), aware[1]), expected, rtol=1e-9)
  assert blind[1] == cfa
  error = np.abs(_demosaic(mosaic.unpack(*blind), cfa) - expected)
  assert error.mean() > 100  # of 65535, on white noise


@pytest.mark.parametrize("axis", sorted(AXES))
def test_half_an_xtrans_cell_flips_too(axis):
  plane = _plane(XTRANS, (2, 2))[:9, :9]
  packed = mosaic.pack(_plane(XTRANS, (2, 2)), XTRANS)[:3, :3]
  np.testing.assert_array_equal(mosaic.unpack(packed, XTRANS), plane)
  flipped = mosaic.flip_packed(packed, XTRANS, axis)
  np.testing.assert_array_equal(mosaic.unpack(*flipped), np.flip(plane, AXES[axis]))


@pytest.mark.parametrize("cfa", [*BAYER, XTRANS])
def test_color_sites(cfa):
  sites = mosaic.color_sites(cfa, (7, 11))
  assert sites.shape == (7, 11)
  for y in range(7):
    for x in range(11):
      assert "RGB"[sites[y, x]] == _color(cfa, y, x)


@pytest.mark.parametrize(
  ("act", "message"),
  [
    (lambda: mosaic.pack(np.zeros((3, 4)), "RGGB"), "found 4x3"),
    (lambda: mosaic.pack(np.zeros((0, 4)), "RGGB"), "found 4x0"),
    (lambda: mosaic.pack(np.zeros((5, 12)), XTRANS), "found 12x5"),
    (lambda: mosaic.pack(np.zeros((12, 12)), mosaic.crop_cfa(XTRANS, 1, 0)), "`phase_offset`"),
    (lambda: mosaic.pack(np.zeros((4, 4)), "RGBG"), "'RGBG'"),
    (lambda: mosaic.pack(np.zeros((12, 12)), "RGB" * 12), "36 letters"),
    (lambda: mosaic.unpack(np.zeros((2, 2, 9)), "RGGB"), "columns, 4]"),
    (lambda: mosaic.unpack(np.zeros((2, 2, 9)), mosaic.crop_cfa(XTRANS, 0, 1)), "phase"),
    (lambda: mosaic.pack_rows(np.zeros((4, 3))), "found 3x4"),
    (lambda: mosaic.unpack_rows(np.zeros((4, 3))), "(4, 3)"),
    (lambda: mosaic.flip_cfa("RGGB", cast(Any, "h")), "'h'"),
    (lambda: mosaic.flip_packed(np.zeros((4, 4, 3)), "RGGB", "up_down"), "(4, 4, 3)"),
    (lambda: mosaic.phase_offset("RGGB", XTRANS), "no crop"),
  ],
)
def test_bad_input_is_named(act, message):
  with pytest.raises(UserError) as error:
    act()
  assert message in str(error.value)
