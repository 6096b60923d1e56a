"""Windows that are no square, and frames that are brought to a size before."""

import numpy as np
import pytest

from llve_jax.data import pipeline
from llve_jax.data.frames import decode_frames
from llve_jax.errors import UserError
from tests.data.examples import numbered
from tests.data.test_pipeline import SMALL


@pytest.mark.parametrize(("name", "mirrored"), [("flip", 4), ("none", 1)])
@pytest.mark.parametrize("crop", [(6, 10), (9, 14), [5, 14]])
def test_a_rectangle_is_cut_and_mirrored_but_never_laid_on_its_side(name, mirrored, crop):
  settings = {"batch": 2, "frames": 2, "seed": 0, "augment": name}
  dataset = pipeline.train_dataset([numbered(9, 14)], **settings, crop=crop)
  outcomes, corners = set(), set()
  for k in range(60):
    batch = dataset[k]
    assert batch["low"].shape == batch["high"].shape == (2, 2, *crop, 3)
    np.testing.assert_array_equal(batch["low"], batch["high"])
    for clip in np.round(batch["low"] * 255).astype(int):
      down, right = np.diff(clip[0, :, 0, 0]), np.diff(clip[0, 0, :, 1])
      assert np.ptp(down) == np.ptp(right) == 0
      outcomes.add((down[0], right[0]))
      corners.add((clip[..., 0].min(), clip[..., 1].min()))
  assert outcomes <= {(1, 1), (1, -1), (-1, 1), (-1, -1)}
  assert len(outcomes) == mirrored
  assert corners == {(y, x) for y in range(10 - crop[0]) for x in range(15 - crop[1])}


@pytest.mark.parametrize("name", ["turn", "turntable", True])
def test_a_rectangle_that_would_be_laid_on_its_side_is_refused(name):
  settings = {"batch": 2, "frames": 2, "seed": 0, "augment": name}
  message = (
    r"augment='turn.* takes a square crop, found crop=\(6, 10\) .*augment=\"flip\" or \"none\""
  )
  with pytest.raises(UserError, match=message):
    pipeline.train_dataset([numbered(9, 14)], **settings, crop=(6, 10))
  square = pipeline.train_dataset([numbered(9, 14)], **settings, crop=(6, 6))[0]
  number = pipeline.train_dataset([numbered(9, 14)], **settings, crop=6)[0]
  np.testing.assert_equal(square, number)


def test_a_rectangle_larger_than_a_frame_names_both():
  settings = {"batch": 2, "frames": 2, "seed": 0, "augment": "none"}
  with pytest.raises(UserError, match=r"wide: crop=\(9, 15\) .* frame of 14x9 .* \(9, 14\)$"):
    pipeline.train_dataset([numbered(9, 14)], **settings, crop=(9, 15))


def test_whole_frames_are_brought_to_a_size_before_they_are_cut(train_source):
  settings = SMALL | {"batch": 1, "crop": (24, 30), "resize": (24, 30)}
  dataset = pipeline.train_dataset(train_source, **settings, augment="none")
  batch = dataset[0]
  assert batch["low"].shape == batch["high"].shape == (1, 2, 24, 30, 3)
  sides = {
    key: [decode_frames(train_source[i][key]) for i in range(len(train_source))]
    for key in ("low", "high")
  }
  for key, clips in sides.items():
    # Half of 48 x 59 pixels: the mean of a frame stays what it was.
    means = [frame.mean() / 255 for clip in clips for frame in clip]
    found = batch[key][0].mean((1, 2, 3))
    assert all(np.abs(np.asarray(means) - mean).min() < 2e-3 for mean in found)
  with pytest.raises(UserError, match=r"crop=32 is larger than a frame of 30x24"):
    pipeline.train_dataset(train_source, **settings | {"crop": 32})


def test_mosaics_are_not_resized(train_source):
  settings = {"frames": 1, "crop": 8, "seed": 0, "resize": (8, 8), "partner": train_source}
  with pytest.raises(UserError, match="is for pairs of RGB, found unpaired training"):
    pipeline.example_dataset(train_source, **settings)
