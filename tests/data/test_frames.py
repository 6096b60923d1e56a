"""Decoding images of a data set, against Pillow."""

import io

import numpy as np
import PIL.Image
import pytest

from llve_jax.data import frames
from llve_jax.errors import UserError


def _encoded(image, form):
  buffer = io.BytesIO()
  PIL.Image.fromarray(image).save(buffer, form)
  return buffer.getvalue()


def test_png_is_exact_and_in_rgb_order():
  image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
  np.testing.assert_array_equal(frames.decode_frame(_encoded(image, "png")), image)
  clip = frames.decode_frames([_encoded(image, "png"), _encoded(255 - image, "png")])
  np.testing.assert_array_equal(clip, [image, 255 - image])


def test_grey_becomes_three_channels():
  grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
  decoded = frames.decode_frame(_encoded(grey, "png"))
  np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_damaged_image_is_named(data):
  with pytest.raises(UserError, match=f"found {len(data)} bytes"):
    frames.decode_frame(data)
