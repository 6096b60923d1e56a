"""Areas are averaged, whatever the size; NumPy, JAX and OpenCV agree."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from llve_jax.ops.thumbnail import averaging_matrix, thumbnail, thumbnail_of


@pytest.mark.parametrize("size", [(64, 64), (97, 130), (128, 200)])
def test_opencv_averages_the_same_areas(size: tuple[int, int]) -> None:
  clip = np.random.default_rng(0).random((2, *size, 3), dtype=np.float32)
  expected = [cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA) for frame in clip]
  np.testing.assert_allclose(thumbnail_of(clip, 64), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (64, 63)])
def test_the_mean_of_the_frame_is_kept(size: tuple[int, int]) -> None:
  clip = np.random.default_rng(1).random((1, 1, *size, 3), dtype=np.float32)
  small = thumbnail(jnp.asarray(clip), 64)
  np.testing.assert_allclose(small.mean((2, 3)), clip.mean((2, 3)), atol=1e-5)
  np.testing.assert_allclose(thumbnail_of(clip[0], 64), small[0], atol=1e-5)
  np.testing.assert_allclose(averaging_matrix(size[1], 64, np).sum(axis=1), 1.0, atol=1e-4)


def test_frames_of_eight_bits_keep_their_units() -> None:
  frames = np.full((1, 90, 70, 3), 200, np.uint8)
  np.testing.assert_allclose(thumbnail_of(frames, 64), 200.0, rtol=1e-5)


def test_sizes_may_be_symbolic() -> None:
  shape = export.symbolic_shape("b, t, h, w, 3")
  spec = jax.ShapeDtypeStruct(shape, jnp.float32)
  exported = export.export(jax.jit(lambda clip: thumbnail(clip, 8)))(spec)
  clip = np.random.default_rng(2).random((1, 2, 19, 33, 3), dtype=np.float32)
  np.testing.assert_allclose(exported.call(clip), thumbnail(jnp.asarray(clip), 8), atol=1e-6)
