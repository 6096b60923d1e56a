"""ICC profiles: against Little CMS in 8 bits, and against 8 bits in 16."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from llve_jax.io import color_profile
from llve_jax.io.color_profile import to_srgb
from llve_jax.io.images import read_image, read_picture, write_image
from tests.pictures import (
  exif,
  gamma_curve,
  matrix_profile,
  picture,
  png,
  profile,
  table_profile,
)

HERE = Path("a.png")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
P3 = np.array(
  [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)


def parametric(kind, *values):
  numbers = b"".join(round(65536 * value).to_bytes(4, "big", signed=True) for value in values)
  return b"para" + bytes(4) + kind.to_bytes(2, "big") + bytes(2) + numbers


def table_curve(power, count):
  codes = np.round(np.linspace(0, 1, count) ** power * 65535).astype(">u2")
  return b"curv" + bytes(4) + count.to_bytes(4, "big") + codes.tobytes()


CURVES = {
  "gamma": gamma_curve(563 / 256),
  "linear": b"curv" + bytes(8),
  "table": table_curve(1.8, 300),
  "power": parametric(0, 1.8),
  "cut off": parametric(1, 2.0, 1.1, -0.1),
  "raised": parametric(2, 2.0, 0.9, 0.1, -0.01),
  "of sRGB": parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
  "of five parts": parametric(4, 2.2, 0.95, 0.05, 0.1, 0.05, 0.0, 0.0),
}
PROFILES = {
  **{f"Adobe, {name}": matrix_profile(curve=curve) for name, curve in CURVES.items()},
  "Display P3": matrix_profile(P3, CURVES["of sRGB"]),
  "table": table_profile(),
}


def by_little_cms(pixels, data):
  image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
  made = ImageCms.profileToProfile(image, io.BytesIO(data), SRGB, 0, outputMode="RGB")
  return np.asarray(made)


@pytest.mark.parametrize("name", PROFILES)
def test_8_bits_are_those_of_little_cms(name):
  pixels = picture(shape=(60, 80))
  found = to_srgb(pixels, PROFILES[name], HERE)
  assert found.dtype == np.uint8
  expected = by_little_cms(pixels, PROFILES[name])
  # It computes in steps of 1/32768, which near black, where sRGB is steep, are half a code.
  assert np.abs(found.astype(int) - expected).max() <= 1
  assert np.abs(found.astype(int) - pixels).mean() > 0.5


@pytest.mark.parametrize("name", PROFILES)
def test_16_bits_are_those_of_8_and_keep_their_depth(name):
  pixels = picture(shape=(60, 80))
  shallow = to_srgb(pixels, PROFILES[name], HERE)
  deep = to_srgb(pixels.astype(np.uint16) * 257, PROFILES[name], HERE)
  assert deep.dtype == np.uint16
  difference = np.abs(deep / 257 - shallow)
  assert difference.max() <= (0.51 if name != "table" else 7)  # where the table is cut off at black
  assert difference.mean() < 0.3
  ramp = np.arange(20000, 30000, 5, dtype=np.uint16)[None, :, None].repeat(3, 2)
  assert len(np.unique(to_srgb(ramp, PROFILES[name], HERE)[..., 1])) > 1500


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey(dtype):
  data = profile({b"kTRC": gamma_curve(1.5)}, space=b"GRAY")
  codes = np.arange(256, dtype=np.uint8)[None, :, None]
  pixels = codes if dtype == np.uint8 else codes.astype(np.uint16) * 257
  found = to_srgb(pixels, data, HERE)
  assert found.shape == (1, 256, 3)
  assert found.dtype == dtype
  light = (codes / 255.0) ** 1.5
  encoded = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
  assert np.abs(found - np.iinfo(dtype).max * encoded).max() <= 0.51
  if dtype == np.uint8:  # which goes by way of L* here
    assert np.abs(found.astype(int) - by_little_cms(codes, data)).max() <= 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_srgb_changes_nothing(dtype):
  pixels = picture(dtype)
  for data in (None, SRGB.tobytes(), color_profile.srgb_profile()):
    np.testing.assert_array_equal(to_srgb(pixels, data, HERE), pixels)


@pytest.mark.parametrize(
  "data",
  [
    b"no profile",
    matrix_profile()[:200],
    profile({b"kTRC": gamma_curve(1.5)}, space=b"GRAY"),
    matrix_profile(curve=b"curv" + bytes(4) + b"\xff\xff\xff\xff"),
    table_profile()[:700],
  ],
)
def test_a_profile_that_cannot_be_used_is_said(data, caplog):
  pixels = picture()
  np.testing.assert_array_equal(to_srgb(pixels, data, HERE), pixels)
  assert "a.png: its colour profile cannot be used" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_the_profile_of_every_container_is_found(tmp_path, suffix):
  y, x = np.mgrid[0:48, 0:64]
  pixels = np.stack([2 * x + 60, 3 * y + 40, x + y + 50], -1).astype(np.uint8)
  options = {"lossless": True} if suffix == ".webp" else {"quality": 95}
  options = {} if suffix == ".tif" else options
  path = tmp_path / f"a{suffix}"
  Image.fromarray(pixels).save(path, icc_profile=matrix_profile(), **options)
  expected = by_little_cms(pixels, matrix_profile())
  assert np.abs(read_picture(path).astype(int) - expected).mean() < 2
  assert np.abs(pixels.astype(int) - expected).mean() > 5
  write_image(path, read_picture(path))  # and is sRGB from there on
  assert np.abs(read_picture(path).astype(int) - expected).mean() < 3
  with Image.open(path) as written:
    data = written.info.get("icc_profile")
    assert data == color_profile.srgb_profile() if suffix != ".png" else written.info["srgb"] == 0


def test_the_profile_of_a_deep_png(tmp_path):
  import zlib

  codes = picture(np.uint16)
  content = b"x\0\0" + zlib.compress(matrix_profile())
  (tmp_path / "a.png").write_bytes(png(codes, 16, 2, before=[(b"iCCP", content)]))
  expected = to_srgb(codes, matrix_profile(), HERE)
  np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), expected)


def test_adobe_rgb_by_the_tags_of_a_camera(tmp_path):
  tags = Image.Exif()
  tags.load(b"Exif\0\0" + exif(1))
  tags[0x8769] = {0xA001: 0xFFFF, 0xA005: {1: "R03"}}
  pixels = np.full((16, 16, 3), (60, 160, 90), np.uint8)
  Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=tags.tobytes(), quality=100, subsampling=0)
  found = read_image(tmp_path / "a.jpg")
  expected = by_little_cms(pixels, matrix_profile())
  assert np.abs(found.astype(int) - expected).max() <= 2


def test_cmyk_is_converted(tmp_path):
  pixels = picture(shape=(16, 16), channels=4) // 2
  image = Image.fromarray(pixels, "CMYK")
  image.save(tmp_path / "a.jpg", quality=95)
  with Image.open(tmp_path / "a.jpg") as back:
    expected = np.asarray(back.convert("RGB"))
  np.testing.assert_array_equal(read_picture(tmp_path / "a.jpg"), expected)


@pytest.mark.skipif("LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA is not set")
def test_a_real_file_in_adobe_rgb():
  path = Path(os.environ["LLVE_TEST_DATA"]) / "cases" / "adobe_rgb.jpg"
  with Image.open(path) as image:
    expected = by_little_cms(np.asarray(image), image.info["icc_profile"])
    assert np.abs(np.asarray(image).astype(int) - expected).mean() > 2
  assert np.abs(read_picture(path).astype(int) - expected).max() <= 1
