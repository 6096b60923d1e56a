"""Bright clips are darkened anew each time they are read, whole, and then cut."""

import numpy as np
import pytest

from llve_jax.data import pipeline
from llve_jax.data.dark import DarkWindow, held_out, is_bright
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png
from llve_jax.ops import darken, darkening
from llve_jax.ops.thumbnail import thumbnail_of

SETTINGS = {"batch": 2, "frames": 2, "crop": 24, "seed": 0, "augment": "none"}
CALM = dict.fromkeys(
  ("untouched", "night", "shade", "tone", "retouched", "noise", "mosaic", "black", "denoise",
   "sharpen", "drift", "blurred", "bars", "graphics", "jpeg", "h264", "cast"), 0.0
)  # fmt: skip


def bright(name="b", count=4, shape=(40, 56), seed=0):
  frames = np.random.default_rng(seed).integers(0, 256, (count, *shape, 3), np.uint8)
  return {
    "low": np.array([], object),
    "high": [encode_png(frame) for frame in frames],
    "clip": name.encode(),
    "variant": 0,
    "start": 0,
    "fps": 0.0,
  }, frames


def _window(element, seed=0, **settings):
  window = DarkWindow(**{"frames": 2, "crop": 24} | settings)
  return window.random_map(element, np.random.default_rng(seed))


def test_targets_are_cut_from_the_bright_frames_and_the_dark_lies_on_them():
  element, frames = bright()
  assert is_bright(element)
  pair = _window(element, ranges=CALM | {"exposure": (0.25, 0.25)})
  high = np.round(pair["high"] * 255).astype(np.uint8)
  start = int(str(pair["id"]).split("/")[-1])
  places = [
    (y, x)
    for y in range(40 - 23)
    for x in range(56 - 23)
    if np.array_equal(frames[start : start + 2, y : y + 24, x : x + 24], high)
  ]
  assert len(places) == 1
  assert np.corrcoef(pair["low"].ravel(), pair["high"].ravel())[0, 1] > 0.95
  assert pair["low"].mean() < 0.6 * pair["high"].mean()


def test_each_name_has_a_darkness_of_its_own():
  element, _ = bright(count=1)
  (one, target), (again, _), (other, _) = (held_out(element, name) for name in ("a", "a", "b"))
  np.testing.assert_array_equal(one, again)
  assert np.any(one != other)
  assert one.shape == target.shape


def test_the_view_is_of_the_whole_dark_frames():
  element, frames = bright(count=2)
  pair = _window(element, 5, context=16)
  rng = np.random.default_rng(5)
  rng.integers(1), rng.integers(17), rng.integers(33)  # first frame, top and left of the window
  low, _ = darken.apply(frames, darkening.draw(rng), rng)
  np.testing.assert_array_equal(pair["context"], thumbnail_of(low / np.float32(255), 16))
  assert "context" not in _window(element)


def test_a_part_of_the_frame_may_stand_for_all_of_it():
  element, frames = bright(count=1, shape=(40, 56))
  calm = CALM | {"exposure": (1.0, 1.0), "untouched": 1.0, "fixed_noise": 0.0}
  views = set()
  for seed in range(40):
    pair = _window(element, seed, frames=1, crop=24, context=8, ranges=calm, least_view=0.5)
    high = np.round(pair["high"][0] * 255).astype(np.uint8)
    assert high.shape == (24, 24, 3)
    assert any(
      np.array_equal(frames[0, y : y + 24, x : x + 24], high) for y in range(17) for x in range(33)
    )
    views.add(pair["context"].tobytes())
  assert len(views) == 40
  with pytest.raises(UserError, match=r"least_view: expected a share above 0 and up to 1, found 0"):
    DarkWindow(frames=1, crop=24, least_view=0.0)


