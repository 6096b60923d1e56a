"""Windows of single examples: masks go along, and what does not match is named."""

import numpy as np
import pytest

from llve_jax.data.frames import as_float, decode_frames
from llve_jax.data.window import Window
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png
from llve_jax.ops.thumbnail import thumbnail_of
from tests.data.examples import numbered


def test_a_mask_is_cut_where_its_target_is(train_source):
  """Masks that say where they lie: the window of the mask is that of the target."""
  example = dict(train_source[0])
  high = decode_frames(example["high"])
  grey = high.max(axis=-1, keepdims=True)
  example["mask"] = [encode_png(plane) for plane in grey]
  cut = Window(frames=2, crop=16).random_map(example, np.random.default_rng(3))
  assert cut["mask"].shape == (2, 16, 16, 1)
  np.testing.assert_array_equal(cut["mask"][..., 0], cut["high"].max(axis=-1))


def test_a_mask_of_frames_that_are_resized_is_cut_where_its_target_is(train_source):
  example = dict(train_source[0])
  grey = decode_frames(example["high"]).max(axis=-1, keepdims=True)
  example["mask"] = [encode_png(plane) for plane in grey]
  example["high"] = [encode_png(plane.repeat(3, axis=2)) for plane in grey]
  cut = Window(frames=2, crop=16, resize=(31, 37)).random_map(example, np.random.default_rng(3))
  np.testing.assert_array_equal(cut["mask"], cut["high"][..., :1])


def test_the_view_is_of_whole_frames_and_not_of_the_window(train_source):
  example = dict(train_source[0])
  cut = Window(frames=2, crop=16, context=8).random_map(example, np.random.default_rng(3))
  alone = Window(frames=2, crop=16).random_map(example, np.random.default_rng(3))
  first = int(str(cut["id"]).rsplit("/", 1)[-1]) - int(example["start"])
  whole = decode_frames(example["low"][first : first + 2])
  np.testing.assert_array_equal(cut["context"], thumbnail_of(as_float(whole), 8))
  for side in ("low", "high"):
    np.testing.assert_array_equal(cut[side], alone[side])


def test_frames_of_one_clip_that_differ_in_size_are_named():
  odd = numbered(9, 14)
  odd["low"] = [odd["low"][0], numbered(9, 13)["low"][0], odd["low"][0]]
  cut = Window(frames=3, crop=4)
  with pytest.raises(UserError, match=r"wide: expected frames of one size .*\(9, 13, 3\), \(9, 14"):
    cut.random_map(odd, np.random.default_rng(0))


def test_colours_against_one_plane_are_named():
  planes = numbered(9, 14)
  planes["low"] = [encode_png(np.zeros((9, 14, 1), np.uint16))] * 3
  with pytest.raises(UserError, match=r"wide: the dark frames have 1 channel.* the bright 3"):
    Window(frames=1, crop=4).random_map(planes, np.random.default_rng(0))
