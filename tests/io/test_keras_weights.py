import h5py
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.keras_weights import read_tensors

ARRAY = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
  return tmp_path / "weights.h5"


@pytest.mark.parametrize("root", ["", "model_weights/"])
def test_reads_every_array_by_its_path(path, root):
  with h5py.File(path, "w") as file:
    file[f"{root}conv/conv/kernel:0"] = ARRAY
    file.create_dataset(f"{root}conv/conv/bias:0", data=ARRAY[0, 0, 0], compression="gzip")
    file.create_group(f"{root}input")
    if root:
      file["optimizer_weights/step:0"] = np.int64(3)
  found = read_tensors(path)
  assert list(found) == ["conv/conv/bias", "conv/conv/kernel"]
  np.testing.assert_array_equal(found["conv/conv/kernel"], ARRAY)
  np.testing.assert_array_equal(found["conv/conv/bias"], ARRAY[0, 0, 0])


def test_what_keras_writes_is_read(tmp_path):
  """Keras 3's own format, whose names differ but whose arrays are the same."""
  from tensorflow import keras

  model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(4, 3)])
  model.save_weights(tmp_path / "a.weights.h5")
  kernel, bias = model.get_weights()
  found = {array.shape: array for array in read_tensors(tmp_path / "a.weights.h5").values()}
  np.testing.assert_array_equal(found[kernel.shape], kernel)
  np.testing.assert_array_equal(found[bias.shape], bias)


def test_links_out_of_the_file_are_not_followed(tmp_path, path):
  with h5py.File(tmp_path / "other.h5", "w") as file:
    file["secret"] = ARRAY
  with h5py.File(path, "w") as file:
    file["mine"] = ARRAY
    file["theirs"] = h5py.ExternalLink("other.h5", "/secret")
  assert list(read_tensors(path)) == ["mine"]


def external(path):
  with h5py.File(path, "w") as file:
    file.create_dataset("x", (8,), "f4", external=[("/etc/hostname", 0, 32)])


def virtual(path):
  with h5py.File(path.with_name("source.h5"), "w") as file:
    file["x"] = ARRAY
  layout = h5py.VirtualLayout((3,), "f4")
  layout[:] = h5py.VirtualSource(path.with_name("source.h5"), "x", (3,))
  with h5py.File(path, "w") as file:
    file.create_virtual_dataset("x", layout)


def huge(path):
  with h5py.File(path, "w") as file:
    file.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,))


def text(path):
  with h5py.File(path, "w") as file:
    file["x"] = "import os"


@pytest.mark.parametrize(
  ("make", "found"),
  [
    (external, "x, kept in another file"),
    (virtual, "x, kept in another file"),
    (huge, r"x, float32 of shape \(1099511627776,\)"),
    (text, r"x, object of shape \(\)"),
  ],
)
def test_what_is_no_array_of_this_file_is_refused(path, make, found):
  make(path)
  with pytest.raises(UserError, match=rf"weights\.h5: expected arrays .*found {found}"):
    read_tensors(path)


def test_no_file_and_no_hdf5(path):
  with pytest.raises(UserError, match=r"weights\.h5: no such file"):
    read_tensors(path)
  path.write_bytes(b"PK\x03\x04 not this")
  with pytest.raises(UserError, match=r"weights\.h5: expected Keras weights in HDF5"):
    read_tensors(path)


def test_a_cut_off_file_is_refused(path):
  with h5py.File(path, "w") as file:
    file["conv/kernel"] = np.zeros(10_000, np.float32)
  path.write_bytes(path.read_bytes()[:20_000])
  with pytest.raises(UserError, match="damaged or other data"):
    read_tensors(path)
