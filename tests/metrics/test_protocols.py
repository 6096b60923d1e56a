import cv2
import numpy as np
import pytest
import tensorflow as tf
from skimage import img_as_ubyte
from skimage.metrics import structural_similarity

from llve_jax.errors import UserError
from llve_jax.metrics import image, protocols
from llve_jax.metrics.perceptual import lpips


def frames(count: int, height: int = 16, width: int = 20) -> tuple[np.ndarray, np.ndarray]:
  random = np.random.default_rng(0)
  target = random.integers(0, 256, (count, height, width, 3))
  pred = np.clip(target + random.integers(-40, 41, target.shape), 0, 255)
  return pred.astype(np.uint8), target.astype(np.uint8)


def test_every_protocol_knows_its_name_and_fits_on_one_line():
  for name, protocol in protocols.PROTOCOLS.items():
    assert protocols.get(name) is protocol
    assert protocol.name == name
    assert protocol.description
    assert "\n" not in protocol.description


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8])
def test_plain_equals_tensorflow_on_8_bit_frames_whatever_the_batch(batch: int):
  pred, target = frames(5)
  scores = protocols.score_frames(protocols.get("plain"), pred, target, batch=batch)
  assert list(scores) == ["psnr", "ssim"]
  psnr = tf.image.psnr(pred, target, max_val=255).numpy()
  ssim = tf.image.ssim(tf.constant(pred), tf.constant(target), max_val=255).numpy()
  np.testing.assert_allclose(scores["psnr"], psnr, rtol=0, atol=1e-4)
  np.testing.assert_allclose(scores["ssim"], ssim, rtol=0, atol=1e-5)


def test_large_frames_go_one_by_one_and_the_last_batch_compiles_nothing_new(monkeypatch):
  pred, target = frames(5)
  expected = protocols.score_frames(protocols.get("plain"), pred, target)
  shapes = []
  original = protocols._score

  def spy(protocol, pred, target):
    shapes.append(pred.shape[0])
    return original(protocol, pred, target)

  monkeypatch.setattr(protocols, "_score", spy)
  protocols.score_frames(protocols.get("plain"), pred, target, batch=2)
  assert shapes == [2, 2, 2]
  shapes.clear()
  monkeypatch.setattr(protocols, "_PIXELS_AT_ONCE", 16 * 20)
  found = protocols.score_frames(protocols.get("plain"), pred, target)
  assert shapes == [1] * 5
  np.testing.assert_allclose(found["ssim"], expected["ssim"], rtol=1e-6)


def test_identical_frames_have_infinite_psnr_in_every_batch():
  _, target = frames(5, 40, 33)
  scores = protocols.score_frames(protocols.get("plain"), target, target.copy(), batch=2)
  assert np.isposinf(scores["psnr"]).all()
  np.testing.assert_allclose(scores["ssim"], 1.0, atol=1e-6)


def test_frames_that_do_not_fit_are_refused():
  pred, target = frames(2)
  with pytest.raises(ValueError, match=r"\(1, 16, 20, 3\).*\(2, 16, 20, 3\)"):
    protocols.score_frames(protocols.get("plain"), pred[:1], target)
  with pytest.raises(ValueError, match="float32"):
    protocols.score_frames(protocols.get("plain"), pred.astype(np.float32), target)


def test_an_unknown_protocol_lists_the_known():
  with pytest.raises(UserError, match=r"'fancy'.*plain"):
    protocols.get("fancy")


@pytest.mark.parametrize("name", ["gt_mean", "GT-mean", "gtmean"])
def test_a_bare_gt_mean_is_refused_with_the_reason(name: str):
  with pytest.raises(UserError, match="several different things"):
    protocols.get(name)


