"""Pixels are averaged with their past for as long as nothing has changed there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.special

from llve_jax.models.settle import LONGEST, box, settle


def by_hand(frames: np.ndarray, control: np.ndarray, past: dict[str, np.ndarray] | None) -> list:
  """The recursion of one clip [t, h, w, 12], written out in NumPy and SciPy."""
  mean = frames[0] if past is None else past["frame"]
  count = np.zeros(mean.shape[:2]) if past is None else past["count"][..., 0]
  found = []
  for frame, (patience, sensitive, floor, slope) in zip(frames, control, strict=True):
    color = (frame - mean).reshape(*mean.shape[:2], 4, 3).mean(axis=2)
    change = scipy.ndimage.uniform_filter(color, (3, 3, 1), mode="constant")
    light = scipy.ndimage.uniform_filter(frame.mean(axis=-1), (3, 3), mode="constant")
    noise = (2 / 255) ** 2 * np.exp(floor) + 3e-4 * np.exp(slope) * light
    size = np.abs(change).mean(axis=-1) / np.sqrt(noise * (1 + 1 / np.maximum(count, 1)) / 12)
    same = scipy.special.expit(4 + patience - 2 * np.exp(sensitive) * size)
    kept = count * same * np.clip((1 - frame.max(axis=-1)) / 0.1, 0, 1)
    mean = frame + (kept / (kept + 1))[..., None] * (mean - frame)
    count = np.minimum(kept + 1, LONGEST)
    found.append(mean)
  return found


@pytest.mark.parametrize("fresh", [True, False])
def test_frames_settle_as_the_recursion_says(fresh: bool) -> None:
  rng = np.random.default_rng(0)
  frames = 0.1 + 0.02 * rng.random((2, 4, 9, 11, 12), dtype=np.float32)
  frames[:, 2, 3:5] = 1.0
  control = rng.normal(size=(2, 4, 4)).astype(np.float32)
  past = None
  if not fresh:
    past = {
      "frame": 0.1 + 0.02 * rng.random((2, 9, 11, 12), dtype=np.float32),
      "count": 1 + 5 * rng.random((2, 9, 11, 1), dtype=np.float32),
    }
  settled, last = jax.jit(settle)(frames, control, past)
  for index in range(2):
    start = None if past is None else {name: value[index] for name, value in past.items()}
    expected = by_hand(frames[index], control[index], start)
    np.testing.assert_allclose(settled[index], expected, atol=1e-5)
    np.testing.assert_allclose(last["frame"][index], expected[-1], atol=1e-5)
  np.testing.assert_array_equal(settled[:, 2, 3:5], 1.0)  # a lamp that goes on is white at once


def test_noise_on_a_still_scene_is_averaged_away_and_motion_is_not() -> None:
  rng = np.random.default_rng(1)
  scene = np.zeros((1, 24, 16, 16, 12), np.float32) + 0.1
  scene[:, 12:, :, 8:] = 0.5  # half of the picture brightens half way through
  noisy = scene + rng.normal(scale=0.006, size=scene.shape).astype(np.float32)
  settled, _ = jax.jit(settle)(noisy, np.zeros((1, 24, 4), np.float32), None)
  error = np.asarray(settled - scene)
  assert error[:, 8:12].std() < 0.45 * 0.006
  assert np.abs(error[:, 12, :, 9:]).max() < 0.05  # of a change by 0.4
  assert error[:, 20:].std() < 0.45 * 0.006


@pytest.mark.parametrize(("codes", "least", "most"), [(1, 0.0, 0.25), (3, 0.95, 1.0)])
def test_in_the_dark_blocks_that_move_by_a_code_are_averaged(
  codes: int, least: float, most: float
) -> None:
  """A picture is lifted after ten frames: how much of that is seen at once."""
  frames = np.full((1, 11, 9, 9, 12), 3 / 255, np.float32)
  frames[:, 10] += codes / 255
  settled, _ = jax.jit(settle)(frames, np.zeros((1, 11, 4), np.float32), None)
  step = np.asarray(settled[0, 10] - settled[0, 9])[4, 4] * 255 / codes
  assert (step >= least).all()
  assert (step <= most).all()


def test_a_pixel_is_averaged_over_sixteen_frames_at_most() -> None:
  frames = np.full((1, 4, 3, 3, 12), 0.1, np.float32)
  past = {"frame": frames[:, 0], "count": np.full((1, 3, 3, 1), 14.5, np.float32)}
  _, last = jax.jit(settle)(frames, np.zeros((1, 4, 4), np.float32), past)
  np.testing.assert_array_equal(last["count"], 16.0)


def test_one_frame_is_its_own_past() -> None:
  frame = np.random.default_rng(2).random((1, 1, 4, 5, 12), dtype=np.float32)
  settled, past = settle(jnp.asarray(frame), jnp.zeros((1, 1, 4)), None)
  looped, looped_past = settle(jnp.asarray(frame.repeat(2, 1)), jnp.zeros((1, 2, 4)), None)
  np.testing.assert_array_equal(settled, frame)
  np.testing.assert_array_equal(looped[:, 0], frame[:, 0])
  assert jax.tree.map(jnp.shape, past) == jax.tree.map(jnp.shape, looped_past)
  np.testing.assert_array_equal(past["count"], 1.0)


def test_the_box_is_a_mean_with_nothing_beyond_the_border() -> None:
  x = np.random.default_rng(3).random((2, 5, 7, 2), dtype=np.float32)
  expected = scipy.ndimage.uniform_filter(x, (1, 3, 3, 1), mode="constant")
  np.testing.assert_allclose(box(jnp.asarray(x)), expected, atol=1e-6)
