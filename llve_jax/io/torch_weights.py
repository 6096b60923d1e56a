"""Tensors of a PyTorch file (.pth, .pt), read without PyTorch and without running what it holds.

Both formats of `torch.save`: the zip archive (since version 1.6) and the older row of pickles, in
which many published weights still come. A pickle can run any code; here it may only build plain
containers and say which tensor lies where.
"""

import collections
import io
import math
import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Shaped

from llve_jax.errors import UserError
from llve_jax.io import unpickle

Tensors = dict[str, Shaped[np.ndarray, "..."]]

_MAGIC = 0x1950A86A20F9469CFC6C  # first number in a file of the older format
_MOST_PICKLE = 64 << 20  # bytes; a state of 10,000 tensors takes 2 MiB
_MOST_NODES = 1_000_000
_DEEPEST = 16
_BFLOAT16 = "bfloat16"
_STORAGES = {
  "FloatStorage": "<f4",
  "DoubleStorage": "<f8",
  "HalfStorage": "<f2",
  "BFloat16Storage": _BFLOAT16,
  "LongStorage": "<i8",
  "IntStorage": "<i4",
  "ShortStorage": "<i2",
  "CharStorage": "|i1",
  "ByteStorage": "|u1",
  "BoolStorage": "|b1",
}


def read_tensors(path: str | os.PathLike[str]) -> Tensors:
  """All tensors of a file by name, as read-only arrays; other values (numbers, text) are left out.

  Names of nested containers are joined by dots: `{"model": {"a.weight": x}}` gives
  "model.a.weight". bfloat16 becomes float32, every other type stays.

  Raises:
    UserError: no such file, a damaged or other one, or a pickle that names any class or function
      but tensors and OrderedDict; that one is named, and it is neither imported nor called.
  """
  path = Path(path)
  try:
    with path.open("rb") as file:
      tree, storages = (_read_archive if zipfile.is_zipfile(file) else _read_legacy)(file)
      return {name: leaf.array(storages) for name, leaf in _tensors(tree)}
  except OSError as error:
    raise UserError(
      f"{path}: expected a readable PyTorch file; found {error.strerror or error}; check the path"
    ) from error
  except unpickle.RefusedError as error:
    raise UserError(
      f"{path}: expected tensors in plain containers; found {error}, which is not loaded, since a "
      "pickle can run any code; save the tensors alone: torch.save(model.state_dict(), ...)"
    ) from None
  except Exception as error:  # damaged bytes make the unpickler raise almost anything
    raise UserError(
      f"{path}: expected what torch.save writes; found damaged or other data "
      f"({type(error).__name__}: {error}); fetch the file again"
    ) from error


class _Storage(NamedTuple):  # a tuple, since a pickle may set the attributes of other objects
  """One row of numbers, of which a file holds several."""

  key: str
  kind: str
  length: int

  @property
  def size_in_bytes(self) -> int:
    return self.length * (2 if self.kind == _BFLOAT16 else np.dtype(self.kind).itemsize)

  def decode(self, data: bytes) -> Shaped[np.ndarray, "length"]:
    if self.kind != _BFLOAT16:
      return np.frombuffer(data, self.kind)
    # The upper half of a float32.
    widened = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    widened.flags.writeable = False
    return widened


class _Tensor(NamedTuple):
  """Where a tensor lies in its storage; sizes and strides count elements."""

  storage: _Storage
  offset: int
  size: tuple[int, ...]
  stride: tuple[int, ...]

  def array(self, storages: Mapping[str, np.ndarray]) -> Shaped[np.ndarray, "..."]:
    numbers = (self.offset, *self.size, *self.stride)
    whole = all(type(number) is int and number >= 0 for number in numbers)
    if not whole or len(self.size) != len(self.stride):
      raise ValueError(f"a tensor of size {self.size}, stride {self.stride}")
    count = math.prod(self.size)
    last = sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
    data = storages[self.storage.key]
    # `count` too: a stride of 0 would make much out of little.
    if count > data.size or (count and self.offset + last >= data.size):
      raise ValueError(f"a tensor of size {self.size} in {data.size} numbers")
    if not count:
      return np.zeros(self.size, data.dtype)
    strides = tuple(step * data.itemsize for step in self.stride)
    return np.lib.stride_tricks.as_strided(data[self.offset :], self.size, strides, writeable=False)


class _Function:
  """What a pickle calls instead of PyTorch's functions; it has no attributes to overwrite."""

  __slots__ = ()