def warm(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
  """Targets, and predictions that are too dark and too red: where the GT-means differ."""
  random = np.random.default_rng(7)
  base = cv2.GaussianBlur(random.uniform(size=(24, 30, 3 * count)), (0, 0), 1.5)
  base = (base - base.min()) / (base.max() - base.min())
  target = np.rint(255 * np.stack(np.split(base, count, axis=-1))).astype(np.uint8)
  tint = np.array([0.85, 0.6, 0.4]) * np.linspace(0.8, 1.3, count).reshape(-1, 1, 1, 1)
  pred = target * tint + random.normal(0, 6, target.shape)
  return np.clip(np.rint(pred), 0, 255).astype(np.uint8), target


def psnr_of(pred: np.ndarray, target: np.ndarray, peak: float) -> float:
  return 10 * np.log10(peak**2 / np.mean((pred.astype(np.float64) - target) ** 2))


def ssim_of(pred: np.ndarray, target: np.ndarray) -> float:
  """What the programs call the same as MATLAB's: per channel, Gaussian window, range 255."""
  return structural_similarity(
    pred.astype(np.float64),
    target.astype(np.float64),
    data_range=255,
    channel_axis=-1,
    gaussian_weights=True,
    sigma=1.5,
    use_sample_covariance=False,
  )


def by_retinexformer(pred: np.ndarray, target: np.ndarray) -> tuple[float, float]:
  """Its steps with OpenCV and scikit-image: RGB floats, but COLOR_BGR2GRAY."""
  restored, truth = (each.astype(np.float32) for each in (pred, np.float32(target) / 255))
  if pred.dtype == np.uint8:
    restored = restored / np.float32(255)
  means = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY).mean() for each in (truth, restored)]
  restored = np.clip(restored * (means[0] / means[1]), 0, 1)
  return psnr_of(restored, truth, 1), ssim_of(img_as_ubyte(restored), img_as_ubyte(truth))


def by_cidnet(pred: np.ndarray, target: np.ndarray) -> tuple[float, float]:
  """Its steps: 8-bit RGB with COLOR_RGB2GRAY; the scaled prediction is not rounded again."""
  means = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).mean() for each in (target, pred)]
  scaled = np.clip(pred * (means[0] / means[1]), 0, 255)
  return psnr_of(scaled, target, 255), ssim_of(scaled, target)


def by_gsad(pred: np.ndarray, target: np.ndarray) -> tuple[float, float]:
  """Its steps: BGR from 8 bits, COLOR_BGR2GRAY of floats, cut off to 8 bits, SSIM by default."""
  bgr = [each[..., ::-1] / 255.0 for each in (pred, target)]
  means = [cv2.cvtColor(each.astype(np.float32), cv2.COLOR_BGR2GRAY).mean() for each in bgr]
  scaled = (np.clip(bgr[0] * (means[1] / means[0]), 0, 1) * 255).astype(np.uint8)
  truth = (bgr[1] * 255).astype(np.uint8)
  return psnr_of(scaled, truth, 255), structural_similarity(scaled, truth, channel_axis=-1)


PROGRAMS = {
  "gt_mean_retinexformer": by_retinexformer,
  "gt_mean_cidnet": by_cidnet,
  "gt_mean_gsad": by_gsad,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_gt_mean_equals_its_program_written_with_opencv(name: str):
  pred, target = warm()
  scores = protocols.score_frames(protocols.get(name), pred, target)
  expected = np.array([PROGRAMS[name](a, b) for a, b in zip(pred, target, strict=True)])
  np.testing.assert_allclose(scores["psnr"], expected[:, 0], rtol=0, atol=2e-3)
  np.testing.assert_allclose(scores["ssim"], expected[:, 1], rtol=0, atol=2e-4)


def test_the_gt_means_are_different_numbers_and_add_to_plain():
  pred, target = warm()
  psnr = {
    name: protocols.score_frames(protocols.get(name), pred, target)["psnr"].mean()
    for name in ("plain", *PROGRAMS)
  }
  values = list(psnr.values())
  assert min(abs(a - b) for i, a in enumerate(values) for b in values[:i]) > 0.01
  assert min(psnr, key=lambda name: psnr[name]) == "plain"


@pytest.mark.parametrize("name", PROGRAMS)
def test_gt_mean_of_equal_and_of_black_frames(name: str):
  _, target = warm()
  protocol = protocols.get(name)
  assert np.isposinf(protocols.score_frames(protocol, target, target)["psnr"]).all()
  black = protocols.score_frames(protocol, np.zeros_like(target), target)
  plain = protocols.score_frames(protocols.get("plain"), np.zeros_like(target), target)
  np.testing.assert_allclose(black["psnr"], plain["psnr"], rtol=1e-5)


def test_float_protocols_take_what_was_never_rounded():
  pred, target = warm()
  random = np.random.default_rng(0)
  floats = np.clip(pred / 255 + random.uniform(-0.4, 0.4, pred.shape) / 255, 0, 1)
  floats = floats.astype(np.float32)
  plain_float = protocols.get("plain_float")
  found = protocols.score_frames(plain_float, floats, target)
  expected = tf.image.psnr(floats, target.astype(np.float32) / 255, 1.0).numpy()
  np.testing.assert_allclose(found["psnr"], expected, rtol=0, atol=1e-4)
  saved = protocols.score_frames(protocols.get("plain"), pred, target)
  assert np.abs(found["psnr"] - saved["psnr"]).max() > 1e-4
  again = protocols.score_frames(plain_float, pred, target)
  np.testing.assert_array_equal(again["psnr"], saved["psnr"])
  matched = protocols.score_frames(protocols.get("gt_mean_retinexformer"), floats, target)
  numbers = np.array([by_retinexformer(a, b) for a, b in zip(floats, target, strict=True)])
  np.testing.assert_allclose(matched["psnr"], numbers[:, 0], rtol=0, atol=2e-3)
  for name, protocol in protocols.PROTOCOLS.items():
    if not protocol.floats:
      with pytest.raises(ValueError, match=f"{name} takes uint8 frames, got float32"):
        protocols.score_frames(protocol, floats, target)
  with pytest.raises(ValueError, match="targets, got float32"):
    protocols.score_frames(plain_float, floats, floats)


def test_the_border_is_cut_off_first():
  pred, target = frames(2, 40, 33)
  found = protocols.score_frames(protocols.get("plain_crop8"), pred, target)
  cut = np.s_[:, 8:-8, 8:-8]
  expected = protocols.score_frames(protocols.get("plain"), pred[cut], target[cut])
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, rtol=1e-6)


