"""Windows of mosaics: whatever the turn, every packed sample is the target's pixel at its site.

Pixels of the test clips tell where they come from: red is the frame, green the row, blue the
column. Their mosaics have another black level at every site and another ratio in every frame.
"""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.data import frames as frames_module
from llve_jax.data.mosaic import MosaicWindow
from llve_jax.errors import UserError
from llve_jax.ops.mosaic import BAYER, XTRANS, crop_cfa, unpack

RATIOS = [1, 4, 2, 1, 2]
WHITE = 60000
PHASES = [*BAYER, XTRANS, *(crop_cfa(XTRANS, y, x) for y, x in ((0, 1), (2, 0), (4, 5)))]
SEEDS = st.integers(0, 2**31)


def _encoded(images):
  files = np.empty(len(images), object)
  files[:] = [cv2.imencode(".png", image)[1].tobytes() for image in images]
  return files


def _positions(height, width, count=5):
  t, y, x = np.indices((count, height, width))
  return np.stack([40 * t, y, x], axis=-1).astype(np.uint8)


def _planes(cfa, high):
  """Noise-free mosaics, written pixel by pixel; exposure undoes the ratio of the frame."""
  side = {4: 2, 36: 6}[len(cfa)]
  step = 4 * (20 + np.arange(len(cfa)))  # one 8-bit code, in the sensor's numbers
  planes = np.empty(high.shape[:3], np.uint16)
  for y in range(high.shape[1]):
    for x in range(high.shape[2]):
      site = side * (y % side) + x % side
      code = high[:, y, x, "RGB".index(cfa[site])].astype(int)
      planes[:, y, x] = WHITE - 255 * step[site] + code * step[site] // RATIOS[: len(high)]
  return planes, WHITE - 255.0 * step


def _example(cfa="RGGB", height=22, width=25, high=None):
  high = _positions(height, width) if high is None else high
  planes, black = _planes(cfa, high)
  return {
    "low": _encoded(planes),
    "high": _encoded(high[..., ::-1]),
    "clip": b"night",
    "cfa": cfa.encode(),
    "black": black.astype(np.float32),
    "white": float(WHITE),
    "ratio": np.array(RATIOS, np.float32),
  }


EXAMPLES = {cfa: _example(cfa) for cfa in PHASES}


def seen(high, cfa):
  """The target's colours that a mosaic laid out as `cfa` sees."""
  side = {4: 2, 36: 6}[len(cfa)]
  seen = np.empty(high.shape[:3], np.float32)
  for y in range(high.shape[1]):
    for x in range(high.shape[2]):
      seen[:, y, x] = high[:, y, x, "RGB".index(cfa[side * (y % side) + x % side])]
  return seen


def _draw(example, seed, **settings):
  window = MosaicWindow(**{"frames": 2, "crop": 4} | settings)
  return window.random_map(example, np.random.default_rng(seed))


def _codes(pair):
  return np.round(pair["high"] * 255).astype(int)


@pytest.mark.parametrize("augment", [True, False])
@settings(deadline=None, max_examples=60)
@given(cfa=st.sampled_from(PHASES), seed=SEEDS, half=st.integers(1, 2))
def test_samples_are_the_targets_pixels_at_their_sites(augment, cfa, seed, half):
  pair = _draw(EXAMPLES[cfa], seed, crop=2 * half, augment=augment)
  block, channels, wanted = (2, 4, "RGGB") if len(cfa) == 4 else (3, 9, XTRANS)
  assert pair["low"].shape == (2, 2 * half, 2 * half, channels)
  assert pair["high"].shape == (2, 2 * half * block, 2 * half * block, 3)
  assert pair["low"].dtype == pair["high"].dtype == np.float32
  np.testing.assert_allclose(
    unpack(pair["low"], wanted), seen(pair["high"], wanted), rtol=0, atol=1e-5
  )


@settings(deadline=None, max_examples=30)
@given(
  cfa=st.sampled_from(PHASES), height=st.integers(17, 24), width=st.integers(17, 24), seed=SEEDS
)
def test_any_size_of_the_plane(cfa, height, width, seed):
  pair = _draw(_example(cfa, height, width), seed)
  wanted = "RGGB" if len(cfa) == 4 else XTRANS
  np.testing.assert_allclose(unpack(pair["low"], wanted), seen(pair["high"], wanted), atol=1e-5)


@pytest.mark.parametrize("wanted", BAYER)
def test_another_layout_can_be_wanted(wanted):
  for seed in range(10):
    pair = _draw(EXAMPLES["GRBG"], seed, cfa=wanted)
    np.testing.assert_allclose(unpack(pair["low"], wanted), seen(pair["high"], wanted), atol=1e-5)


