"""PyTorch's files: some it wrote itself, others written here byte by byte as it does."""

import collections
import io
import os
import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.torch_weights import read_tensors

DATA = os.environ.get("LLVE_TEST_DATA")
KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage", "u1": "ByteStorage"}


@pytest.fixture
def torch(monkeypatch):
  """The names PyTorch's pickles hold, so that `pickle` writes them; removed before reading."""
  package, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
  for name in (*KINDS.values(), "BFloat16Storage"):
    setattr(package, name, type(name, (), {"__module__": "torch"}))

  def _rebuild_tensor_v2():
    raise AssertionError("called")

  _rebuild_tensor_v2.__module__ = "torch._utils"
  _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
  utils._rebuild_tensor_v2 = _rebuild_tensor_v2
  monkeypatch.setitem(sys.modules, "torch", package)
  monkeypatch.setitem(sys.modules, "torch._utils", utils)
  return package


class Tensor:
  def __init__(self, data, kind=None, offset=0, size=None, stride=None):
    self.data = np.asarray(data, order="C")
    self.kind = kind or KINDS[self.data.dtype.str[1:]]
    self.offset = offset
    self.size = self.data.shape if size is None else size
    if stride is None:
      stride = tuple(step // self.data.itemsize for step in self.data.strides)
    self.stride = stride


class Storage:
  def __init__(self, tensor, key):
    self.tensor, self.key = tensor, key


def contents(tree):
  """(pickle of the tree, {key: bytes})."""
  storages, buffer = {}, io.BytesIO()

  class Pickler(pickle.Pickler):
    def persistent_id(self, value):
      if not isinstance(value, Storage):
        return None
      kind = getattr(sys.modules["torch"], value.tensor.kind)
      return ("storage", kind, value.key, "cpu", value.tensor.data.size)

    def reducer_override(self, value):
      if not isinstance(value, Tensor):
        return NotImplemented
      key = str(len(storages))
      storages[key] = value.data.tobytes()
      rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
      hooks = collections.OrderedDict()
      return rebuild, (Storage(value, key), value.offset, value.size, value.stride, False, hooks)

  Pickler(buffer, 2).dump(tree)
  return buffer.getvalue(), storages


def write_archive(path, tree, compression=zipfile.ZIP_STORED, order=b"little"):
  data, storages = contents(tree)
  with zipfile.ZipFile(path, "w", compression) as archive:
    archive.writestr("archive/data.pkl", data)
    archive.writestr("archive/byteorder", order)
    for key, numbers in storages.items():
      archive.writestr(f"archive/data/{key}", numbers)
  return path


def write_legacy(path, tree):
  data, storages = contents(tree)
  with open(path, "wb") as file:
    for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
      pickle.dump(header, file, 2)
    file.write(data)
    pickle.dump(sorted(storages), file, 2)
    for key in sorted(storages):
      kind = tree[list(tree)[int(key)]].data.itemsize
      file.write((len(storages[key]) // kind).to_bytes(8, "little") + storages[key])
  return path


def state():
  rng = np.random.default_rng(0)
  return collections.OrderedDict(
    weight=rng.normal(size=(4, 3, 2)).astype(np.float32),
    bias=rng.normal(size=5),
    steps=np.array(7),
    mask=np.arange(6, dtype=np.uint8).reshape(2, 3),
  )


@pytest.mark.parametrize("write", [write_archive, write_legacy])
def test_what_went_in_comes_out_read_only(tmp_path, torch, write):
  expected = state()
  path = write(tmp_path / "x.pth", {name: Tensor(array) for name, array in expected.items()})
  found = read_tensors(path)
  assert list(found) == list(expected)
  for name, array in expected.items():
    np.testing.assert_array_equal(found[name], array)
    assert found[name].dtype == array.dtype
    assert not found[name].flags.writeable


def test_nested_containers_transposed_tensors_and_bfloat16(tmp_path, torch):
  base = np.arange(12, dtype=np.float32).reshape(3, 4)
  halves = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype(np.uint16)
  tree = {
    "epoch": 3,
    "model": {"t": Tensor(base, size=(4, 2), stride=(1, 4), offset=4), "none": None},
    "list": [Tensor(halves, kind="BFloat16Storage"), "text", Tensor(np.zeros((0, 3)))],
  }
  found = read_tensors(write_archive(tmp_path / "x.pth", tree))
  assert list(found) == ["model.t", "list.0", "list.2"]
  np.testing.assert_array_equal(found["model.t"], base[1:].T)
  np.testing.assert_array_equal(found["list.0"], np.array([1.5, -2.0], np.float32))
  assert found["list.2"].shape == (0, 3)


class Runs:
  def __init__(self, function, *arguments):
    self.call = (function, arguments)

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize("write", [write_archive, write_legacy])
def test_code_is_named_and_not_run(tmp_path, torch, write):
  target = tmp_path / "made_by_the_pickle"
  tree = {"w": Tensor(np.zeros(2)), "x": Runs(os.mkdir, str(target))}
  path = write(tmp_path / "evil.pth", tree)
  with pytest.raises(UserError) as caught:
    read_tensors(path)
  assert f"{os.mkdir.__module__}.mkdir" in str(caught.value)
  assert "evil.pth" in str(caught.value)
  assert not target.exists()


@pytest.mark.parametrize("name", ["numpy.load", "builtins.eval", "torch.load", "torch.nn.Conv2d"])
def test_nothing_but_tensors_is_looked_up(tmp_path, name):
  module, _, attribute = name.rpartition(".")
  with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
    archive.writestr("a/data.pkl", f"c{module}\n{attribute}\n.")
  with pytest.raises(UserError, match=name):
    read_tensors(tmp_path / "x.pth")


@pytest.mark.parametrize(
  "layout",
  [
    {"size": (5,), "stride": (1,)},
    {"size": (2,), "stride": (1,), "offset": 3},
    {"size": (2,), "stride": (9,)},
    {"size": (2,), "stride": (-1,), "offset": 1},
    {"size": (2,), "stride": (1,), "offset": -1},
    {"size": (1 << 40,), "stride": (0,)},
    {"size": (2.0,), "stride": (1,)},
    {"size": (2,), "stride": ()},
  ],
)
def test_tensors_outside_their_storage_are_refused(tmp_path, torch, layout):
  path = write_archive(tmp_path / "x.pth", {"a": Tensor(np.zeros(4, np.float32), **layout)})
  with pytest.raises(UserError, match=r"x\.pth.*a tensor of size"):
    read_tensors(path)


def test_a_pickle_cannot_rewrite_what_it_builds(tmp_path, torch):
  # BUILD sets attributes: a storage that grew after it was checked would be read past its end.
  data, storages = contents({"a": Tensor(np.zeros(4, np.float32))})
  marker = b"Q"  # BINPERSID: the storage is on the stack
  patched = data.replace(marker, marker + b"}(X\x06\x00\x00\x00lengthJ\xff\xff\xff\x00ub", 1)
  assert patched != data
  with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
    archive.writestr("a/data.pkl", patched)
    archive.writestr("a/data/0", storages["0"])
  with pytest.raises(UserError, match="damaged"):
    read_tensors(tmp_path / "x.pth")


@pytest.mark.parametrize("length", [12, 20])
def test_a_storage_of_another_length_is_refused(tmp_path, torch, length):
  data, _ = contents({"a": Tensor(np.zeros(4, np.float32))})
  with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
    archive.writestr("a/data.pkl", data)
    archive.writestr("a/data/0", bytes(length))
  with pytest.raises(UserError, match=f"a storage of {length} bytes; expected 16"):
    read_tensors(tmp_path / "x.pth")


def test_endless_and_exploding_containers_are_refused(tmp_path):
  loop = []
  loop.append(loop)
  bomb = []
  for _ in range(14):
    bomb = [bomb] * 10
  for tree in (loop, bomb):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
      archive.writestr("a/data.pkl", pickle.dumps(tree))
    with pytest.raises(UserError, match="without end"):
      read_tensors(tmp_path / "x.pth")


def test_other_archives_are_refused(tmp_path, torch):
  tree = {"a": Tensor(np.zeros(4096, np.float32))}
  with pytest.raises(UserError, match="compressed"):
    read_tensors(write_archive(tmp_path / "a.pth", tree, zipfile.ZIP_DEFLATED))
  with pytest.raises(UserError, match="big-endian"):
    read_tensors(write_archive(tmp_path / "b.pth", tree, order=b"big"))
  with zipfile.ZipFile(tmp_path / "c.pth", "w") as archive:
    archive.writestr("readme.txt", "no weights")
  with pytest.raises(UserError, match=r"0 pickles named data\.pkl"):
    read_tensors(tmp_path / "c.pth")


@pytest.mark.parametrize("write", [write_archive, write_legacy])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, torch, write, kept):
  path = write(tmp_path / "x.pth", {"a": Tensor(np.zeros(4096, np.float32))})
  path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
  with pytest.raises(UserError, match=r"x\.pth: expected what torch\.save writes"):
    read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"not weights", pickle.dumps({"a": 1})])
def test_other_data_is_refused(tmp_path, content):
  (tmp_path / "x.pth").write_bytes(content)
  with pytest.raises(UserError, match=r"x\.pth.*fetch the file again"):
    read_tensors(tmp_path / "x.pth")


def test_missing_file(tmp_path):
  with pytest.raises(UserError, match=r"none\.pth.*No such file"):
    read_tensors(tmp_path / "none.pth")


@pytest.mark.skipif(DATA is None, reason="LLVE_TEST_DATA is not set: no files PyTorch wrote")
def test_published_files_have_their_published_sizes():
  folder = Path(DATA or "") / "weights"
  curves = read_tensors(folder / "zero_dce_epoch99.pth")  # the older format
  assert sum(array.size for array in curves.values()) == 79_416
  assert curves["e_conv7.weight"].shape == (24, 64, 3, 3)
  assert 1e-3 < np.abs(curves["e_conv7.weight"]).mean() < 1
  for name in ("easy", "medium", "difficult"):  # the zip format
    tensors = read_tensors(folder / f"sci_{name}.pt")
    assert all(np.isfinite(array).all() for array in tensors.values())
    assert tensors["enhance.in_conv.0.weight"].shape == (3, 3, 3, 3)
