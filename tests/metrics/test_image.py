import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from llve_jax.metrics.image import ms_ssim, psnr, ssim, ssim_matlab, ssim_skimage

# What MATLAB documents for rgb2gray: the first row of the inverse of the NTSC matrix (YIQ to RGB).
MATLAB_GREY = np.linalg.inv([[1, 0.956, 0.621], [1, -0.272, -0.647], [1, -1.106, 1.703]])[0]
SSIMS = [ssim, ssim_matlab, ssim_skimage]


def frame_pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
  random = np.random.default_rng(0)
  shape = (2, 24, 31, 3)
  rows, columns = np.mgrid[0:24, 0:31]
  smooth = np.stack([np.sin(rows / 5 + k) * np.cos(columns / 7) / 2 + 0.5 for k in range(3)], -1)
  smooth = np.stack([smooth, smooth[::-1]])
  noise = random.normal(size=shape)
  uniform = random.uniform(size=shape)
  pairs = {
    "unrelated": (uniform, random.uniform(size=shape)),
    "noisy": (np.clip(smooth + 0.05 * noise, 0, 1), smooth),
    "dark": (0.02 * uniform, 0.02 * uniform[::-1]),
    "bright": (1 - 0.01 * uniform, 1 - 0.01 * uniform[::-1]),
    "flat": (np.full(shape, 0.25), np.full(shape, 0.75)),
    "shifted": (smooth, np.roll(smooth, 1, axis=2)),
    "negated": (uniform, 1 - uniform),
  }
  return {name: (a.astype(np.float32), b.astype(np.float32)) for name, (a, b) in pairs.items()}


PAIRS = frame_pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_psnr_equals_tensorflow(name: str):
  pred, target = PAIRS[name]
  expected = tf.image.psnr(pred, target, max_val=1.0).numpy()
  np.testing.assert_allclose(psnr(pred, target), expected, rtol=0, atol=1e-5)


