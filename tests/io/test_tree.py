"""Trees as files."""

from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.tree import load_tree, save_tree


def test_a_tree_comes_back(tmp_path: Path) -> None:
  deep = np.arange(6, dtype=np.uint16).reshape(2, 3)
  tree = {
    "a": [1, 2.5, None, True, "text", {"array": deep, "dict": []}],
    "": {},
    "b": (np.float32(0.5), np.zeros((0, 3), np.uint8)),
    "half": np.arange(3).astype(ml_dtypes.bfloat16),
    "inf": float("inf"),
  }
  save_tree(tmp_path / "a.npz", tree)
  found = load_tree(tmp_path / "a.npz")
  np.testing.assert_array_equal(found["a"][5].pop("array"), deep, strict=True)
  assert found["a"] == [1, 2.5, None, True, "text", {"dict": []}]
  assert (found[""], found["inf"], found["b"][0]) == ({}, float("inf"), 0.5)
  assert (found["b"][1].shape, found["b"][1].dtype) == ((0, 3), np.uint8)
  np.testing.assert_array_equal(found["half"], tree["half"], strict=True)
  assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_what_cannot_be_written_or_read(tmp_path: Path) -> None:
  path = tmp_path / "a.npz"
  with pytest.raises(TypeError, match="got Fraction"):
    save_tree(path, [Fraction(1, 2)])
  save_tree(path, {"a": np.arange(1000)})
  for damaged in (path.read_bytes()[:500], b"", b"no archive"):
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"a\.npz: expected a file of arrays"):
      load_tree(path)
  with pytest.raises(UserError, match="cannot be read"):
    load_tree(tmp_path / "none.npz")
  np.savez(path, form=np.array([object()], dtype=object), allow_pickle=True)
  with pytest.raises(UserError, match="cannot be read"):  # it would be executed
    load_tree(path)
