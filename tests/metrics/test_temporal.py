import itertools

import cv2
import jax
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.metrics import temporal

WEIGHTS = np.array([0.2126, 0.7152, 0.0722])


def random_clip(seed: int, frames: int = 4, height: int = 12, width: int = 14) -> np.ndarray:
  shape = (2, frames, height, width, 3)
  return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
  """A smooth random picture, uint8 RGB: what optical flow can follow."""
  noise = np.random.default_rng(seed).uniform(size=(height, width, 3)).astype(np.float32)
  smooth = cv2.GaussianBlur(noise, (0, 0), 2)
  low, high = smooth.min(), smooth.max()
  return np.rint(40 + 160 * (smooth - low) / (high - low)).astype(np.uint8)


def moving(frames: int = 3, step: tuple[int, int] = (2, 3), side: int = 64) -> np.ndarray:
  """A window that slides over a picture by whole pixels: (rows, columns) a frame."""
  rows, columns = step
  big = textured(side + rows * frames, side + columns * frames)
  return np.stack([big[rows * t :, columns * t :][:side, :side] for t in range(frames)])


def flickering(clip: np.ndarray, amount: float) -> np.ndarray:
  """Every second frame of [b, t, h, w, c] brighter by `amount`."""
  out = clip.copy()
  out[:, 1::2] += np.float32(amount)
  return out


def mabd_loop(clip: np.ndarray) -> np.ndarray:
  """The definition, pixel by pixel: [t, h, w, 3] in [0, 1] -> [t - 1]."""
  frames, height, width, _ = clip.shape
  out = []
  for t in range(frames - 1):
    total = 0.0
    for row in range(height):
      for column in range(width):
        before, after = (255 * float(WEIGHTS @ clip[t + k, row, column]) for k in (0, 1))
        total += abs(after - before)
    out.append(total / (height * width))
  return np.array(out)


def test_mabd_equals_a_loop_over_pixels():
  clip = random_clip(0)
  expected = np.stack([mabd_loop(each.astype(np.float64)) for each in clip])
  np.testing.assert_allclose(temporal.mabd(clip), expected, rtol=1e-5)
  other = random_clip(1)
  error = ((expected - np.stack([mabd_loop(each) for each in other])) ** 2).mean(axis=1)
  np.testing.assert_allclose(temporal.mse_mabd(clip, other), error, rtol=1e-3)


def test_mabd_grows_with_flicker_and_the_legacy_number_does_not():
  """The published program differentiates along columns: an offset of a frame cancels."""
  still = np.repeat(0.5 * random_clip(2, frames=1), 6, axis=1)
  target = np.asarray(temporal.mabd(still))
  np.testing.assert_array_equal(target, 0.0)
  amounts = (0.05, 0.1, 0.2)
  for amount in amounts:
    clip = flickering(still, amount)
    np.testing.assert_allclose(temporal.mabd(clip), 255 * amount, rtol=1e-4)
    np.testing.assert_allclose(temporal.mse_mabd(clip, still), (255 * amount) ** 2, rtol=1e-4)
    for absolute in (False, True):
      legacy = temporal.mabd_usc(clip, absolute=absolute)
      np.testing.assert_allclose(
        legacy, temporal.mabd_usc(still, absolute=absolute), rtol=0, atol=1e-4
      )
      assert float(temporal.mse_mabd_usc(clip, still, absolute=absolute).max()) < 1e-8


def test_the_legacy_number_is_the_difference_of_the_outer_columns():
  clip = random_clip(3)
  bright = 255 * clip.astype(np.float64) @ WEIGHTS
  outer = (bright[..., -1].mean(-1) - bright[..., 0].mean(-1)) / (bright.shape[-1] - 1)
  found = temporal.mabd_usc(clip)
  assert found.shape == (2, 4)
  np.testing.assert_allclose(found, outer, rtol=0, atol=1e-4)
  absolute = np.abs(np.diff(bright, axis=-1)).mean(axis=(-2, -1))
  np.testing.assert_allclose(temporal.mabd_usc(clip, absolute=True), absolute, rtol=1e-5)
  expected = (np.square(found[0] - found[1])).mean()
  np.testing.assert_allclose(temporal.mse_mabd_usc(clip[:1], clip[1:]), [expected], rtol=1e-4)


