"""Pairs of pictures become clips: windows drift together, noise is new, targets are exact."""

import numpy as np
import pytest

from llve_jax.data import pipeline, stills
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png
from llve_jax.ops.thumbnail import thumbnail_of


def pair_of_pictures(shape=(40, 56), seed=0):
  high = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
  low = high // 8
  files = {"low": [encode_png(low)], "high": [encode_png(high)], "clip": b"picture"}
  return files, low, high


def test_windows_drift_by_whole_pixels_and_stay_inside():
  fast = 0
  for seed in range(40):
    path = stills.drift((slice(5, 15), slice(0, 20)), (30, 24), 8, np.random.default_rng(seed))
    assert len(path) == 8
    assert path[0] == (slice(5, 15), slice(0, 20))
    for rows, columns in path:
      assert rows.stop - rows.start == 10
      assert columns.stop - columns.start == 20
      assert min(rows.start, columns.start) >= 0
      assert rows.stop <= 30
      assert columns.stop <= 24
    fast += path[0] != path[-1]
  assert 15 < fast < 38


def test_noise_is_new_in_every_frame_and_small():
  low = np.full((2, 64, 64, 3), 40, np.uint8)
  noisy = stills.add_fresh_noise(low, np.random.default_rng(0)).astype(float)
  assert 0 < (noisy - low).std() < 8
  first, second = noisy - noisy.mean(axis=(0, 1, 2))
  assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_a_picture_stands_for_a_clip():
  element, low, high = pair_of_pictures()
  element["mask"] = [encode_png(high[..., :1])]
  window = pipeline.Window(frames=5, crop=16, context=8, pictures=True)
  pair = window.random_map(element, np.random.default_rng(1))
  assert pair["low"].shape == pair["high"].shape == (5, 16, 16, 3)
  np.testing.assert_array_equal(pair["mask"][..., 0], pair["high"][..., 0])
  np.testing.assert_array_equal(
    pair["context"], np.repeat(thumbnail_of(low[None] / np.float32(255), 8), 5, axis=0)
  )
  for frame in np.round(pair["high"] * 255).astype(np.uint8):
    assert any(
      np.array_equal(high[y : y + 16, x : x + 16], frame) for y in range(25) for x in range(41)
    )
  assert np.corrcoef(pair["low"].ravel(), pair["high"].ravel())[0, 1] > 0.9


def test_without_it_a_picture_is_too_short():
  element, *_ = pair_of_pictures()
  with pytest.raises(UserError, match="frames=5 is more than the 1 frames"):
    pipeline.Window(frames=5, crop=16).random_map(element, np.random.default_rng(0))


def test_single_frames_of_pictures_are_as_before():
  element, *_ = pair_of_pictures()
  plain, other = (
    pipeline.Window(frames=1, crop=16, pictures=pictures).random_map(
      element, np.random.default_rng(2)
    )
    for pictures in (False, True)
  )
  np.testing.assert_array_equal(plain["low"], other["low"])
