"""A photograph is filmed: nothing outside it is seen, motion is as asked, still is still."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.ops.virtual_camera import Moves, film

STILL = Moves(still=1.0, piece=0.0, closest=1.0)


def _photo(shape=(96, 128), seed=0):
  y, x = np.mgrid[: shape[0], : shape[1]]
  noise = np.random.default_rng(seed).integers(0, 40, (*shape, 3))
  return (np.stack([x, y, 128 + 0 * x], axis=-1) * 200 // max(shape) + noise).astype(np.uint8)


def _film(photo, seed=0, frames=5, size=(48, 64), moves=None):
  return film(photo, np.random.default_rng(seed), frames=frames, size=size, moves=moves)


def test_the_same_seed_films_the_same():
  one, again, other = (_film(_photo(), seed) for seed in (0, 0, 1))
  assert one.shape == (5, 48, 64, 3)
  assert one.dtype == np.uint8
  np.testing.assert_array_equal(one, again)
  assert np.any(one != other)


def test_a_tripod_shows_the_same_frame_over_and_over():
  shots = _film(_photo(), moves=Moves(still=1.0))
  assert np.all(shots == shots[0])


def test_a_tripod_before_the_whole_photograph_shows_all_of_it():
  photo = _photo()
  shots = _film(photo, moves=STILL)
  shrunk = photo.reshape(48, 2, 64, 2, 3).mean(axis=(1, 3))
  np.testing.assert_allclose(shots[0], shrunk, atol=1)
  np.testing.assert_array_equal(_film(photo, size=(96, 128), moves=STILL)[0], photo)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_but_the_photograph_is_seen(seed):
  photo = np.full((90, 120, 3), 130, np.uint8)
  shots = _film(photo, seed, frames=9)
  np.testing.assert_allclose(shots, 130, atol=1)


def test_panning_moves_by_the_same_step_each_frame():
  x = np.arange(256)[None, :, None] + np.zeros((128, 1, 3))
  moves = Moves(still=0, pan=3, shake=0, zoom=0, roll=0, piece=0, closest=0.5)
  steps = np.diff(
    _film(x.astype(np.uint8), 3, size=(64, 128), moves=moves)[:, 32, 64, 0].astype(int)
  )
  assert np.ptp(steps) <= 2  # places and codes are rounded
  assert np.abs(steps).max() <= 3 * 2  # the photograph is shown at up to half its size


@pytest.mark.parametrize("seed", range(4))
def test_a_fast_pan_ends_at_the_border(seed):
  x = np.arange(256)[None, :, None] + np.zeros((128, 1, 3))
  moves = Moves(still=0, pan=60, shake=0, zoom=0, roll=0, piece=0, closest=0.5)
  shots = _film(x.astype(np.uint8), seed, frames=9, size=(64, 128), moves=moves)
  assert np.diff(shots[:, 32, :, 0].astype(int)).min() >= 0  # never mirrored


def test_a_piece_moves_against_the_rest():
  photo = _photo((200, 200))
  moves = Moves(still=0, pan=0, shake=0, zoom=0, roll=0, piece=1.0, piece_speed=4.0)
  shots = _film(photo, 2, size=(100, 100), moves=moves).astype(int)
  changed = np.abs(np.diff(shots, axis=0)).max(axis=(0, 3)) > 0
  assert 0.01 < changed.mean() < 0.6
  np.testing.assert_array_equal(shots[0][~changed], shots[-1][~changed])


def test_a_photograph_that_is_too_small_is_refused():
  with pytest.raises(UserError, match="at least 64x48 pixels, found 60x60"):
    _film(_photo((60, 60)))