def test_static_clip_metrics_equal_a_loop_over_neighbours():
  clip = random_clip(4, frames=5)
  for index, video in enumerate(clip):
    pairs = list(itertools.pairwise(video))
    psnr = [10 * np.log10(1 / np.mean((a.astype(np.float64) - b) ** 2)) for a, b in pairs]
    mae = [100 * np.abs(a.astype(np.float64) - b).mean() for a, b in pairs]
    ssim = [tf.image.ssim(tf.constant(a), tf.constant(b), 1.0).numpy() for a, b in pairs]
    np.testing.assert_allclose(temporal.tpsnr(clip)[index], np.mean(psnr), rtol=1e-5)
    np.testing.assert_allclose(temporal.tmae(clip)[index], np.mean(mae), rtol=1e-5)
    np.testing.assert_allclose(temporal.tssim(clip)[index], np.mean(ssim), rtol=0, atol=1e-5)


def test_a_constant_clip_is_perfectly_steady():
  clip = np.repeat(random_clip(5, frames=1), 3, axis=1)
  assert np.isposinf(temporal.tpsnr(clip)).all()
  np.testing.assert_array_equal(temporal.tmae(clip), 0.0)
  np.testing.assert_allclose(temporal.tssim(clip), 1.0, atol=1e-6)


def test_brightness_flicker_is_the_variance_of_the_mean_difference():
  pred, target = random_clip(6), random_clip(7)
  means = [(255 * clip.astype(np.float64) @ WEIGHTS).mean(axis=(2, 3)) for clip in (pred, target)]
  expected = np.var(means[0] - means[1], axis=1)
  np.testing.assert_allclose(temporal.brightness_flicker(pred, target), expected, rtol=1e-3)
  offset = temporal.brightness_flicker(target + np.float32(0.1), target)
  np.testing.assert_allclose(offset, 0.0, atol=1e-6)
  # Half of the frames 0.2 brighter: a standard deviation of 0.1.
  both = flickering(target, 0.2)
  np.testing.assert_allclose(temporal.brightness_flicker(both, target), 25.5**2, rtol=1e-4)
  np.testing.assert_allclose(temporal.brightness_flicker(both, both), 0.0, atol=1e-6)


def test_flow_points_to_where_a_pixel_went():
  clip = moving(frames=2)
  flow = temporal.dis_flow(clip[0], clip[1])
  inner = flow[8:-8, 8:-8]
  np.testing.assert_allclose(inner.mean(axis=(0, 1)), (-3, -2), atol=0.05)


