"""Imported SCI against loops in numpy over the tensors of the file, in PyTorch's layout."""

import jax
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.torch_weights import read_tensors
from llve_jax.models.sci import SCI
from llve_jax.zoo import importers
from llve_jax.zoo.import_sci import convert


def reference(tensors, frame, conv, blocks=1):
  """The published program after training on a frame [h, w, 3], in float64."""

  def layer(name, x):
    return conv(x, tensors[f"enhance.{name}.weight"], tensors[f"enhance.{name}.bias"])

  x = frame.transpose(2, 0, 1).astype(np.float64)
  y = np.maximum(layer("in_conv.0", x), 0)
  for block in range(blocks):
    part = layer(f"blocks.{block}.0", y)
    weight, bias, mean, variance = (
      tensors[f"enhance.blocks.{block}.1.{name}"][:, None, None].astype(np.float64)
      for name in ("weight", "bias", "running_mean", "running_var")
    )
    y = y + np.maximum((part - mean) / np.sqrt(variance + 1e-5) * weight + bias, 0)
  added = 1 / (1 + np.exp(-layer("out_conv.0", y)))
  illumination = np.clip(added + x, 0.0001, 1)
  return np.clip(x / illumination, 0, 1).transpose(1, 2, 0), illumination.transpose(1, 2, 0)


def random_tensors(features=4, blocks=2):
  random = np.random.default_rng(0)

  def some(*shape):
    return (0.4 * random.normal(size=shape)).astype(np.float32)

  tensors = {"calibrate.in_conv.0.weight": some(16, 3, 3, 3)}
  for name, inputs, outputs in (("in_conv", 3, features), ("out_conv", features, 3)):
    tensors[f"enhance.{name}.0.weight"] = some(outputs, inputs, 3, 3)
    tensors[f"enhance.{name}.0.bias"] = some(outputs)
  shared = {"0.weight": some(features, features, 3, 3), "0.bias": some(features)}
  shared |= {f"1.{name}": some(features) for name in ("weight", "bias", "running_mean")}
  shared["1.running_var"] = np.abs(some(features)) + np.float32(0.1)
  shared["1.num_batches_tracked"] = np.int64(7)
  for place in ("conv", *(f"blocks.{block}" for block in range(blocks))):
    tensors |= {f"enhance.{place}.{name}": value for name, value in shared.items()}
  return tensors


SMALL = SCI(features=4, blocks=2)


def test_random_weights_give_the_output_of_the_published_program(torch_conv):
  tensors = random_tensors()
  clip = np.random.default_rng(1).random((1, 2, 9, 12, 3), dtype=np.float32)
  result = jax.jit(SMALL.apply)(convert(tensors, SMALL), clip)
  for index, frame in enumerate(clip[0]):
    expected, illumination = reference(tensors, frame, torch_conv, 2)
    np.testing.assert_allclose(result["illumination"][0, index], illumination, atol=1e-5)
    np.testing.assert_allclose(result["clip"][0, index], expected, atol=1e-5)


@pytest.mark.parametrize("level", ["easy", "medium", "difficult"])
def test_published_weights_give_the_output_of_the_published_program(
  published, real_frames, torch_conv, level
):
  path = published(f"sci_{level}.pt")
  tensors = read_tensors(path)
  network = importers.load(path, "sci")
  apply = jax.jit(network.module.apply)
  random = np.random.default_rng(1).random(real_frames[:1].shape, dtype=np.float32)
  for frame in (*random, *real_frames):
    expected, illumination = reference(tensors, frame, torch_conv)
    found = apply(network.variables, frame[None, None])
    assert np.abs(found["clip"][0, 0] - expected).max() < 1e-4
    assert np.abs(found["illumination"][0, 0] - illumination).max() < 1e-4
  assert expected.mean() > 1.2 * frame.mean()  # a real one is brightened


def test_weights_of_another_architecture_name_the_first_mismatches():
  tensors = random_tensors()
  message = r"a\.pt: .*enhance\.blocks\.1\.0\.weight is surplus; .*and \d more"
  with pytest.raises(UserError, match=message):
    convert(tensors, SCI(features=4), source="a.pt")
  message = r"in_conv\.0\.weight has shape \(4, 3, 3, 3\), expected \(3, 3, 3, 3\)"
  with pytest.raises(UserError, match=message):
    convert(tensors, SCI(blocks=2))


def test_blocks_that_do_not_share_their_weights_are_refused():
  tensors = random_tensors()
  tensors["enhance.blocks.1.0.bias"] = tensors["enhance.blocks.1.0.bias"] + np.float32(1)
  with pytest.raises(UserError, match=r"blocks\.1\.0\.bias differs from enhance\.conv\.0\.bias"):
    convert(tensors, SMALL)
