"""Arrays of frames: mapped, checked, never unpickled."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.arrays import read_npy

SHAPE = (None, 4, 6, 3)


def test_an_array_is_mapped_and_equal(tmp_path):
  frames = np.random.default_rng(0).integers(0, 255, (5, 4, 6, 3), np.uint8)
  np.save(tmp_path / "clip.npy", frames)
  read = read_npy(tmp_path / "clip.npy", dtype=np.uint8, shape=SHAPE)
  assert isinstance(read, np.memmap)
  np.testing.assert_array_equal(read[3], frames[3])


@pytest.mark.parametrize(
  ("array", "found"),
  [
    (np.zeros((5, 4, 6, 3), np.float32), "float32"),
    (np.full((5, 4, 6, 3), np.nan), "float64"),
    (np.zeros((5, 4, 6), np.uint8), r"\[5, 4, 6\]"),
    (np.zeros((5, 4, 7, 3), np.uint8), r"\[5, 4, 7, 3\]"),
  ],
)
def test_another_type_or_shape_is_named(tmp_path, array, found):
  np.save(tmp_path / "clip.npy", array)
  with pytest.raises(
    UserError, match=rf"clip.npy: expected uint8 \[any, 4, 6, 3\], found.*{found}"
  ):
    read_npy(tmp_path / "clip.npy", dtype=np.uint8, shape=SHAPE)


def test_what_is_no_array_is_refused(tmp_path):
  path = tmp_path / "clip.npy"
  with pytest.raises(UserError, match="found none"):
    read_npy(path, dtype=np.uint8, shape=SHAPE)
  for content in (b"", b"not an array"):
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
      read_npy(path, dtype=np.uint8, shape=SHAPE)
  np.save(path, np.zeros((5, 4, 6, 3), np.uint8))
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(UserError, match="cannot be read"):
    read_npy(path, dtype=np.uint8, shape=SHAPE)
  np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
  with pytest.raises(UserError, match="cannot be read"):
    read_npy(path, dtype=np.uint8, shape=SHAPE)
