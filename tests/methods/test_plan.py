"""How frames of one size are run."""

import logging

import pytest

from llve_jax.errors import UserError
from llve_jax.methods.plan import DEFAULT_TILE, make_plan
from llve_jax.models.contract import Traits

POINT = Traits(stride=1, receptive_field=1)
TRAITS = Traits(stride=2, receptive_field=22)


def test_a_frame_that_fits_runs_whole():
  plan = make_plan(101, 99, TRAITS, tile=101)
  assert plan.tile_count == 1
  assert str(plan) == "99x101, whole, 1 frame at a time"


def test_4k_tiles_are_balanced_and_aligned():
  traits = Traits(stride=16, receptive_field=280)
  plan = make_plan(2160, 3840, traits)
  assert plan.tile_count == 8
  assert max(plan.rows.size, plan.columns.size) <= DEFAULT_TILE
  assert plan.batch == 1
  assert plan.tile_count * plan.rows.size * plan.columns.size < 1.5 * 2160 * 3840
  assert all(start % 16 == 0 for start in plan.rows.starts + plan.columns.starts)
  assert str(plan) == (
    f"3840x2160 in 8 tiles of {plan.columns.size}x{plan.rows.size}, 1 frame at a time"
  )


def test_batch_shrinks_with_the_frame():
  sizes = [(288, 352), (720, 1280), (1080, 1280)]
  assert [make_plan(*size, POINT).batch for size in sizes] == [8, 1, 1]
  assert make_plan(288, 352, POINT, tile=600).batch == 3  # a smaller tile asks for less memory
  assert make_plan(288, 352, POINT, batch=20).batch == 20


def test_whole_frame_networks_are_not_tiled(caplog):
  traits = Traits(stride=8, receptive_field=100, whole_frame_only=True)
  with caplog.at_level(logging.WARNING):
    plan = make_plan(1500, 2000, traits)
  assert plan.tile_count == 1
  assert "needs the whole frame: running 2000x1500" in caplog.text
  with pytest.raises(UserError, match="statistics of the whole frame"):
    make_plan(1500, 2000, traits, tile=512)
  assert make_plan(500, 400, traits, tile=512).tile_count == 1


def test_too_small_a_tile_names_the_least():
  with pytest.raises(UserError, match=r"tile of 20 .* 22 pixels .* at least (\d+)") as error:
    make_plan(100, 100, TRAITS, tile=20)
  least = int(str(error.value).rsplit(" ", 1)[1])
  assert make_plan(100, 100, TRAITS, tile=least).tile_count > 1
  assert make_plan(20, 20, TRAITS, tile=20).tile_count == 1


def test_frames_too_small_for_the_network_are_refused():
  with pytest.raises(UserError, match="needs frames of 13x13 pixels at least, found 20x12"):
    make_plan(12, 20, Traits(1, 1, least_side=13))


def test_the_halo_is_what_the_network_sees_around_a_pixel():
  """Blending and rounding would hide a halo that is a little short."""
  for field in (21, 22, 47, 280):
    plan = make_plan(600, 700, Traits(stride=1, receptive_field=field), tile=400)
    assert plan.tile_count > 1
    assert plan.rows.halo == plan.columns.halo == field // 2


def test_larger_output_counts():
  one, two = (make_plan(400, 500, Traits(1, 1, scale=scale)).batch for scale in (1, 2))
  assert (one, two) == (8, 2)


def test_windows_in_time_are_longer_where_frames_are_small():
  traits = Traits(stride=1, receptive_field=1, frames=9)
  small, large = make_plan(100, 100, traits), make_plan(1080, 1280, traits)
  assert (small.halo, large.halo) == (4, 4)
  assert small.batch == 400  # four million pixels
  assert large.batch == 10  # what it sees, and two more
  assert make_plan(1080, 1280, traits, batch=5).batch == 13
  assert str(large) == "1280x1080, whole, windows of 10 frames, one at a time"
  long = Traits(stride=1, receptive_field=1, frames=9, least_frames=30)
  assert make_plan(1080, 1280, long).batch == 30


@pytest.mark.parametrize("wrong", [{"tile": 0}, {"batch": 0}])
def test_numbers_below_one(wrong):
  with pytest.raises(UserError, match="at least 1"):
    make_plan(64, 64, POINT, **wrong)
