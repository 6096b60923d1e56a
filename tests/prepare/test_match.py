"""The monotone path against trying every assignment."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.prepare.match import Matches, best_frames, monotone_path


def _brute_force(correlations, floor, min_step):
  """The best sum over all assignments, in one direction."""
  stills, frames = correlations.shape
  best = 0.0
  for path in itertools.product([None, *range(frames)], repeat=stills):
    used = [frame for frame in path if frame is not None]
    if all(later - earlier >= min_step for earlier, later in itertools.pairwise(used)):
      gain = sum(
        correlations[still, frame] - floor for still, frame in enumerate(path) if frame is not None
      )
      best = max(best, gain)
  return best


def _gain(correlations, matches, floor):
  return sum(
    correlations[still, frame] - floor
    for still, frame in enumerate(matches.frames)
    if frame is not None
  )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5), st.integers(0, 2))
def test_path_is_the_best_of_all(seed, stills, frames, min_step):
  correlations = np.random.default_rng(seed).uniform(-1, 1, (stills, frames))
  floor = 0.1
  matches = monotone_path(correlations, floor=floor, min_step=min_step)
  expected = max(
    _brute_force(correlations, floor, min_step), _brute_force(correlations[::-1], floor, min_step)
  )
  assert _gain(correlations, matches, floor) == pytest.approx(expected, abs=1e-9)
  used = [frame for frame in matches.frames if frame is not None]
  used = used[::-1] if matches.reverse else used
  assert all(later - earlier >= min_step for earlier, later in itertools.pairwise(used))
  assert all(
    correlations[still, frame] >= floor
    for still, frame in enumerate(matches.frames)
    if frame is not None
  )


def _ridge(true_frames, frames=30, width=2.0):
  distance = np.arange(frames)[None] - np.array(true_frames)[:, None]
  return np.exp(-((distance / width) ** 2))


@pytest.mark.parametrize("reverse", [False, True])
def test_path_goes_either_way_and_is_not_led_astray(reverse):
  truth = [2, 6, 9, 15, 21, 27][:: -1 if reverse else 1]
  correlations = _ridge(truth)
  correlations[3, 1 if not reverse else 28] = 1.2  # a repeated texture, far from its place
  assert monotone_path(correlations, floor=0.3) == Matches(tuple(truth), reverse)
  assert best_frames(correlations, floor=0.3).frames != tuple(truth)


def test_a_correlation_as_low_as_the_floor_is_a_match():
  assert best_frames(np.array([[0.25, 0.5], [0.25, 0.49]]), floor=0.5).frames == (1, None)


def test_a_still_of_elsewhere_is_left_out():
  correlations = _ridge([2, 6, 9, 15])
  correlations[2] = 0.1
  assert monotone_path(correlations, floor=0.3).frames == (2, 6, None, 15)
  assert best_frames(correlations, floor=0.3).frames == (2, 6, None, 15)
  assert monotone_path(correlations, floor=1.1).frames == (None,) * 4


def test_two_stills_may_share_a_frame_unless_a_step_is_asked():
  correlations = _ridge([5, 5, 12])
  assert monotone_path(correlations, floor=0.3).frames == (5, 5, 12)
  first, second, third = monotone_path(correlations, floor=0.3, min_step=1).frames
  assert sorted([first, second]) in ([4, 5], [5, 6])
  assert third == 12
