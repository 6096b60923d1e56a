"""Imported MBLLEN against Keras: the published layer list, fed with the same arrays."""

import h5py
import jax
import numpy as np
import pytest
from tensorflow import keras

from llve_jax.errors import UserError
from llve_jax.io.keras_weights import read_tensors
from llve_jax.models.mbllen import MBLLEN
from llve_jax.zoo import importers
from llve_jax.zoo.import_mbllen import convert

FILES = ("LOL_img_lowlight", "Syn_img_lowlight", "Syn_img_lowlight_withnoise")
SMALL = {"features": 6, "depth": 3, "width": 2}


def keras_mbllen(features=32, depth=10, width=8):
  """The published network; layers are made, and so numbered, in the published order."""
  layers, plain, transposed = keras.layers, iter(range(1, 99)), iter(range(1, 99))

  def conv(x, channels, kernel, padding="same"):
    name = f"conv2d_{next(plain)}"
    return layers.Conv2D(channels, kernel, padding=padding, activation="relu", name=name)(x)

  def grow(x, channels):
    name = f"conv2d_transpose_{next(transposed)}"
    return layers.Conv2DTranspose(channels, 5, activation="relu", name=name)(x)

  x = start = keras.Input((None, None, 3))
  branches = []
  for _ in range(depth):
    x = conv(x, features, 3)
    y = conv(x, width, 3)
    for channels in (width, 2 * width, 4 * width):
      y = conv(y, channels, 5, "valid")
    for channels in (2 * width, width, 3):
      y = grow(y, channels)
    branches.append(y)
  return keras.Model(start, conv(layers.Concatenate()(branches), 3, 1))


def write(path, model):
  """In the format of `save_weights` when the weights were published: layer/layer/kernel:0."""
  with h5py.File(path, "w") as file:
    for layer in model.layers:
      for part, array in zip(("kernel", "bias"), layer.get_weights(), strict=False):
        file[f"{layer.name}/{layer.name}/{part}:0"] = array


def load_by_hand(model, path):
  with h5py.File(path) as file:
    for layer in model.layers:
      if layer.weights:
        group = file[layer.name][layer.name]
        layer.set_weights([group["kernel:0"][()], group["bias:0"][()]])


@pytest.fixture
def small():
  model = keras_mbllen(**SMALL)
  random = np.random.default_rng(0)
  for layer in model.layers:
    layer.set_weights(
      [(0.2 * random.normal(size=w.shape) + 0.02).astype(np.float32) for w in layer.get_weights()]
    )
  return model


def test_random_weights_give_the_output_of_keras(tmp_path, small):
  path = tmp_path / "small.h5"
  write(path, small)
  module = MBLLEN(**SMALL)
  variables = convert(read_tensors(path), module)
  clip = np.random.default_rng(1).random((1, 2, 15, 22, 3), dtype=np.float32)
  expected = small(clip[0]).numpy()
  assert np.unique(expected).size > 100  # the last ReLU leaves something
  found = jax.jit(module.apply)(variables, clip)["clip"][0]
  np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("name", FILES)
def test_published_weights_give_the_output_of_keras(published, real_frames, name):
  path = published(f"mbllen_{name}.h5")
  model = keras_mbllen()
  load_by_hand(model, path)
  network = importers.load(path, "mbllen")
  apply = jax.jit(network.module.apply)
  random = np.random.default_rng(1).random(real_frames.shape, dtype=np.float32)
  for frames in (random, real_frames):
    expected = model(frames).numpy()
    found = apply(network.variables, frames[None])["clip"][0]
    assert np.abs(found - expected).max() < 1e-4
  assert expected.mean() > 1.3 * frames.mean()  # the real ones are brightened


def test_weights_of_another_architecture_name_the_first_mismatches(tmp_path, small):
  path = tmp_path / "small.h5"
  write(path, small)
  tensors = read_tensors(path)
  with pytest.raises(UserError, match=r"conv2d_17/conv2d_17/kernel is missing; .*and \d+ more"):
    convert(tensors)  # of depth 10
  module = MBLLEN(**{**SMALL, "width": 3})
  message = r"conv2d_2/conv2d_2/kernel has shape \(3, 3, 6, 2\), expected \(3, 3, 6, 3\)"
  with pytest.raises(UserError, match=message):
    convert(tensors, module)
  # Shapes are those of the file, where a transposed kernel has its outputs first.
  tensors["conv2d_transpose_1/conv2d_transpose_1/kernel"] = np.zeros((5, 5, 3, 8), np.float32)
  message = r"a\.h5: .*transpose_1/kernel has shape \(5, 5, 3, 8\), expected \(5, 5, 4, 8\)"
  with pytest.raises(UserError, match=message):
    convert(tensors, MBLLEN(**SMALL), source="a.h5")
