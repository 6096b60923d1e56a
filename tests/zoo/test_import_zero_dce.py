"""Imported Zero-DCE against loops in numpy over the tensors of the file, in PyTorch's layout."""

import jax
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.torch_weights import read_tensors
from llve_jax.models.zero_dce import ZeroDCE
from llve_jax.zoo import importers
from llve_jax.zoo.import_zero_dce import convert


def reference(tensors, frame, conv, iterations=8):
  """The published program on a frame [h, w, 3], in float64."""

  def layer(number, x):
    return conv(x, tensors[f"e_conv{number}.weight"], tensors[f"e_conv{number}.bias"])

  def relu(x):
    return np.maximum(x, 0)

  x = frame.transpose(2, 0, 1).astype(np.float64)
  one = relu(layer(1, x))
  two = relu(layer(2, one))
  three = relu(layer(3, two))
  four = relu(layer(4, three))
  five = relu(layer(5, np.concatenate([three, four])))
  six = relu(layer(6, np.concatenate([two, five])))
  curves = np.tanh(layer(7, np.concatenate([one, six])))
  for curve in np.split(curves, iterations):
    x = x + curve * (x**2 - x)
  return x.transpose(1, 2, 0), curves.transpose(1, 2, 0)


def random_tensors(features=5, iterations=2):
  random = np.random.default_rng(0)
  channels = [3, features, features, features, 2 * features, 2 * features, 2 * features]
  tensors = {}
  for number, inputs in enumerate(channels, start=1):
    outputs = 3 * iterations if number == 7 else features
    kernel = 0.3 * random.normal(size=(outputs, inputs, 3, 3))
    tensors[f"e_conv{number}.weight"] = kernel.astype(np.float32)
    tensors[f"e_conv{number}.bias"] = (0.1 * random.normal(size=outputs)).astype(np.float32)
  return tensors


def test_random_weights_give_the_output_of_the_published_program(torch_conv):
  tensors, module = random_tensors(), ZeroDCE(features=5, iterations=2)
  clip = np.random.default_rng(1).random((1, 2, 9, 12, 3), dtype=np.float32)
  result = jax.jit(module.apply)(convert(tensors, module), clip)
  for index, frame in enumerate(clip[0]):
    expected, curves = reference(tensors, frame, torch_conv, 2)
    np.testing.assert_allclose(result["clip"][0, index], expected, atol=1e-5)
    np.testing.assert_allclose(result["curves"][0, index], curves, atol=1e-5)


def test_published_weights_give_the_output_of_the_published_program(
  published, real_frames, torch_conv
):
  path = published("zero_dce_epoch99.pth")
  tensors = read_tensors(path)
  network = importers.load(path, "zero_dce")
  apply = jax.jit(network.module.apply)
  frames = real_frames[:3, :33, :46]  # the loops are slow
  random = np.random.default_rng(1).random(frames[:1].shape, dtype=np.float32)
  for frame in (*random, *frames):
    expected, curves = reference(tensors, frame, torch_conv)
    found = apply(network.variables, frame[None, None])
    assert np.abs(found["clip"][0, 0] - expected).max() < 1e-4
    assert np.abs(found["curves"][0, 0] - curves).max() < 1e-4
  assert expected.mean() > 1.3 * frame.mean()  # a real one is brightened


def test_weights_of_another_architecture_name_the_first_mismatches():
  tensors = random_tensors()
  message = r"e_conv1\.weight has shape \(5, 3, 3, 3\), expected \(32, 3, 3, 3\); .*and 11 more"
  with pytest.raises(UserError, match=message):
    convert(tensors)
  del tensors["e_conv4.bias"]
  tensors["e_conv8.bias"] = np.zeros(3)
  with pytest.raises(
    UserError, match=r"e_conv4\.bias is missing; e_conv8\.bias is surplus; choose"
  ):
    convert(tensors, ZeroDCE(features=5, iterations=2))