def test_the_other_conventions_of_ssim_have_protocols():
  pred, target = frames(2, 24, 33)
  scores = {
    name: protocols.score_frames(protocols.get(name), pred, target)
    for name in ("plain", "plain_skimage", "plain_matlab")
  }
  units = [clip.astype(np.float32) / 255 for clip in (pred, target)]
  np.testing.assert_allclose(
    scores["plain_skimage"]["ssim"], image.ssim_skimage(*units), rtol=0, atol=1e-6
  )
  np.testing.assert_allclose(
    scores["plain_matlab"]["ssim"], image.ssim_matlab(*units), rtol=0, atol=1e-6
  )
  for name in scores:
    np.testing.assert_array_equal(scores[name]["psnr"], scores["plain"]["psnr"])


@pytest.mark.parametrize(
  ("name", "count", "kept"),
  [
    ("plain", 3, range(3)),
    ("first30", 40, range(30)),
    ("first30", 12, range(12)),
    ("frame5", 9, range(4, 5)),
    ("frame5", 5, range(4, 5)),
  ],
)
def test_which_frames_of_a_clip_count(name: str, count: int, kept: range):
  assert protocols.get(name).kept(count, "a") == kept


def test_a_clip_too_short_for_its_protocol_is_named():
  with pytest.raises(UserError, match=r"clip street: protocol frame5 .*has 4 frame"):
    protocols.get("frame5").kept(4, "street")


def test_further_metrics_leave_the_protocol_its_name():
  pred, target = frames(2)
  protocol = protocols.get("plain").with_metrics(error=lambda a, b: abs(a - b).mean((1, 2, 3)))
  scores = protocols.score_frames(protocol, pred, target)
  assert list(scores) == ["psnr", "ssim", "error"]
  assert protocol.name == "plain"
  expected = np.abs(pred / 255 - target / 255).mean((1, 2, 3))
  np.testing.assert_allclose(scores["error"], expected, rtol=1e-5)
  assert list(protocols.get("plain").metrics) == ["psnr", "ssim"]


def test_lpips_is_a_metric_like_others():
  pred, target = frames(2, 35, 40)
  protocol = protocols.get("plain").with_metrics(lpips_alex=lpips)
  found = protocols.score_frames(protocol, pred, target)["lpips_alex"]
  expected = lpips(pred.astype(np.float32) / 255, target.astype(np.float32) / 255)
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_sid_s_naive_row_is_scaled_to_the_mean_of_the_target():
  pred, target = frames(2)
  pred //= 3
  scale = target.mean((1, 2, 3), keepdims=True) / pred.mean((1, 2, 3), keepdims=True)
  matched = np.clip(np.round(pred * scale), 0, 255).astype(np.uint8)
  expected = tf.image.psnr(matched, target, 255).numpy()
  found = protocols.score_frames(protocols.get("gt_mean_sid"), pred, target)
  np.testing.assert_allclose(found["psnr"], expected, rtol=1e-4)