def test_every_visit_is_another_darkness_and_the_stream_repeats_itself():
  element, _ = bright(count=2, shape=(24, 24))
  dataset = pipeline.train_dataset([element], **SETTINGS)
  first, second = dataset[0], dataset[1]
  again = pipeline.train_dataset([element], **SETTINGS, cache_bytes=0)
  np.testing.assert_array_equal(first["low"], again[0]["low"])
  pictures = [*first["low"], *second["low"]]
  for index, one in enumerate(pictures):
    assert all(np.abs(one - other).max() > 0.01 for other in pictures[:index])


def test_a_single_picture_is_a_still_scene_with_new_noise():
  element, _ = bright(count=1)
  ranges = CALM | {"exposure": (0.5, 0.5), "noise": 1.0, "shot_noise": (1e-2, 1e-2)}
  pair = _window(element, frames=3, ranges=ranges)
  assert np.all(pair["high"] == pair["high"][:1])
  assert np.abs(np.diff(pair["low"], axis=0)).mean() > 0.003


def test_ranges_reach_the_darkness():
  element, _ = bright(count=2)
  pair = pipeline.train_dataset(
    [element], **SETTINGS, darkness=CALM | {"exposure": (1.0, 1.0), "cast": 0.0}
  )[0]
  assert np.abs(pair["low"] - pair["high"]).max() < 0.12  # white balance is off by a few percent
  with pytest.raises(UserError, match="b: night: expected a probability"):
    pipeline.train_dataset([element], **SETTINGS, darkness={"night": 2.0})


def test_what_does_not_fit_is_named():
  element, _ = bright()
  with pytest.raises(UserError, match="frames=9 is more than the 4 frames of a segment of b"):
    pipeline.train_dataset([element], **SETTINGS | {"frames": 9})
  with pytest.raises(UserError, match="b: crop=99 is larger"):
    pipeline.train_dataset([element], **SETTINGS | {"crop": 99})
  deep = element | {"high": [encode_png(np.zeros((40, 56, 3), np.uint16))] * 4}
  with pytest.raises(UserError, match="b: expected uint8 frames"):
    pipeline.train_dataset([deep], **SETTINGS)


@pytest.mark.parametrize("augment", ["turntable", "turn", "flip"])
def test_augmentation_turns_the_view_alike(augment):
  # A ramp, so that each pixel knows its place; whole frames are cut, so that both show the same.
  y, x = np.mgrid[:24, :24]
  ramp = np.stack([y * 5, x * 5, 60 + 0 * x], axis=-1).astype(np.uint8)
  frames = np.stack([ramp, ramp // 2])
  element = {
    "low": [encode_png(frame) for frame in frames],
    "high": [encode_png(frame) for frame in frames],
    "clip": b"ramp",
  }
  dataset = pipeline.train_dataset(
    [element], **SETTINGS | {"augment": augment, "batch": 16}, context=12
  )
  batch = dataset[0]
  assert batch["context"].shape == (16, 2, 12, 12, 3)
  small = batch["high"].reshape(16, 2, 12, 2, 12, 2, 3).mean(axis=(3, 5))
  np.testing.assert_allclose(batch["context"], small, atol=1e-5)
  assert len({clip.tobytes() for clip in batch["context"]}) > 2


def test_a_view_beside_pairs_does_not_change_them(train_source):
  settings = {"batch": 2, "frames": 2, "crop": 16, "seed": 3}
  plain = pipeline.train_dataset(train_source, **settings)[0]
  viewed = pipeline.train_dataset(train_source, **settings, context=8)[0]
  for key in plain:
    np.testing.assert_array_equal(plain[key], viewed[key])
  assert viewed["context"].shape == (2, 2, 8, 8, 3)


def test_a_view_beside_unpaired_images_is_refused(train_source):
  with pytest.raises(UserError, match=r"context=8: .* found unpaired training"):
    pipeline.train_dataset(
      train_source, batch=1, frames=1, crop=8, seed=0, partner=train_source, context=8
    )


def test_another_kind_of_network_is_refused():
  element, _ = bright()
  with pytest.raises(UserError, match="b: bright frames are made dark as srgb, but 'bayer'"):
    pipeline.train_dataset([element], **SETTINGS, kind="bayer")
