"""Bars and signs cover what they say, wherever the frame's size puts them."""

import numpy as np

from llve_jax.ops import overlay
from llve_jax.ops.overlay import Overlay, Sign

SIGN = Sign("ON AIR", x=0.1, y=0.5, size=0.1, font=0, color=(255, 255, 255), box=None)


def _laid(layer, value=90, shape=(100, 160)):
  frame = np.full((*shape, 3), value, np.uint8)
  return overlay.lay_over(frame, overlay.rasterise(layer, shape))


def test_nothing_is_the_frame_itself():
  frame = np.zeros((8, 8, 3), np.uint8)
  assert overlay.rasterise(Overlay(), (8, 8)) is None
  assert overlay.lay_over(frame, None) is frame


def test_bars_are_black_and_as_high_as_asked():
  np.testing.assert_array_equal(
    _laid(Overlay(top=0.12))[:, 0, 0] == 0, [*[1] * 12, *[0] * 76, *[1] * 12]
  )
  np.testing.assert_array_equal(
    (_laid(Overlay(side=0.1))[0, :, 0] == 0).nonzero()[0], [*range(16), *range(144, 160)]
  )


def test_letters_have_their_colour_and_leave_the_rest():
  found = _laid(Overlay(signs=(SIGN,)))
  assert found.max() == 255
  assert (found == 90).mean() > 0.9
  assert (found != 90).any(axis=-1)[40:51].mean() > 0.05  # capitals stand on half the height


def test_edges_of_letters_mix_with_the_picture():
  np.testing.assert_array_equal(_laid(Overlay(signs=(SIGN,)), value=255), 255)


def test_capitals_have_their_size():
  for size in (0.05, 0.1, 0.3):
    upright = Sign(**{**SIGN.__dict__, "text": "H", "y": 0.7, "size": size})
    rows, _ = np.nonzero((_laid(Overlay(signs=(upright,)), shape=(200, 300)) != 90).any(axis=-1))
    assert abs(np.ptp(rows) + 1 - size * 200) <= 3 + 0.15 * size * 200


def test_a_box_lies_behind_the_letters():
  boxed = Sign(**{**SIGN.__dict__, "box": (200, 0, 0)})
  found = _laid(Overlay(signs=(boxed,)))
  red = (found == (200, 0, 0)).all(axis=-1)
  assert red.mean() > 0.03
  rows, columns = np.nonzero(red)
  inside = found[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
  assert not (inside == 90).all(axis=-1).any()


def test_signs_reach_over_bars_and_later_ones_over_earlier():
  low = Sign(**{**SIGN.__dict__, "y": 0.1, "size": 0.05})
  assert _laid(Overlay(top=0.2, signs=(low,)))[:20].max() > 150


def test_draw_is_off_at_zero_always_on_at_one_and_repeats_itself():
  for seed in range(20):
    draws = [
      overlay.draw_overlay(np.random.default_rng(seed), bars=chance, graphics=chance)
      for chance in (0.0, 1.0, 1.0)
    ]
    assert draws[0] == Overlay()
    assert draws[1] == draws[2]
    assert 0.04 <= draws[1].top + draws[1].side <= 0.2
    assert 1 <= len(draws[1].signs) <= 4
