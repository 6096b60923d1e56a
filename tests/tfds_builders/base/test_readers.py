"""Clips that are one image file per frame: examples in segments, with what the scan knows."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.images import write_image
from tfds_builders.base.readers import check_sizes, read_image_files
from tfds_builders.base.scan import Clip


def frames(folder, count, size=(4, 6)):
  folder.mkdir()
  paths = tuple(folder / f"{index}.png" for index in range(count))
  for index, path in enumerate(paths):
    write_image(path, np.full((*size, 3), index, np.uint8))
  return paths


def test_what_the_scan_knows_becomes_features(tmp_path):
  low, high = frames(tmp_path / "low", 3), frames(tmp_path / "high", 3)
  known = Clip("a", low, high, {"fps": 25.0, "camera": "Night 1"})
  parts = list(read_image_files(known, segment=2))
  assert [(part["start"], part["fps"], part["camera"]) for part in parts] == [
    (0, 25.0, "Night 1"),
    (2, 25.0, "Night 1"),
  ]
  (whole,) = read_image_files(Clip("a", low, high))
  assert (whole["fps"], whole["variant"], whole["clip"]) == (0.0, 0, "a")


def test_a_file_of_another_size_is_named(tmp_path):
  paths = frames(tmp_path / "low", 3)
  sizes = [np.zeros((4, 6, 3)), np.zeros((4, 6, 3)), np.zeros((5, 7, 3))]
  check_sizes(paths[:2], sizes[:2], (4, 6))
  with pytest.raises(UserError, match=r"2\.png: expected 6x4 pixels .*found 7x5"):
    check_sizes(paths, sizes, (4, 6))