def _turn(codes):
  """What was done to a clip of positions."""
  down, right = codes[0, 1, 0, 1:] - codes[0, 0, 0, 1:], codes[0, 0, 1, 1:] - codes[0, 0, 0, 1:]
  assert sorted(np.abs([*down, *right])) == [0, 0, 1, 1]
  return tuple(down), tuple(right), int(np.sign(codes[1, 0, 0, 0] - codes[0, 0, 0, 0]))


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("cfa", ["RGGB", XTRANS])
def test_every_turn_happens_and_none_without_augment(cfa, blind):
  outcomes = {_turn(_codes(_draw(EXAMPLES[cfa], seed, blind=blind))) for seed in range(150)}
  assert len(outcomes) == 16
  outcomes = {_turn(_codes(_draw(EXAMPLES[cfa], s, blind=blind, augment=False))) for s in range(9)}
  assert outcomes == {((1, 0), (0, 1), 1)}


@pytest.mark.parametrize(
  ("cfa", "crop", "corners"),
  [
    ("GRBG", 7, [(y, x) for y in (0, 2, 4, 6, 8) for x in (1, 3, 5, 7, 9, 11)]),
    (XTRANS, 4, [(y, x) for y in (0, 3, 6, 9) for x in range(y % 6, 14, 6)]),
  ],
)
def test_crops_begin_everywhere_the_phase_allows(cfa, crop, corners):
  pairs = [_draw(EXAMPLES[cfa], seed, crop=crop, augment=False) for seed in range(600)]
  found = [_codes(pair)[0, 0, 0, 1:] for pair in pairs]
  seen, times = np.unique(found, axis=0, return_counts=True)
  np.testing.assert_array_equal(seen, corners)
  assert times.min() > 0.3 * 600 / len(corners)


@pytest.mark.parametrize("cfa", ["RGGB", XTRANS])
def test_blind_turns_leave_the_mosaic_beside_the_target(cfa):
  wrong = 0
  for seed in range(40):
    pair = _draw(EXAMPLES[cfa], seed, blind=True)
    codes = _codes(pair)
    apart = np.abs(unpack(pair["low"], cfa) - seen(pair["high"], cfa)).max()
    if _turn(codes)[:2] == ((1, 0), (0, 1)):
      assert apart < 1e-5
    else:
      wrong += apart > 0.5 / 255
  assert wrong > 20


def test_blind_turns_are_those_of_the_array():
  example = _example(height=16, width=16)  # The window is the frame: only turns are drawn.
  straight = _draw(example, 0, frames=5, crop=8, augment=False)
  for seed in range(20):
    pair = _draw(example, seed, frames=5, crop=8, blind=True)
    down, right, forward = _turn(_codes(pair))
    for key in ("low", "high"):
      clip = straight[key]
      turned = clip if down[0] else clip.swapaxes(1, 2)
      np.testing.assert_array_equal(pair[key], turned[::forward, :: sum(down), :: sum(right)])


def test_light_is_cut_at_white_and_kept_below_black():
  bright, dark = (_example(high=np.full((5, 22, 25, 3), code, np.uint8)) for code in (200, 0))
  bright["ratio"] = 2 * bright["ratio"]
  assert np.all(_draw(bright, 0)["low"] == 1)
  dark["black"] = dark["black"] + np.float32(300)
  assert _draw(dark, 0)["low"].max() < 0
  assert np.all(_draw(dark, 0, keep_negatives=False)["low"] == 0)


def test_seed_decides():
  first, again, other = (_draw(EXAMPLES["RGGB"], seed) for seed in (3, 3, 4))
  for key in first:
    np.testing.assert_array_equal(first[key], again[key])
  assert np.any(first["high"] != other["high"])


@pytest.mark.parametrize(("targets", "decoded"), [(5, 2 + 2), (1, 2 + 1)])
def test_only_the_window_is_decoded(monkeypatch, targets, decoded):
  calls = []
  decode = frames_module.decode_frame
  monkeypatch.setattr(
    frames_module, "decode_frame", lambda encoded: calls.append(1) or decode(encoded)
  )
  example = EXAMPLES["RGGB"] | {"high": EXAMPLES["RGGB"]["high"][:targets]}
  pair = _draw(example, 0)
  assert len(calls) == decoded
  assert pair["high"].shape == (2, 8, 8, 3)


def test_a_whole_frame_fits_without_turns_or_with_blind_ones():
  example = _example(height=16, width=20)
  for settings_of_window in ({"augment": False}, {"blind": True}):
    assert _draw(example, 0, crop=8, **settings_of_window)["low"].shape == (2, 8, 8, 4)


