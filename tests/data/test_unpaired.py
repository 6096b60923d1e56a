"""Couples of different scenes: who meets whom, and that each side is cut by itself."""

import numpy as np
import pytest

from llve_jax.data import pipeline
from llve_jax.errors import UserError
from llve_jax.io.images import encode_png

SETTINGS = {"batch": 1, "frames": 1, "crop": 4, "seed": 0, "augment": "none"}


def _image(clip, value, side, size=(9, 12)):
  """A grey image with its row and column in green and blue."""
  y, x = np.indices(size)
  image = np.stack([np.full(size, value), y, x], axis=-1).astype(np.uint8)
  example = {"low": [], "high": [], "clip": clip.encode(), "variant": 0, "start": 0}
  return {**example, side: [encode_png(image)]}


DARK = [_image(f"train_low/{k}", k, "low") for k in range(3)]
BRIGHT = [_image(f"train_high/{k}", 100 + k, "high", (7, 8)) for k in range(4)]
PAIRED = [
  {**_image(clip, value, "low"), "high": _image(clip, 100 + value, "high")["high"]}
  for clip, value in (("a", 0), ("a", 1), ("b", 2), ("b", 3))
]


def _codes(batch):
  return {key: np.round(batch[key] * 255).astype(int) for key in ("low", "high")}


def _couple(batch):
  codes = _codes(batch)
  return int(codes["low"][0, 0, 0, 0, 0]), int(codes["high"][0, 0, 0, 0, 0]) - 100


def test_every_bright_image_meets_every_dark_one():
  dataset = pipeline.train_dataset(DARK, **SETTINGS, partner=BRIGHT)
  couples = [_couple(dataset[k]) for k in range(240)]
  assert set(couples) == {(dark, bright) for dark in range(3) for bright in range(4)}
  # An epoch has every dark image once.
  assert all(sorted(c[0] for c in couples[k : k + 3]) == [0, 1, 2] for k in range(0, 240, 3))
  again = pipeline.train_dataset(DARK, **SETTINGS, partner=BRIGHT, cache_bytes=0)
  assert [_couple(again[k]) for k in (7, 3)] == [couples[7], couples[3]]
  dark, bright = couples[5]
  assert dataset[5]["id"].tolist() == [f"train_low/{dark}/0/0 | train_high/{bright}/0/0"]


def test_fixed_partners_are_those_of_the_released_code():
  dataset = pipeline.train_dataset(DARK, **SETTINGS, partner=BRIGHT, fixed_partner=True)
  for epoch in range(3):
    couples = sorted(_couple(dataset[4 * epoch + k]) for k in range(4))
    assert couples == [(0, 0), (0, 3), (1, 1), (2, 2)]  # i mod 3 with i mod 4


def test_both_sides_are_cut_and_flipped_by_themselves():
  dataset = pipeline.train_dataset(DARK, **SETTINGS | {"augment": "flip"}, partner=BRIGHT)
  turns = {"low": set(), "high": set()}
  corners = {"low": set(), "high": set()}
  together = set()
  for k in range(300):
    here = []
    for key, clip in _codes(dataset[k]).items():
      green, blue = clip[0, 0, ..., 1], clip[0, 0, ..., 2]
      down, right = (green[1, 0] - green[0, 0], blue[1, 0] - blue[0, 0]), None
      right = (green[0, 1] - green[0, 0], blue[0, 1] - blue[0, 0])
      turns[key].add((down, right))
      corners[key].add((int(green.min()), int(blue.min())))
      here.append((abs(down[0]), (down[0] + right[0]), (down[1] + right[1])))
    together.add(tuple(here))
  assert len(turns["low"]) == len(turns["high"]) == 8
  assert corners["low"] == {(y, x) for y in range(6) for x in range(9)}
  assert corners["high"] == {(y, x) for y in range(4) for x in range(5)}
  # Rows become columns of both or of neither; mirroring differs in every way.
  assert all(low[0] == high[0] for low, high in together)
  assert len(together) == 2 * 4 * 4


def test_of_a_paired_set_given_twice_nobody_meets_its_own_clip():
  dataset = pipeline.train_dataset(PAIRED, **SETTINGS, partner=PAIRED)
  couples = {_couple(dataset[k]) for k in range(200)}
  assert couples == {(dark, bright) for dark in range(4) for bright in range(4)} - {
    (dark, bright) for dark in range(4) for bright in range(4) if dark // 2 == bright // 2
  }
  alone = pipeline.train_dataset(PAIRED[:2], **SETTINGS, partner=PAIRED[:2])
  assert {_couple(alone[k])[1] for k in range(60)} == {0, 1}


def test_both_sides_are_cut_to_a_rectangle_and_not_laid_on_their_side():
  settings = SETTINGS | {"augment": "flip", "crop": (3, 8)}
  dataset = pipeline.train_dataset(DARK, **settings, partner=BRIGHT)
  for k in range(40):
    for clip in _codes(dataset[k]).values():
      assert clip.shape == (1, 1, 3, 8, 3)
      assert set(np.abs(np.diff(clip[0, 0, :, 0, 1]))) == {1}
      assert set(np.abs(np.diff(clip[0, 0, 0, :, 2]))) == {1}
  with pytest.raises(UserError, match=r"crop=\(8, 8\) .* frame of 8x7 .* at most \(7, 8\)"):
    pipeline.train_dataset(DARK, **settings | {"crop": (8, 8)}, partner=BRIGHT)


def test_a_single_bright_frame_serves_a_window_of_several():
  clip = {**DARK[0], "low": DARK[0]["low"] * 5}
  batch = pipeline.train_dataset([clip], **SETTINGS | {"frames": 3}, partner=BRIGHT)[0]
  assert batch["low"].shape == batch["high"].shape == (1, 3, 4, 4, 3)


@pytest.mark.parametrize(
  ("source", "partner", "settings", "message"),
  [
    (DARK, DARK, {}, r"train_low/\d has no bright frames; unpaired training takes"),
    (BRIGHT, DARK, {}, r"train_high/0 has no dark frames"),
    (DARK, [], {}, "expected bright examples to train towards, found none"),
    (DARK, BRIGHT, {"crop": 8}, r"train_high/\d: crop=8 is larger than a frame of 8x7 "),
    (
      DARK,
      BRIGHT,
      {"frames": 2},
      r"frames=2 is more than the 1 frames of a segment of train_low/0",
    ),
    (DARK, BRIGHT, {"apart": True}, r"consecutive frames of RGB, found apart=True"),
    ([{**DARK[0], "cfa": b"RGGB"}], BRIGHT, {}, "RGB, found mosaics"),
  ],
)
def test_bad_input_is_named(source, partner, settings, message):
  with pytest.raises(UserError, match=message):
    pipeline.train_dataset(source, **SETTINGS | settings, partner=partner)


def test_without_augmentation_no_side_is_mirrored():
  dataset = pipeline.train_dataset(DARK, partner=BRIGHT, **SETTINGS)
  for number in range(6):
    for clip in _codes(dataset[number]).values():
      assert (np.diff(clip[0, 0, ..., 1], axis=0) == 1).all()
      assert (np.diff(clip[0, 0, ..., 2], axis=1) == 1).all()
