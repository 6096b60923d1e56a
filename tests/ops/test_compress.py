"""Frames come back from the codecs in order, in size, and worse the more they are squeezed."""

from fractions import Fraction

import numpy as np
import pytest
import skimage.metrics

from llve_jax.errors import UserError
from llve_jax.io.embedded_clips import read_clip
from llve_jax.ops import compress


def _ramp(shape=(24, 33)):
  y, x = np.mgrid[: shape[0], : shape[1]]
  return np.stack([x * 6, y * 8, x + y], axis=-1).astype(np.uint8)


def test_jpeg_loses_more_at_a_lower_quality_and_keeps_the_order_of_colours():
  frame = _ramp()
  fine, coarse = (compress.jpeg_round_trip(frame, quality).astype(int) for quality in (100, 20))
  assert fine.shape == frame.shape
  errors = [np.abs(found - frame).mean() for found in (fine, coarse)]
  assert errors[0] < 3 < errors[1]


def test_jpeg_of_an_even_picture_is_that_picture():
  frame = np.full((16, 16, 3), 77, np.uint8)
  np.testing.assert_allclose(compress.jpeg_round_trip(frame, 60), 77, atol=1)


@pytest.mark.parametrize("quality", [0, 101])
def test_jpeg_refuses_a_quality_that_does_not_exist(quality):
  with pytest.raises(UserError, match=f"quality of 1 to 100, found {quality}"):
    compress.jpeg_round_trip(_ramp(), quality)


@pytest.mark.parametrize("preset", ["medium", "ultrafast"])
def test_h264_keeps_odd_sizes_and_the_order_and_repeats_itself(preset):
  clip = np.stack([np.full((17, 19, 3), code, np.uint8) for code in (30, 90, 150, 210)])
  first, again = (compress.h264_round_trip(clip, Fraction(25), 18, preset=preset) for _ in range(2))
  np.testing.assert_array_equal(first, again)
  np.testing.assert_allclose(first.mean(axis=(1, 2, 3)), (30, 90, 150, 210), atol=2)


def test_h264_loses_less_of_real_footage_at_a_lower_factor():
  frames, fps = read_clip("carphone", 144, 10)
  odd = frames[:, :-1, :-3]
  again = [compress.h264_round_trip(odd, fps, 18) for _ in range(2)]
  np.testing.assert_array_equal(again[0], again[1])
  assert again[0].shape == odd.shape == (10, 143, 173, 3)
  assert np.any(again[0] != odd)
  for decoded, frame in zip(again[0], odd, strict=True):
    assert skimage.metrics.peak_signal_noise_ratio(frame, decoded) > 30
  coarse = compress.h264_round_trip(odd, Fraction(25), 40)
  error = [np.square(x.astype(float) - odd).mean() for x in (again[0], coarse)]
  assert error[0] < 0.5 * error[1]
