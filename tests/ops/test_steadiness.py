"""Flicker, counted as frames pass."""

import numpy as np
import pytest

from llve_jax.metrics.harm import flicker
from llve_jax.ops.steadiness import Flicker


def counted(frames: np.ndarray, cuts: tuple[int, ...] = ()) -> float:
  counter = Flicker()
  for index, frame in enumerate(frames):
    counter.add(frame.mean(axis=(0, 1)), cut=index in cuts)
  return counter.share


def test_it_is_the_number_of_the_whole_film() -> None:
  frames = np.random.default_rng(0).integers(0, 255, (9, 2, 3, 3)).astype(np.uint8)
  assert counted(frames) == pytest.approx(flicker(frames), rel=1e-5)


def test_a_cut_is_no_flicker_nor_is_what_there_is_none_of() -> None:
  frames = np.repeat(np.array([10, 10, 200, 200], np.uint8), 12).reshape(4, 2, 2, 3)
  assert counted(frames) > 0.5
  assert counted(frames, cuts=(2,)) == 0.0
  assert counted(frames[:1]) == counted(0 * frames) == counted(frames[:0]) == 0.0
