"""The one restricted unpickler, and what the tables of its users let in."""

import collections
import io
import os
import pickle

import numpy as np
import pytest

from llve_jax.io import torch_weights, weights
from llve_jax.io.unpickle import RefusedError, Unpickler


def test_plain_containers_need_no_table() -> None:
  tree = {"a": [1, 2.5, None, True], "b": ("text", b"bytes", {4})}
  assert Unpickler(io.BytesIO(pickle.dumps(tree)), {}).load() == tree


def test_a_name_of_the_table_is_what_the_table_says() -> None:
  data = pickle.dumps(collections.OrderedDict(a=1))
  allowed = {"collections.OrderedDict": dict}
  assert type(Unpickler(io.BytesIO(data), allowed).load()) is dict


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_any_other_name_is_refused_and_said(protocol: int) -> None:
  data = pickle.dumps(collections.Counter("a"), protocol)
  allowed = {"collections.OrderedDict": collections.OrderedDict}
  with pytest.raises(RefusedError, match=r"^(collections\.Counter|copy_reg\._reconstructor)$"):
    Unpickler(io.BytesIO(data), allowed).load()


def test_a_table_has_no_way_to_what_its_entries_have() -> None:
  data = b"\x80\x04\x8c\x02os\x8c\x0bpath.exists\x93."
  with pytest.raises(RefusedError, match=r"os\.path\.exists"):
    Unpickler(io.BytesIO(data), {"os.path": os.path}).load()


def test_python_2_text_is_read_in_the_encoding_asked_for() -> None:
  data = b"U\x02\xc3\xa4."  # SHORT_BINSTRING
  assert Unpickler(io.BytesIO(data), {}, encoding="utf-8").load() == "\u00e4"
  with pytest.raises(UnicodeDecodeError):
    Unpickler(io.BytesIO(data), {}).load()


def test_no_more_names_are_allowed_than_arrays_need() -> None:
  """An entry more is a decision: whatever it calls is called with a stranger's arguments."""
  assert {name: made for name, made in weights._ALLOWED.items() if "numpy" not in name} == {
    "collections.OrderedDict": collections.OrderedDict,
    "builtins.set": set,
    "_codecs.encode": weights._encode_latin1,
  }
  multiarray, numeric = (np._core.multiarray, np._core.numeric)
  assert {name: made for name, made in weights._ALLOWED.items() if "numpy" in name} == {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray._reconstruct": multiarray._reconstruct,
    "numpy._core.multiarray._reconstruct": multiarray._reconstruct,
    "numpy.core.numeric._frombuffer": numeric._frombuffer,
    "numpy._core.numeric._frombuffer": numeric._frombuffer,
    "numpy.core.multiarray.scalar": multiarray.scalar,
    "numpy._core.multiarray.scalar": multiarray.scalar,
  }


def test_no_more_names_are_allowed_than_tensors_need() -> None:
  types = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
  calls = {
    "collections.OrderedDict": "type",
    "torch._utils._rebuild_tensor": "_RebuildTensor",
    "torch._utils._rebuild_tensor_v2": "_RebuildTensor",
    "torch._utils._rebuild_parameter": "_RebuildParameter",
    "torch.Size": "_MakeSize",
  } | {f"torch.{name}Storage": "str" for name in types}
  assert {name: type(made).__name__ for name, made in torch_weights._ALLOWED.items()} == calls
  assert torch_weights._ALLOWED["collections.OrderedDict"] is collections.OrderedDict
