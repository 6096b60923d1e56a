"""Whole clips come back from their segments."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from llve_jax.data import clips
from llve_jax.errors import UserError


def test_joined_clips_are_what_tfds_reads(data_dir, test_source):
  found = list(clips.test_clips(test_source))
  assert [(clip.name, clip.variant) for clip in found] == [("carphone", k) for k in range(3)]
  folder = data_dir / "dark_clips" / "tiny" / "1.0.0"
  examples = list(tfds.builder_from_directory(folder).as_data_source("test"))
  for clip, first in zip(found, (0, 3, 6), strict=True):
    assert clip.low.shape == clip.high.shape == (12, 48, 59, 3)
    assert clip.low.dtype == clip.high.dtype == np.uint8
    assert clip.fps == pytest.approx(30000 / 1001)
    parts = examples[first : first + 3]
    np.testing.assert_array_equal(clip.low, np.concatenate([part["low"] for part in parts]))
    np.testing.assert_array_equal(clip.high, np.concatenate([part["high"] for part in parts]))


def test_the_order_of_the_examples_does_not_matter(test_source):
  order = np.random.default_rng(0).permutation(len(test_source))
  shuffled = [test_source[int(index)] for index in order]
  pairs = zip(clips.test_clips(shuffled), clips.test_clips(test_source), strict=True)
  for clip, expected in pairs:
    assert (clip.name, clip.variant) == (expected.name, expected.variant)
    np.testing.assert_array_equal(clip.low, expected.low)


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_segment_is_named(test_source, index):
  examples = [test_source[k] for k in range(len(test_source)) if k != index]
  expected = [0, 5][index]
  with pytest.raises(
    UserError, match=rf"carphone, variant 0: .* starts at frame {expected}, found"
  ):
    list(clips.test_clips(examples))


def test_a_doubled_segment_is_named(test_source):
  with pytest.raises(UserError, match="starts at frame 5, found one at 0"):
    list(clips.test_clips([test_source[0], test_source[0]]))