# On flat frames TensorFlow's own float32 rounding is larger than the tolerance (skimage sees it).
@pytest.mark.parametrize("name", sorted(PAIRS.keys() - {"flat", "bright"}))
def test_ssim_equals_tensorflow(name: str):
  pred, target = PAIRS[name]
  expected = tf.image.ssim(tf.constant(pred), tf.constant(target), max_val=1.0).numpy()
  np.testing.assert_allclose(ssim(pred, target), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_ssim_equals_scikit_image_in_double_precision(name: str):
  pred, target = PAIRS[name]
  expected = [
    structural_similarity(
      a.astype(np.float64),
      b.astype(np.float64),
      data_range=1.0,
      channel_axis=-1,
      gaussian_weights=True,
      sigma=1.5,
      use_sample_covariance=False,
    )
    for a, b in zip(pred, target, strict=True)
  ]
  np.testing.assert_allclose(ssim(pred, target), expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_ssim_skimage_equals_scikit_image_as_it_comes(name: str):
  pred, target = PAIRS[name]
  expected = [
    structural_similarity(
      a.astype(np.float64), b.astype(np.float64), data_range=1.0, channel_axis=-1
    )
    for a, b in zip(pred, target, strict=True)
  ]
  np.testing.assert_allclose(ssim_skimage(pred, target), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_ssim_matlab_equals_scikit_image_on_the_grey_of_matlab(name: str):
  """The same window and covariance, on grey: scikit-image's `gaussian_weights` was made for it."""
  pred, target = PAIRS[name]
  expected = [
    structural_similarity(
      a.astype(np.float64) @ MATLAB_GREY,
      b.astype(np.float64) @ MATLAB_GREY,
      data_range=1.0,
      gaussian_weights=True,
      sigma=1.5,
      use_sample_covariance=False,
    )
    for a, b in zip(pred, target, strict=True)
  ]
  found = ssim_matlab(pred, target)
  np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)
  grey = [(clip @ MATLAB_GREY)[..., None].astype(np.float32) for clip in (pred, target)]
  np.testing.assert_allclose(ssim_matlab(*grey), found, rtol=0, atol=5e-6)


def test_the_conventions_are_not_the_same_number():
  values = [float(metric(*PAIRS["unrelated"])[0]) for metric in SSIMS]
  assert min(abs(a - b) for i, a in enumerate(values) for b in values[:i]) > 1e-3


@pytest.mark.parametrize("size", [(176, 176), (181, 178)])
def test_ms_ssim_equals_tensorflow(size: tuple[int, int]):
  random = np.random.default_rng(3)
  rows, columns = np.mgrid[: size[0], : size[1]]
  target = np.stack(
    [0.5 + 0.4 * np.sin(rows / (9 + k)) * np.cos(columns / 7) for k in range(3)], -1
  )
  target = np.stack([target, 1 - target]).astype(np.float32)
  noise = np.array([0.05, 0.3], np.float32).reshape(2, 1, 1, 1)
  pred = np.clip(target + noise * random.normal(size=target.shape), 0, 1).astype(np.float32)
  expected = tf.image.ssim_multiscale(tf.constant(pred), tf.constant(target), max_val=1.0).numpy()
  assert expected[0] - expected[1] > 0.1
  np.testing.assert_allclose(ms_ssim(pred, target), expected, rtol=0, atol=2e-5)
  np.testing.assert_allclose(ms_ssim(target, target), 1.0, rtol=0, atol=1e-6)


def test_ssim_equals_tensorflow_on_8_bit_values_of_range_255():
  random = np.random.default_rng(1)
  target = random.integers(0, 256, (1, 40, 40, 3))
  pred = np.clip(target + random.integers(-30, 31, target.shape), 0, 255)
  pred, target = pred.astype(np.uint8), target.astype(np.uint8)
  expected = tf.image.ssim(tf.constant(pred), tf.constant(target), max_val=255).numpy()
  found = ssim(pred.astype(np.float32) / 255, target.astype(np.float32) / 255)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width", "channels"), [(11, 11, 3), (11, 17, 1), (13, 12, 4)])
def test_ssim_of_the_smallest_frames_equals_tensorflow(height: int, width: int, channels: int):
  random = np.random.default_rng(height * width * channels)
  pred, target = random.uniform(size=(2, 1, height, width, channels)).astype(np.float32)
  expected = tf.image.ssim(tf.constant(pred), tf.constant(target), max_val=1.0).numpy()
  np.testing.assert_allclose(ssim(pred, target), expected, rtol=0, atol=1e-5)


def test_psnr_of_identical_frames_is_infinite_and_so_is_a_mean_with_one():
  target = PAIRS["noisy"][1]
  pred = target.copy()
  pred[1] += 0.1
  per_frame = psnr(pred, target)
  assert np.isposinf(per_frame[0])
  assert per_frame[1] == pytest.approx(20.0, abs=1e-4)
  assert np.isposinf(psnr(pred[None], target[None])[0])
  assert tf.image.psnr(target, target, 1.0).numpy()[0] == np.inf


@pytest.mark.parametrize("metric", [psnr, *SSIMS])
def test_a_clip_gets_the_mean_of_its_frames(metric):
  pred, target = PAIRS["noisy"]
  clips = metric(np.stack([pred, target[::-1]]), np.stack([target, pred]))
  assert clips.shape == (2,)
  frames = np.asarray(metric(pred, target))
  assert frames[0] != frames[1]
  np.testing.assert_allclose(clips[0], frames.mean(), rtol=1e-6, atol=1e-7)
  np.testing.assert_allclose(clips[1], metric(target[::-1], pred).mean(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_jit_gives_the_same(metric):
  pred, target = PAIRS["noisy"]
  np.testing.assert_allclose(jax.jit(metric)(pred, target), metric(pred, target), rtol=1e-6)


def test_ssim_gradient_equals_tensorflow_and_is_finite_on_flat_frames():
  pred, target = PAIRS["noisy"]
  with tf.GradientTape() as tape:
    variable = tf.constant(pred)
    tape.watch(variable)
    total = tf.reduce_sum(tf.image.ssim(variable, tf.constant(target), max_val=1.0))
  expected = tape.gradient(total, variable).numpy()
  gradient = jax.grad(lambda array: ssim(array, jnp.asarray(target)).sum())
  np.testing.assert_allclose(gradient(jnp.asarray(pred)), expected, rtol=0, atol=1e-5)
  assert np.isfinite(gradient(jnp.zeros_like(pred))).all()


@pytest.mark.parametrize("metric", [psnr, *SSIMS, ms_ssim])
def test_wrong_arguments_are_refused(metric):
  frames = np.zeros((2, 176, 176, 3), np.float32)
  with pytest.raises(ValueError, match=r"\(2, 176, 176, 3\).*\(1, 176, 176, 3\)"):
    metric(frames, frames[:1])
  with pytest.raises(ValueError, match=r"got shape \(176, 176, 3\)"):
    metric(frames[0], frames[0])
  with pytest.raises(ValueError, match="uint8"):
    metric(frames.astype(np.uint8), frames.astype(np.uint8))


@pytest.mark.parametrize(
  ("metric", "least"), [(ssim, 11), (ssim_matlab, 11), (ssim_skimage, 7), (ms_ssim, 176)]
)
def test_ssim_refuses_frames_smaller_than_its_window(metric, least: int):
  frames = np.zeros((1, least - 1, 200, 3), np.float32)
  match = rf"{metric.__name__}: .*at least {least} x {least}.*\(1, {least - 1}, 200, 3\)"
  with pytest.raises(ValueError, match=match):
    metric(frames, frames)


def test_ssim_matlab_refuses_what_has_no_grey():
  frames = np.zeros((1, 16, 16, 4), np.float32)
  with pytest.raises(ValueError, match="RGB or grey"):
    ssim_matlab(frames, frames)
