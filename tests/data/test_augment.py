"""Augmentation keeps pairs together: a pair that was equal stays equal, noise apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llve_jax.data import augment
from llve_jax.errors import UserError

SEEDS = st.integers(0, 2**31)
JOINT = {
  "flip": augment.flip,
  "rotate": augment.rotate,
  "permute_channels": augment.permute_channels,
}


def _clip(seed=0, shape=(2, 6, 6, 3)):
  return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("name", JOINT)
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_both_clips_change_alike(name, seed):
  low = _clip()
  # A bright clip that tells for each pixel which dark one it belongs to.
  moved_low, moved_high = JOINT[name](low, low + 1, rng=np.random.default_rng(seed))
  np.testing.assert_array_equal(moved_low + 1, moved_high)
  assert moved_low.dtype == np.float32


@pytest.mark.parametrize(
  ("name", "outcomes"), [("flip", 4), ("rotate", 4), ("permute_channels", 6)]
)
def test_every_outcome_happens_and_keeps_the_values(name, outcomes):
  low = _clip()
  rng = np.random.default_rng(0)
  seen = {JOINT[name](low, low, rng=rng)[0].tobytes() for _ in range(200)}
  assert len(seen) == outcomes
  for result in seen:
    values = np.frombuffer(result, np.float32)
    np.testing.assert_array_equal(np.sort(values), np.sort(low.ravel()))


def test_time_is_never_reordered():
  low = _clip(shape=(3, 4, 4, 3)) + np.arange(3, dtype=np.float32)[:, None, None, None] * 10
  rng = np.random.default_rng(0)
  for _ in range(20):
    for function in (augment.flip, augment.rotate, augment.permute_channels):
      moved, _ = function(low, low, rng=rng)
      np.testing.assert_array_equal(np.floor(moved[:, 0, 0, 0] / 10), [0, 1, 2])


def test_channels_keep_their_pixels():
  low = np.stack([np.full((1, 2, 2), value) for value in (0.1, 0.2, 0.3)], axis=-1)
  moved, _ = augment.permute_channels(low, low, rng=np.random.default_rng(1))
  np.testing.assert_array_equal(moved, np.broadcast_to(moved[:, :1, :1], moved.shape))


@pytest.mark.parametrize(("size", "rows", "columns"), [(4, 2, 3), ((5, 4), 1, 3), ([1, 6], 5, 1)])
def test_windows_reach_every_place(size, rows, columns):
  rng = np.random.default_rng(0)
  windows = [augment.draw_window((5, 6), size, rng) for _ in range(300)]
  assert all((y.stop - y.start, x.stop - x.start) == augment.sides(size) for y, x in windows)
  places = {(y.start, x.start) for y, x in windows}
  assert places == {(y, x) for y in range(rows) for x in range(columns)}


def test_the_whole_frame_is_a_window():
  whole = augment.draw_window((918, 1374), (918, 1374), np.random.default_rng(0))
  assert whole == (slice(0, 918), slice(0, 1374))


def test_noise_has_a_half_normal_deviation_of_two_codes():
  grey = np.full((1, 32, 32, 3), 0.5, np.float32)
  rng = np.random.default_rng(0)
  deviations = [augment.add_noise(grey, rng).std() for _ in range(600)]
  # |s| with s ~ N(0, 2/255): mean sqrt(2/pi) * 2/255, mean square (2/255)^2.
  assert np.mean(deviations) == pytest.approx(np.sqrt(2 / np.pi) * 2 / 255, rel=0.08)
  assert np.mean(np.square(deviations)) == pytest.approx((2 / 255) ** 2, rel=0.15)


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_noise_stays_in_range(seed):
  low = np.random.default_rng(seed).choice([0.0, 1.0], (1, 8, 8, 3)).astype(np.float32)
  noisy = augment.add_noise(low, np.random.default_rng(seed), spread=0.5)
  assert noisy.dtype == np.float32
  assert noisy.min() >= 0
  assert noisy.max() <= 1
  assert np.any(noisy != low)


def test_augment_moves_both_and_adds_noise_to_the_input_only():
  low = _clip(shape=(2, 16, 16, 3)) * 0.5 + 0.25
  pair = {"low": low, "high": low.copy()}
  step = augment.Augment()
  for seed in range(10):
    out = step.random_map(pair, np.random.default_rng(seed))
    again = step.random_map(pair, np.random.default_rng(seed))
    np.testing.assert_array_equal(out["low"], again["low"])
    # The target holds exactly the old values; the input is near it, so it moved alike.
    np.testing.assert_array_equal(np.sort(out["high"].ravel()), np.sort(low.ravel()))
    assert 0 < np.abs(out["low"] - out["high"]).max() < 0.12
  np.testing.assert_array_equal(pair["low"], low)  # The element itself is not written to.


@pytest.mark.parametrize(
  ("size", "message"),
  [
    (8, r"crop=8 is larger than a frame of 7x9 .* at most 7$"),
    ((9, 8), r"crop=\(9, 8\) \(height, width\) is larger than a frame of 7x9 .* at most \(9, 7\)$"),
    ((10, 7), r"crop=\(10, 7\) .* at most \(9, 7\)$"),
    ((4,), r"crop=\(4,\): expected a side in pixels, or \(height, width\)"),
    ((4, 0), r"crop=\(4, 0\): expected a side"),
    ((4, 4.0), r"crop=\(4, 4.0\): expected a side"),
    (0, r"crop=0: expected a side"),
  ],
)
def test_a_window_that_cannot_be_names_the_sizes(size, message):
  with pytest.raises(UserError, match=message):
    augment.draw_window((9, 7), size, np.random.default_rng(0))


@given(
  turn=st.builds(augment.Turn, *[st.booleans()] * 4),
  top=st.integers(0, 3),
  left=st.integers(0, 3),
  height=st.integers(1, 3),
  width=st.integers(1, 2),
)
def test_a_window_of_turned_frames_can_be_cut_before_turning(turn, top, left, height, width):
  clip = np.arange(2 * 6 * 7).reshape(2, 6, 7, 1)
  window = (slice(top, top + height), slice(left, left + width))
  cut = turn.apply(clip)[:, *window]
  rows, columns = turn.origin(window, (6, 7))
  np.testing.assert_array_equal(turn.apply(clip[:, rows, columns]), cut)


def test_rotation_needs_a_square():
  with pytest.raises(UserError, match="square"):
    augment.rotate(_clip(shape=(1, 4, 5, 3)), rng=np.random.default_rng(0))


def test_a_mask_is_turned_with_its_target_and_keeps_its_values():
  """The mask marks a place of the target; wherever that goes, the mask goes, uncoloured."""
  rng = np.random.default_rng(0)
  low = rng.random((2, 8, 8, 3), dtype=np.float32)
  mask = (rng.random((2, 8, 8, 1)) > 0.5).astype(np.float32)
  high = np.repeat(mask, 3, axis=-1)
  for seed in range(8):
    pair = augment.Augment().random_map(
      {"low": low, "high": high, "mask": mask}, np.random.default_rng(seed)
    )
    np.testing.assert_array_equal(np.repeat(pair["mask"], 3, axis=-1), pair["high"])
    plain = augment.Augment().random_map({"low": low, "high": high}, np.random.default_rng(seed))
    np.testing.assert_array_equal(plain["low"], pair["low"])
    assert "mask" not in plain


@pytest.mark.parametrize(
  ("reverse", "transpose", "outcomes"), [(True, True, 16), (False, True, 8), (False, False, 4)]
)
def test_turning_a_pair_moves_everything_alike(reverse, transpose, outcomes):
  """Every turn happens, also in time; the mask goes with its target, and other entries stay."""
  low = _clip(shape=(3, 4, 4, 3))
  pair = {"low": low, "high": low + 1, "mask": low[..., :1] + 2, "id": "a/0/3"}
  step = augment.TurnPair(reverse=reverse, transpose=transpose)
  seen = set()
  for seed in range(200):
    out = step.random_map(pair, np.random.default_rng(seed))
    np.testing.assert_array_equal(out["low"] + 1, out["high"])
    np.testing.assert_array_equal(out["low"][..., :1] + 2, out["mask"])
    assert out["id"] == "a/0/3"
    seen.add(out["low"].tobytes())
    order = [
      int(np.flatnonzero(np.isclose(low, frame.max()).any((1, 2, 3)))[0]) for frame in out["low"]
    ]
    assert order in ([[0, 1, 2], [2, 1, 0]] if reverse else [[0, 1, 2]])
  assert len(seen) == outcomes


def test_names_of_augmentations():
  assert augment.named(True, mosaics=False) == "turntable"
  assert augment.named(True, mosaics=True) == "turn"
  assert augment.named(False, mosaics=True) == "none"
  assert augment.named("flip", mosaics=True) == "flip"
  with pytest.raises(UserError, match="permutes colours"):
    augment.named("turntable", mosaics=True)


def test_a_mirrored_pair_is_turned_left_right_and_in_no_other_way() -> None:
  low = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
  pair = {"low": low, "high": low + 1, "mask": low[..., :1], "context": low + 2}
  found = [augment.MirrorPair().random_map(pair, np.random.default_rng(seed)) for seed in range(20)]
  mirrored = [each for each in found if not np.array_equal(each["low"], low)]
  assert 0 < len(mirrored) < len(found)
  for each in mirrored:
    np.testing.assert_array_equal(each["low"], low[:, :, ::-1])
    np.testing.assert_array_equal(each["high"], low[:, :, ::-1] + 1)
    np.testing.assert_array_equal(each["mask"], low[:, :, ::-1, :1])
    np.testing.assert_array_equal(each["context"], low[:, :, ::-1] + 2)
