"""Decoding images of a data set, against Pillow."""

import io

import cv2
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


@pytest.mark.parametrize(("kind", "most"), [(np.uint8, 255), (np.uint16, 65535)])
def test_the_largest_integer_is_full_scale(kind, most):
  scaled = frames.as_float(np.array([0, 1, most], kind))
  assert scaled.dtype == np.float32
  np.testing.assert_array_equal(scaled, np.array([0, 1 / most, 1], np.float32))


def test_grey_becomes_three_channels():
  grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
  decoded = frames.decode_frame(_encoded(grey, "png"))
  np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_damaged_image_is_named(data):
  with pytest.raises(UserError, match=f"found {len(data)} bytes"):
    frames.decode_frame(data)


@pytest.mark.parametrize("form", ["png", "jpeg", "ppm"])
def test_the_size_is_told_without_decoding(form, monkeypatch):
  encoded = _encoded(np.zeros((9, 7, 3), np.uint8), form)
  assert frames.decode_frame(encoded).shape[:2] == (9, 7)
  monkeypatch.setattr(frames, "decode_frame", lambda encoded: pytest.fail("decoded"))
  assert frames.frame_size(encoded) == (9, 7)


def test_the_size_of_a_jpeg_that_says_how_to_turn_it_is_that_of_its_pixels():
  image, buffer = PIL.Image.fromarray(np.zeros((16, 8, 3), np.uint8)), io.BytesIO()
  exif = PIL.Image.Exif()
  exif[0x0112] = 6  # Orientation: a quarter turn
  image.save(buffer, "jpeg", exif=exif)
  encoded = buffer.getvalue()
  assert frames.frame_size(encoded) == frames.decode_frame(encoded).shape[:2] == (16, 8)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n"])
def test_a_file_without_a_size_is_named(data):
  with pytest.raises(UserError, match=f"found {len(data)} bytes"):
    frames.frame_size(data)


def test_what_lies_inside_a_window_is_kept():
  image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
  files = [_encoded(image, "png"), _encoded(255 - image, "png")]
  inside = (slice(2, 5), slice(3, 7))
  cut = frames.decode_frames(files, inside)
  np.testing.assert_array_equal(cut, frames.decode_frames(files)[:, 2:5, 3:7])
  assert cut.shape == (2, 3, 4, 3)


def test_a_window_is_named_by_its_first_frame_unless_its_frames_lie_apart():
  element = {"clip": b"night", "variant": 1, "start": 40}
  for places in ([2], [2, 3, 4], [2, 2, 2]):  # one bright frame may stand for several
    assert frames.window_id(element, places) == "night/1/42"
  assert frames.window_id(element, [2, 5]) == "night/1/42+45"


def test_frames_are_shrunk_by_areas_and_else_bilinear():
  clip = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), np.uint8)
  areas = clip.reshape(2, 4, 2, 6, 2, 3).mean(axis=(2, 4))
  np.testing.assert_allclose(frames.resized(clip, (4, 6)), areas, atol=0.5)
  for height, width in ((16, 6), (4, 24), (16, 24)):
    expected = [
      cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in clip
    ]
    np.testing.assert_array_equal(frames.resized(clip, (height, width)), expected, strict=True)
  assert frames.resized(clip[..., :1], (4, 6)).shape == (2, 4, 6, 1)
  assert frames.resized(clip, ()) is frames.resized(clip, (8, 12)) is clip
