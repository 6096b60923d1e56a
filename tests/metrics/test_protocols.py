import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.metrics import protocols


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


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
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
