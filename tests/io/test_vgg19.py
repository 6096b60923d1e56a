"""VGG-19's weights in every format, written by the libraries they belong to."""

import h5py
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from llve_jax.errors import UserError
from llve_jax.io import torch_weights, vgg19
from llve_jax.io.vgg19 import VGG19_WIDTHS, load_vgg19

FIRST = ("conv1_1", "conv1_2", "conv2_1")


@pytest.fixture(scope="module")
def arrays():
  """The first three layers, as HWIO kernels and biases."""
  rng = np.random.default_rng(0)
  return {
    name: (
      rng.normal(size=(3, 3, *VGG19_WIDTHS[name])).astype(np.float32),
      rng.normal(size=VGG19_WIDTHS[name][1]).astype(np.float32),
    )
    for name in FIRST
  }


def keras_name(name):
  return f"block{name[4]}_conv{name[6]}"


def torchvision(arrays):
  found = {}
  for name, index in zip(FIRST, (0, 2, 5), strict=True):
    found[f"features.{index}.weight"] = np.ascontiguousarray(arrays[name][0].transpose(3, 2, 0, 1))
    found[f"features.{index}.bias"] = arrays[name][1]
  return found | {"classifier.0.weight": np.zeros((4, 4), np.float32)}


def check(weights, arrays, scale, swapped):
  assert list(weights) == [*FIRST, "input"]
  for name in FIRST:
    kernel, bias = arrays[name]
    kernel = kernel[:, :, ::-1] if swapped and name == "conv1_1" else kernel
    np.testing.assert_array_equal(weights[name]["kernel"], kernel)
    np.testing.assert_array_equal(weights[name]["bias"], bias)
    assert not weights[name]["kernel"].flags.writeable
  np.testing.assert_allclose(weights["input"]["scale"], scale, rtol=1e-6)


def check_caffe(weights, arrays):
  check(weights, arrays, 255.0, swapped=True)
  # Keras takes these off blue, green and red; red comes first here.
  np.testing.assert_allclose(weights["input"]["offset"], [-123.68, -116.779, -103.939])


def check_imagenet(weights, arrays):
  check(weights, arrays, 1 / np.array([0.229, 0.224, 0.225]), swapped=False)
  grey = np.array([0.485, 0.456, 0.406]) * weights["input"]["scale"] + weights["input"]["offset"]
  np.testing.assert_allclose(grey, np.zeros(3), atol=1e-6)


def test_npz_of_keras_names(tmp_path, arrays):
  path = tmp_path / "x.npz"
  np.savez(
    path,
    **{f"{keras_name(n)}/kernel": kernel for n, (kernel, _) in arrays.items()},
    **{f"{keras_name(n)}/bias": bias for n, (_, bias) in arrays.items()},
  )
  check_caffe(load_vgg19(path), arrays)


def test_npz_of_torchvision_names(tmp_path, arrays):
  np.savez(tmp_path / "x.npz", **torchvision(arrays))
  check_imagenet(load_vgg19(tmp_path / "x.npz"), arrays)


def test_safetensors(tmp_path, arrays):
  save_file(torchvision(arrays), tmp_path / "x.safetensors")
  check_imagenet(load_vgg19(tmp_path / "x.safetensors"), arrays)


def test_pth(tmp_path, arrays, monkeypatch):
  (tmp_path / "x.pth").touch()
  monkeypatch.setattr(torch_weights, "read_tensors", lambda _: torchvision(arrays))
  check_imagenet(load_vgg19(tmp_path / "x.pth"), arrays)


def test_a_pth_with_code_is_refused(tmp_path):
  (tmp_path / "x.pth").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
  with pytest.raises(UserError, match=r"os\.system"):
    load_vgg19(tmp_path / "x.pth")


@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
def test_h5_that_keras_wrote(tmp_path, arrays, suffix):
  # .h5 is the older layout, by the layers' names; .weights.h5 numbers them.
  tf.keras.backend.clear_session()
  x = inputs = tf.keras.Input((None, None, 3))
  for name in FIRST:
    x = tf.keras.layers.Conv2D(VGG19_WIDTHS[name][1], 3, name=keras_name(name))(x)
  model = tf.keras.Model(inputs, x)
  for name in FIRST:
    model.get_layer(keras_name(name)).set_weights(arrays[name])
  path = tmp_path / f"x{suffix}"
  if suffix == ".h5":
    model.save(path)
  else:
    model.save_weights(path)
  check_caffe(load_vgg19(path), arrays)


def test_h5_as_keras_published_it(tmp_path, arrays):
  # vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5, of 2016.
  with h5py.File(tmp_path / "x.h5", "w") as file:
    for name in FIRST:
      group = file.create_group(keras_name(name))
      for letter, array in zip("Wb", arrays[name], strict=True):
        group[f"{keras_name(name)}_{letter}_1:0"] = array
    file.create_group("block1_pool")
  check_caffe(load_vgg19(tmp_path / "x.h5"), arrays)


def test_the_widths_are_vgg19s():
  total = sum(9 * before * after + after for before, after in VGG19_WIDTHS.values())
  assert len(VGG19_WIDTHS) == 16
  assert total == 20_024_384  # what Keras reports for VGG-19 without its top


def test_another_network_is_refused(tmp_path, arrays):
  wrong = torchvision(arrays)  # as VGG-19 with batch norm: the second convolution is features.3
  wrong["features.2.weight"] = np.zeros((64, 3, 3, 3), np.float32)
  np.savez(tmp_path / "a.npz", **wrong)
  with pytest.raises(UserError, match=r"a\.npz: expected conv1_2.*\(3, 3, 64, 64\).*features\.2"):
    load_vgg19(tmp_path / "a.npz")
  np.savez(tmp_path / "b.npz", **{"layer1.weight": np.zeros(3)})
  with pytest.raises(UserError, match=r"b\.npz: expected VGG-19.*found layer1\.weight.*https://"):
    load_vgg19(tmp_path / "b.npz")


def test_missing_files_say_where_to_get_one(tmp_path, monkeypatch):
  monkeypatch.delenv(vgg19.VGG19_VARIABLE, raising=False)
  with pytest.raises(UserError, match=r"LLVE_VGG19.*https://"):
    load_vgg19()
  monkeypatch.setenv(vgg19.VGG19_VARIABLE, str(tmp_path / "none.h5"))
  with pytest.raises(UserError, match=r"none\.h5.*no such file.*https://"):
    load_vgg19()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".h5", ".pth", ".onnx"])
def test_damaged_and_unknown_files_are_refused(tmp_path, suffix):
  path = tmp_path / f"x{suffix}"
  path.write_bytes(b"neither weights nor anything else" * 10)
  with pytest.raises(UserError, match=rf"x\{suffix}"):
    load_vgg19(path)


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path, arrays):
  path = tmp_path / "x.npz"
  np.savez(path, **torchvision(arrays))
  first = load_vgg19(path)
  assert load_vgg19(str(path)) is first
  changed = torchvision(arrays)
  changed["features.0.bias"] = changed["features.0.bias"] + 1
  np.savez(path, **changed)
  again = load_vgg19(path)
  np.testing.assert_allclose(again["conv1_1"]["bias"], first["conv1_1"]["bias"] + 1)
