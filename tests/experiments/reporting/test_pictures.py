import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.reporting.pictures import embed, embed_file
from llve_jax.errors import UserError


def decode(uri: str) -> np.ndarray:
  head, data = uri.split(",")
  assert head == "data:image/jpeg;base64"
  return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_large_picture_is_made_smaller_and_keeps_its_colours():
  image = np.zeros((100, 400, 3), np.uint8)
  image[:, :200] = (250, 20, 20)
  image[:, 200:] = (20, 20, 250)
  picture = embed(image, width=100, quality=90)
  assert (picture.width, picture.height) == (100, 25)
  back = decode(picture.uri).astype(int)
  assert back.shape == (25, 100, 3)
  assert np.abs(back[12, 20] - image[50, 80]).max() < 8
  assert np.abs(back[12, 80] - image[50, 320]).max() < 8


def test_a_small_picture_keeps_its_size(tmp_path: Path):
  cv2.imwrite(str(tmp_path / "a.png"), np.full((9, 16, 3), 77, np.uint8))
  picture = embed_file(tmp_path / "a.png", width=100, quality=90)
  assert (picture.width, picture.height) == (16, 9)
  with pytest.raises(UserError, match=r"b\.png"):
    embed_file(tmp_path / "b.png", width=100, quality=90)
