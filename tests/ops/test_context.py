"""The small picture is an average over areas, for any shape and type."""

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.ops.context import thumbnail


def _averages(length, side):
  """[side, length]: how much of each pixel lies in each part of the line."""
  edges = np.linspace(0, length, side + 1)
  pixels = np.arange(length)
  inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
  return np.maximum(inside, 0) * side / length


@pytest.mark.parametrize("shape", [(64, 64), (128, 192), (75, 133), (70, 300), (9, 14), (16, 100)])
def test_it_averages_over_areas(shape):
  frames = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
  found = thumbnail(frames, 16)
  assert found.dtype == np.float32
  expected = np.einsum(
    "yh,thwc,xw->tyxc", _averages(shape[0], 16), frames / 255, _averages(shape[1], 16)
  )
  np.testing.assert_allclose(found, expected, atol=2e-4)


def test_types_have_their_own_full_scale():
  frames = np.random.default_rng(0).random((1, 40, 40, 3), np.float32)
  np.testing.assert_allclose(
    thumbnail(np.round(frames * 65535).astype(np.uint16), 8), thumbnail(frames, 8), atol=1e-4
  )


def test_it_is_64_pixels_wide_and_keeps_channels():
  assert thumbnail(np.zeros((3, 90, 70, 1), np.uint8)).shape == (3, 64, 64, 1)


def test_dark_frames_are_not_rounded():
  frames = np.zeros((1, 128, 128, 3), np.uint8)
  frames[:, ::2] = 1
  np.testing.assert_allclose(thumbnail(frames), 0.5 / 255, rtol=1e-5)


@pytest.mark.parametrize(("shape", "side"), [((8, 8, 3), 4), ((1, 8, 8, 3), 0)])
def test_other_arrays_are_refused(shape, side):
  with pytest.raises(UserError, match=r"expected frames \[t, h, w, c\]"):
    thumbnail(np.zeros(shape, np.uint8), side)
