"""Weights of VGG-19, which no package carries: the user's own file, in any usual format."""

import functools
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file

from llve_jax.errors import UserError
from llve_jax.io import keras_weights, torch_weights
from llve_jax.io.weights import Weights

Arrays = Mapping[str, Float[np.ndarray, "..."]]

VGG19_VARIABLE = "LLVE_VGG19"
_FORMATS = ".h5, .npz, .pth, .pt, .safetensors"
_WHERE = (
  f"name a file or set {VGG19_VARIABLE} to one: vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 "
  "from https://storage.googleapis.com/tensorflow/keras-applications/vgg19/ or "
  "vgg19-dcbb9e9d.pth from https://download.pytorch.org/models/"
)


def _widths() -> dict[str, tuple[int, int]]:
  widths, before = {}, 3
  for block, (depth, width) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)), 1):
    for index in range(1, depth + 1):
      widths[f"conv{block}_{index}"] = (before, width)
      before = width
  return widths


VGG19_WIDTHS = _widths()  # layer: channels in, channels out; all 3 x 3
_TORCHVISION = dict(
  zip(VGG19_WIDTHS, (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), strict=True)
)

# How sRGB in [0, 1] becomes what the first convolution was trained on: scale * x + offset.
_CAFFE = {"scale": (255.0,) * 3, "offset": (-123.68, -116.779, -103.939)}
_IMAGENET = {
  "scale": (1 / 0.229, 1 / 0.224, 1 / 0.225),
  "offset": (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
}


def load_vgg19(path: str | os.PathLike[str] | None = None) -> Weights:
  """ImageNet VGG-19, as many of its sixteen convolutions as the file holds, from the first on.

  Returns `{"conv1_1": {"kernel": HWIO, "bias": O}, ..., "input": {"scale": [3], "offset": [3]}}`.
  `input` is what the weights were trained on: networks take scale * RGB + offset, RGB in [0, 1].
  Files with Keras's names hold Oxford's weights, trained on 0 ... 255 less a mean, in the order
  blue, green, red: their first kernel is turned round, so that it takes RGB. Those with
  torchvision's names were trained on ImageNet-normalised RGB. float32, read once, and read-only.

  Args:
    path: .h5, .npz, .pth, .pt or .safetensors; None: the file that LLVE_VGG19 names.

  Raises:
    UserError: no file given, none there, or one that does not hold VGG-19; says where to get it.
  """
  path = path or os.environ.get(VGG19_VARIABLE)
  if not path:
    raise UserError(f"VGG-19: expected a file of its weights; found none named; {_WHERE}")
  path = Path(path).absolute()
  if not path.is_file():
    raise UserError(f"{path}: expected the weights of VGG-19; found no such file; {_WHERE}")
  return _load(path, path.stat().st_mtime_ns)


@functools.cache
def _load(path: Path, _: int) -> Weights:
  arrays = _read(path)
  keras = any(name.startswith("block1_conv1/") for name in arrays)
  weights: Weights = {}
  for layer, (channels_in, channels_out) in VGG19_WIDTHS.items():
    name = f"block{layer[4]}_conv{layer[6]}" if keras else f"features.{_TORCHVISION[layer]}"
    parts = ("/kernel", "/bias") if keras else (".weight", ".bias")
    if name + parts[0] not in arrays or name + parts[1] not in arrays:
      break
    kernel, bias = (np.asarray(arrays[name + part], np.float32) for part in parts)
    if not keras and kernel.ndim == 4:
      kernel = kernel.transpose(2, 3, 1, 0)
    if kernel.shape != (3, 3, channels_in, channels_out) or bias.shape != (channels_out,):
      raise UserError(
        f"{path}: expected {layer} of VGG-19, a kernel {(3, 3, channels_in, channels_out)} and a "
        f"bias ({channels_out},); found {kernel.shape} and {bias.shape} in {name}; {_WHERE}"
      )
    weights[layer] = {"kernel": kernel, "bias": bias}
  if not weights:
    found = ", ".join(sorted(arrays)[:3]) or "nothing"
    raise UserError(
      f"{path}: expected VGG-19 under Keras's names (block1_conv1) or torchvision's "
      f"(features.0.weight); found {found}; {_WHERE}"
    )
  if keras:
    weights["conv1_1"]["kernel"] = weights["conv1_1"]["kernel"][:, :, ::-1]
  convention = _CAFFE if keras else _IMAGENET
  weights["input"] = {name: np.array(value, np.float32) for name, value in convention.items()}
  for parts_of in weights.values():
    for name, array in parts_of.items():
      parts_of[name] = np.ascontiguousarray(array)
      parts_of[name].flags.writeable = False  # the cache hands out one copy
  return weights


def _read(path: Path) -> Arrays:
  """All arrays of the file by name; those of Keras as "block1_conv1/kernel"."""
  suffix = path.suffix.lower()
  if suffix in (".pth", ".pt"):
    return torch_weights.read_tensors(path)
  if suffix == ".h5":
    return _keras_names(keras_weights.read_tensors(path))
  try:
    if suffix == ".safetensors":
      return load_file(path)
    if suffix == ".npz":
      with np.load(path, allow_pickle=False) as archive:
        return dict(archive)
  except (OSError, ValueError, KeyError, EOFError, SafetensorError, zipfile.BadZipFile) as error:
    raise UserError(
      f"{path}: expected the arrays of a {suffix} file; found damaged or other data ({error}); "
      f"{_WHERE}"
    ) from error
  raise UserError(f"{path}: expected one of {_FORMATS}; found {suffix or 'no suffix'}; {_WHERE}")


def _keras_names(arrays: Arrays) -> Arrays:
  """Arrays of an HDF5 file by layer, whichever of its layouts Keras wrote.

  Keras 3 forgets the layers' names: its convolutions are numbered, conv2d to conv2d_15.
  """
  named = {}
  for name, array in arrays.items():
    part = {4: "kernel", 1: "bias"}.get(array.ndim)
    layer = re.search(r"block\d_conv\d", name)
    numbered = re.fullmatch(r"layers/conv2d(?:_(\d+))?/vars/[01]", name)
    if part and layer:
      named[f"{layer[0]}/{part}"] = array
    elif part and numbered and int(numbered[1] or 0) < len(VGG19_WIDTHS):
      own = list(VGG19_WIDTHS)[int(numbered[1] or 0)]
      named[f"block{own[4]}_conv{own[6]}/{part}"] = array
  return named