def whole_pixels(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The flow of `moving`, told exactly: back if the second frame came first."""
  sign = -1 if np.array_equal(first[2:, 3:], second[:-2, :-3]) else 1
  return np.full((*first.shape[:2], 2), (3 * sign, 2 * sign), np.float32)


def test_a_clip_that_moves_by_whole_pixels_has_no_warping_error():
  clip = moving()
  assert temporal.warping_error(clip, clip, flow=whole_pixels) == 0.0
  unaligned = np.square(np.diff(clip / 255.0, axis=0)).mean()
  assert temporal.warping_error(clip, clip) < 1e-3 * unaligned


def test_warping_error_is_the_squared_flicker_of_the_prediction():
  clip = moving()
  assert clip.max() < 240
  pred = clip.copy()
  pred[1] += 10
  expected = (10 / 255) ** 2
  assert temporal.warping_error(pred, clip, flow=whole_pixels) == pytest.approx(expected, rel=1e-4)
  assert temporal.warping_error(pred, clip) == pytest.approx(expected, rel=0.02)


def test_what_is_hidden_is_not_counted():
  """A disc in front of a still picture moves by 8 pixels: what it covers has no future."""
  background, disc = textured(80, 96), 255 - textured(80, 96, seed=1)
  rows, columns = np.mgrid[:80, :96]
  masks = [(rows - 40) ** 2 + (columns - centre) ** 2 < 16**2 for centre in (36, 44)]
  clip = np.stack(
    [
      np.where(mask[..., None], np.roll(disc, shift, axis=1), background)
      for mask, shift in zip(masks, (0, 8), strict=True)
    ]
  )

  def exact(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    del second
    forward = np.array_equal(first, clip[0])
    moved, step = (masks[0], 8.0) if forward else (masks[1], -8.0)
    return np.where(moved[..., None], (step, 0.0), 0.0).astype(np.float32)

  seen = temporal.visible(exact(clip[0], clip[1]), exact(clip[1], clip[0]))
  hidden = masks[1] & ~masks[0]
  assert hidden.sum() > 100
  assert not seen[hidden].any()
  assert seen[cv2.erode(masks[0].astype(np.uint8), np.ones((5, 5))) == 1].all()
  assert seen[:, :8].all()
  assert np.square(np.diff(clip / 255.0, axis=0)).mean() > 1e-3
  assert temporal.warping_error(clip, clip, flow=exact) == 0.0


def test_motion_out_of_the_frame_and_jumps_of_the_flow_are_not_believed():
  forward = np.zeros((16, 20, 2), np.float32)
  forward[..., 0] = 4
  seen = temporal.visible(forward, -forward)
  assert seen[:, :16].all()
  assert not seen[:, 16:].any()
  forward[:, :10] = 0
  seen = temporal.visible(forward, np.zeros_like(forward))
  assert not seen[:, 9:].any()  # the jump, then flow that does not return
  assert seen[:, :9].all()


def test_a_cut_has_no_warping_error():
  clip = np.stack([textured(40, 40, seed) for seed in range(2)])

  def lost(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.full((*first.shape[:2], 2), 99, np.float32)

  assert np.isnan(temporal.warping_error(clip, clip, flow=lost))


@pytest.mark.parametrize("metric", [temporal.tpsnr, temporal.tssim, temporal.tmae, temporal.mabd])
def test_one_frame_has_no_neighbour(metric):
  clip = random_clip(0)
  with pytest.raises(ValueError, match=r"two frames or more, got \(2, 1, 12, 14, 3\)"):
    metric(clip[:, :1])
  with pytest.raises(ValueError, match=r"got \(4, 12, 14, 3\)"):
    metric(clip[0])
  with pytest.raises(ValueError, match="float"):
    metric(clip.astype(np.uint8))
  np.testing.assert_allclose(jax.jit(metric)(clip), metric(clip), rtol=1e-6)


def test_wrong_shapes_are_refused():
  clip = random_clip(0)
  for metric in (temporal.mse_mabd, temporal.mse_mabd_usc, temporal.brightness_flicker):
    with pytest.raises(ValueError, match="differ in shape"):
      metric(clip, clip[:, 1:])
  with pytest.raises(ValueError, match="RGB"):
    temporal.brightness(clip[..., :1])
  frames = moving(frames=2)
  with pytest.raises(ValueError, match="two frames or more"):
    temporal.warping_error(frames[:1], frames[:1])
  with pytest.raises(ValueError, match="of one size"):
    temporal.warping_error(frames, frames[:, 1:])
  with pytest.raises(ValueError, match="12 x 12"):
    temporal.warping_error(frames[:, :8], frames[:, :8])


def test_brightness_of_8_bit_frames_is_that_of_clips():
  frames = np.stack(list(moving()))
  clip = frames[None].astype(np.float32) / 255
  expected = np.asarray(temporal.brightness(clip))[0].mean((1, 2))
  np.testing.assert_allclose(temporal.frame_brightness(frames), expected, rtol=1e-5)
