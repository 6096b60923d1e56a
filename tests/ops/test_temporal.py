"""What stands still loses its noise, what moves keeps its place."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.ops import temporal
from llve_jax.ops.temporal import denoise_stream

SIGMA = 0.01


def _denoised(frames, **settings):
  return np.stack(list(denoise_stream(frames, **settings)))


def _noisy(clean, shot, read, seed=0):
  rng = np.random.default_rng(seed)
  light = rng.poisson(clean / shot) * shot if shot else clean
  return (light + read * rng.standard_normal(clean.shape)).astype(np.float32)


def _scene(frames, level, channels, size=64):
  """A still picture: a wave of brightness in one direction, an edge in the other."""
  wave = 1 + 0.5 * np.sin(np.arange(size) / 5)[:, None]
  edge = np.where(np.arange(size) < size // 2, 1.0, 0.4)
  return np.broadcast_to((level * wave * edge)[..., None], (frames, size, size, channels)).copy()


def _moving_square(contrast, frames=24):
  clean = np.full((frames, 48, 96, 3), 0.1)
  for t in range(frames):
    clean[t, 14:34, 8 + 2 * t : 28 + 2 * t] += contrast
  return clean


@pytest.mark.parametrize("channels", [1, 3, 4, 9])
@pytest.mark.parametrize(
  ("shot", "read", "level"),
  [(1e-3, 1e-2, 0.2), (1e-2, 2e-3, 0.001), (0.0, SIGMA, 0.5), (1e-3, 0.0, 0.1)],
  ids=["both", "hardly an electron", "read", "shot"],
)
def test_still_scene_loses_its_noise_and_keeps_its_mean(shot, read, level, channels):
  clean = _scene(16, level, channels)
  noisy = _noisy(clean, shot, read)
  denoised = _denoised(noisy, shot_noise=shot, read_noise=read)
  before, after = noisy[15] - clean[15], denoised[15] - clean[15]
  assert after.var() < before.var() / 10  # 16 would be the mean of all frames
  assert abs(after.mean()) < 4 * np.sqrt(before.var() / 16 / before.size)
  border = after[[0, 1, -2, -1]]
  assert border.var() < before.var() / 6


@pytest.mark.parametrize("contrast", [2 * SIGMA, 5 * SIGMA, 0.5])
def test_moving_square_leaves_no_ghost(contrast):
  clean = _moving_square(contrast)
  denoised = _denoised(_noisy(clean, 0, SIGMA), shot_noise=0, read_noise=SIGMA)
  error = denoised - clean
  assert error[16:].std() < 0.5 * SIGMA
  for t in range(16, 24):
    behind = error[t, 15:33, 8 + 2 * t - 6 : 8 + 2 * t]
    ahead = error[t, 15:33, 26 + 2 * t : 28 + 2 * t]
    assert abs(behind.mean()) < 0.3 * SIGMA
    assert abs(ahead.mean()) < 0.5 * SIGMA
  # A plain mean of the frames drags the square along.
  plain = np.mean(clean[8:24], axis=0) - clean[23]
  assert np.abs(plain[15:33, 48:54]).mean() > 0.5 * contrast


def test_moving_texture_of_constant_mean_leaves_no_ghost():
  stripes = 3 * SIGMA * (np.arange(64) % 2 * 2 - 1.0)
  clean = np.stack(
    [np.broadcast_to(np.roll(stripes, t)[None, :, None], (64, 64, 3)) for t in range(9)]
  )
  denoised = _denoised(_noisy(clean, 0, SIGMA), shot_noise=0, read_noise=SIGMA)
  assert abs(np.mean((denoised[8] - clean[8]) * np.sign(clean[8]))) < 0.1 * SIGMA


def test_without_noise_motion_stays_as_it_is():
  clean = _moving_square(0.3).astype(np.float32)
  denoised = _denoised(clean, shot_noise=0, read_noise=0)
  np.testing.assert_allclose(denoised, clean, atol=1e-6)


def test_single_frame_is_unchanged():
  frame = _noisy(_scene(1, 0.2, 3), 1e-3, SIGMA)
  denoised = _denoised(frame, shot_noise=1e-3, read_noise=SIGMA)
  np.testing.assert_array_equal(denoised, frame)
  assert denoised.dtype == np.float32


def test_open_gate_is_a_mean_with_limited_memory():
  frames = np.random.default_rng(0).normal(0.5, SIGMA, (9, 5, 4, 2)).astype(np.float32)
  levels = {"shot_noise": 0.0, "read_noise": SIGMA, "strength": 1e6}  # everything passes for noise
  denoised = _denoised(frames, memory=4, **levels)
  expected, weight = frames[0].astype(float), 1
  for index, frame in enumerate(frames):
    if index:
      expected = (weight * expected + frame) / (weight + 1)
      weight = min(weight + 1, 4)
    np.testing.assert_allclose(denoised[index], expected, rtol=1e-5)
  np.testing.assert_allclose(denoised[3], frames[:4].mean(axis=0), rtol=1e-5)


def test_statistics_are_those_of_their_definition():
  """One frame against loops over pixels, windows and channels."""
  rng = np.random.default_rng(0)
  past = temporal.Past(
    rng.uniform(0, 0.1, (6, 5, 2)).astype(np.float32),
    rng.uniform(1, 8, (6, 5)).astype(np.float32),
  )
  frame = (past.mean + rng.normal(0, 0.06, past.mean.shape)).astype(np.float32)
  shot, dark, window = 1e-2, 1e-4, 0.6
  found = temporal._excess(frame, past, shot, dark, window)

  tap = np.exp(-0.5 * (np.arange(-2, 3) / window) ** 2)
  tap /= tap.sum()

  def around(plane, site, power=1):
    row, column = site
    total = 0.0
    for y in range(6):
      for x in range(5):
        if abs(y - row) <= 2 and abs(x - column) <= 2:
          total += plane[y, x] * (tap[y - row + 2] * tap[x - column + 2]) ** power
    return total

  ones, sites = np.ones((6, 5)), list(np.ndindex(6, 5))
  spread = 1 + 1 / past.weight.astype(float)
  coherent, energy, fourth = np.zeros((6, 5)), np.zeros((6, 5)), np.zeros((6, 5))
  for c in range(2):
    new, old = frame[..., c].astype(float), past.mean[..., c].astype(float)
    light = (past.weight * old + new) / (past.weight + 1)
    level = np.array([max(around(light, s) / around(ones, s), 0) for s in sites]).reshape(6, 5)
    variance = dark + shot * np.maximum(light, level)
    for s in sites:
      coherent[s] += around(new - old, s) ** 2 / around(variance * spread, s, power=2)
    energy += (new - old) ** 2 / (variance * spread)
    fourth += 2 + shot**3 * level / variance**2
  for s in sites:
    first = coherent[s] - 2 - 3 * 2
    second = around(energy - 2, s) / np.sqrt(fourth[s] * around(ones, s, power=2)) - 3
    assert found[s] == pytest.approx(max(0, first, second), rel=1e-3, abs=1e-4)
  assert 0 < np.count_nonzero(found) < found.size


def test_strength_is_a_noisier_camera():
  clean = _scene(12, 0.2, 3)
  noisy = _noisy(clean, 1e-3, SIGMA)
  assumed = _denoised(noisy, shot_noise=2e-3, read_noise=SIGMA * 2**0.5)
  stronger = _denoised(noisy, shot_noise=1e-3, read_noise=SIGMA, strength=2)
  np.testing.assert_allclose(assumed, stronger, rtol=1e-5)
  # Taken for far smaller than it is, noise passes for motion.
  timid = _denoised(noisy, shot_noise=1e-3, read_noise=SIGMA, strength=0.2)
  assert (timid - clean)[11].var() > 2 * (stronger - clean)[11].var()


def test_stream_reads_as_it_goes_and_equals_the_clip():
  noisy = _noisy(_scene(6, 0.2, 3), 1e-3, SIGMA)
  read = []

  def frames():
    for index, frame in enumerate(noisy):
      read.append(index)
      yield frame

  levels = {"shot_noise": 1e-3, "read_noise": SIGMA}
  whole = _denoised(noisy, **levels)
  for index, frame in enumerate(denoise_stream(frames(), **levels)):
    assert read == list(range(index + 1))
    np.testing.assert_array_equal(frame, whole[index])
  assert index == 5


@pytest.mark.parametrize(
  ("shape", "dtype", "change", "message"),
  [
    ((2, 4, 4), np.float32, {}, "(4, 4)"),
    ((2, 4, 4, 10), np.float32, {}, "(4, 4, 10)"),
    ((2, 4, 4, 3), np.uint16, {}, "uint16"),
    ((2, 4, 4, 3), np.float32, {"read_noise": -1.0}, "read_noise -1.0"),
    ((2, 4, 4, 3), np.float32, {"strength": 0.0}, "strength 0.0"),
    ((2, 4, 4, 3), np.float32, {"memory": 0.0}, "memory 0.0"),
  ],
)
def test_bad_input_is_named(shape, dtype, change, message):
  levels = {"shot_noise": 0.0, "read_noise": SIGMA} | change
  with pytest.raises(UserError) as error:
    _denoised(np.zeros(shape, dtype), **levels)
  assert message in str(error.value)


def test_frames_of_another_size_are_refused():
  frames = [np.zeros((4, 4, 3), np.float32), np.zeros((4, 5, 3), np.float32)]
  with pytest.raises(UserError, match=r"\(4, 5, 3\) after \(4, 4, 3\)"):
    list(denoise_stream(frames, shot_noise=0, read_noise=SIGMA))