class _RebuildTensor(_Function):
  __slots__ = ()

  def __call__(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
      raise pickle.UnpicklingError("a tensor without a storage")
    return _Tensor(storage, offset, tuple(size), tuple(stride))


class _RebuildParameter(_Function):
  __slots__ = ()

  def __call__(self, tensor: Any, *_: Any) -> Any:
    return tensor


class _MakeSize(_Function):
  __slots__ = ()

  def __call__(self, sizes: Any) -> tuple[Any, ...]:
    return tuple(sizes)


_ALLOWED: dict[str, Any] = {
  "collections.OrderedDict": collections.OrderedDict,
  "torch._utils._rebuild_tensor": _RebuildTensor(),
  "torch._utils._rebuild_tensor_v2": _RebuildTensor(),
  "torch._utils._rebuild_parameter": _RebuildParameter(),
  "torch.Size": _MakeSize(),
} | {f"torch.{name}": kind for name, kind in _STORAGES.items()}


class _TensorUnpickler(unpickle.Unpickler):
  """Builds containers and `_Tensor`s; `storages` collects what they lie in."""

  def __init__(self, file: BinaryIO) -> None:
    super().__init__(file, _ALLOWED, encoding="utf-8")
    self.storages: dict[str, _Storage] = {}

  def persistent_load(self, pid: Any) -> _Storage:
    tag, kind, key, _, count, *view = pid
    known = kind in _STORAGES.values() and isinstance(key, str) and type(count) is int
    if tag != "storage" or not known or count < 0 or any(view):
      raise pickle.UnpicklingError(f"an unknown storage {pid!r}")
    storage = _Storage(key, kind, count)
    if self.storages.setdefault(key, storage) != storage:
      raise pickle.UnpicklingError(f"two storages named {key!r}")
    return storage


Contents = tuple[Any, dict[str, np.ndarray]]


def _read_archive(file: BinaryIO) -> Contents:
  """The zip format: ROOT/data.pkl, and each storage as ROOT/data/KEY."""
  size = os.fstat(file.fileno()).st_size
  with zipfile.ZipFile(file) as archive:
    members = {info.filename: info for info in archive.infolist()}
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
      raise ValueError("compressed members, which torch.save never writes")
    if sum(info.file_size for info in members.values()) > size:
      raise ValueError("members larger than the file")
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1 or members[pickles[0]].file_size > _MOST_PICKLE:
      raise ValueError(f"{len(pickles)} pickles named data.pkl, or one that is too large")
    root = pickles[0].removesuffix("data.pkl")
    order = members.get(root + "byteorder")
    if order is not None and archive.read(order) != b"little":
      raise ValueError("big-endian numbers")
    unpickler = _TensorUnpickler(io.BytesIO(archive.read(pickles[0])))
    tree = unpickler.load()
    storages = {}
    for key, storage in unpickler.storages.items():
      info = members[f"{root}data/{key}"]
      if info.file_size != storage.size_in_bytes:
        raise ValueError(f"a storage of {info.file_size} bytes; expected {storage.size_in_bytes}")
      storages[key] = storage.decode(archive.read(info))
  return tree, storages


def _read_legacy(file: BinaryIO) -> Contents:
  """The older format: pickles of three headers, the contents and the keys; then the storages."""
  file.seek(0)
  size = os.fstat(file.fileno()).st_size
  if _TensorUnpickler(file).load() != _MAGIC:
    raise ValueError("neither a zip archive nor the older format")
  version, system = _TensorUnpickler(file).load(), _TensorUnpickler(file).load()
  if version != 1001 or not system["little_endian"]:
    raise ValueError(f"version {version}, {system}")
  unpickler = _TensorUnpickler(file)
  tree = unpickler.load()
  storages = {}
  for key in _TensorUnpickler(file).load():
    storage = unpickler.storages[key]
    count = int.from_bytes(file.read(8), "little")
    if count != storage.length or storage.size_in_bytes > size - file.tell():
      raise ValueError(f"a storage of {count} numbers; expected {storage.length}, or a short file")
    storages[key] = storage.decode(file.read(storage.size_in_bytes))
  return tree, storages


def _tensors(tree: Any) -> Iterator[tuple[str, _Tensor]]:
  """Every tensor with its name, in the file's order; bounded, since containers may share parts."""
  left = _MOST_NODES
  stack: list[tuple[tuple[str, ...], Any]] = [((), tree)]
  while stack:
    name, node = stack.pop()
    left -= 1
    if not left or len(name) > _DEEPEST:
      raise ValueError("containers nested without end")
    if isinstance(node, _Tensor):
      yield ".".join(name), node
    elif isinstance(node, dict | list | tuple):
      items = dict.items(node) if isinstance(node, dict) else enumerate(node)
      stack += reversed([((*name, str(key)), value) for key, value in items])