@pytest.mark.parametrize("augment", ["flip", False])
@pytest.mark.parametrize("cfa", PHASES)
def test_rectangles_fit_their_targets_and_are_not_laid_on_their_side(cfa, augment):
  block, wanted = (2, "RGGB") if len(cfa) == 4 else (3, XTRANS)
  turns = set()
  for seed in range(40):
    pair = _draw(EXAMPLES[cfa], seed, crop=(2, 4), augment=augment)
    assert pair["low"].shape == (2, 2, 4, block**2)
    assert pair["high"].shape == (2, 2 * block, 4 * block, 3)
    np.testing.assert_allclose(unpack(pair["low"], wanted), seen(pair["high"], wanted), atol=1e-5)
    turns.add(_turn(_codes(pair)))
  ways = (1, -1) if augment else (1,)
  assert turns == {((y, 0), (0, x), 1) for y in ways for x in ways}


@pytest.mark.parametrize("kind", ["raw_rgb", "mosaic"])
def test_rectangles_of_other_kinds(kind):
  pair = _draw(EXAMPLES["GBRG"], 0, crop=(3, 5), augment="flip", kind=kind)
  shape = (3, 5) if kind == "raw_rgb" else (6, 10)
  assert pair["low"].shape == (2, *shape, 3 if kind == "raw_rgb" else 1)
  assert pair["high"].shape == (2, *shape, 3)


@pytest.mark.parametrize(
  "settings_of_window", [{"augment": False}, {"blind": True, "augment": "flip"}]
)
def test_a_whole_frame_that_is_no_square(settings_of_window):
  example = _example(height=12, width=20)
  pair = _draw(example, 0, crop=(6, 10), **settings_of_window)
  assert pair["low"].shape == (2, 6, 10, 4)
  message = r"crop=\(6, 10\) .* 20x12 .* takes 20x12 pixels, and 1 more .* at most \(5, 9\)$"
  with pytest.raises(UserError, match=message):
    _draw(example, 0, crop=(6, 10), augment="flip")


@pytest.mark.parametrize(
  ("cfa", "change", "window", "message"),
  [
    (
      "RGGB",
      {},
      {"crop": (4, 13)},
      r"crop=\(4, 13\) .* 25x22 .* takes 26x8 .* at most \(10, 12\)$",
    ),
    (XTRANS, {}, {"crop": (4, 3)}, r"crop=\(4, 3\) .*: expected even ones"),
    (XTRANS, {}, {"crop": (6, 2)}, r"takes 6x18 pixels, and 5 more .* at most \(4, 6\)$"),
    ("RGGB", {}, {"frames": 6}, r"frames=6 .* 5 frames of a segment of night"),
    ("RGGB", {}, {"crop": 12}, r"^night: crop=12 .* 25x22 .* takes 24 pixels.* at most 10$"),
    ("RGGB", {}, {"crop": 11}, r"22 pixels, and 1 more so that it can begin with RGGB"),
    ("GRBG", {}, {"crop": 11, "augment": False}, r"and 1 more"),
    (XTRANS, {}, {"crop": 8}, r"night: crop=8 .* 24 pixels, and 5 more .* at most 4$"),
    (XTRANS, {}, {"crop": 3}, r"night: crop=3: expected an even one"),
    ("RGGB", {"cfa": b"RGBG"}, {}, r"night: colour filter array 'RGBG'"),
    ("RGGB", {}, {"cfa": XTRANS}, r"night: no crop of a plane laid out as"),
    ("RGGB", {"black": np.zeros(3)}, {}, r"night: expected 4 black levels"),
    ("RGGB", {"white": 5.0}, {}, r"night: .* all below white"),
    ("RGGB", {"high": _encoded(_positions(11, 12))}, {}, r"mosaics of 25x22 .* targets of 12x11"),
    ("RGGB", {"high": np.empty(0, object)}, {}, r"night has no bright frames"),
  ],
)
def test_bad_input_is_named(cfa, change, window, message):
  with pytest.raises(UserError, match=message):
    _draw(EXAMPLES[cfa] | change, 0, **window)


def test_flips_leave_time_alone():
  window = MosaicWindow(frames=3, crop=4, augment="flip")
  pairs = [window.random_map(EXAMPLES["RGGB"], np.random.default_rng(seed)) for seed in range(60)]
  outcomes = {_turn(_codes(pair)) for pair in pairs}
  assert len(outcomes) == 8
  assert {forward for *_, forward in outcomes} == {1}
