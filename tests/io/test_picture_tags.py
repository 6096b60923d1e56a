"""EXIF: which way up, and what a result keeps."""

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from llve_jax.io import picture_tags
from llve_jax.io.images import read_exif, read_picture, write_image
from tests.dng import write_dng
from tests.pictures import STORED, exif, picture, png

EXIF, GPS = 0x8769, 0x8825
pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF")


def upright():
  y, x = np.mgrid[0:31, 0:45]
  return np.stack([4 * x + 20, 6 * y + 10, 2 * (x + y)], -1).astype(np.uint8)


def in_webp(block):
  """Pillow takes the block as it is."""
  return lambda path, pixels, tag: Image.fromarray(pixels).save(
    path, "WEBP", lossless=True, exif=block(tag)
  )


def in_png(bits, place):
  def write(path, pixels, tag):
    codes = pixels if bits == 8 else pixels.astype(np.uint16) * 257
    path.write_bytes(png(codes, bits, 2, **{place: [(b"eXIf", exif(tag))]}))

  return write


def in_tiff(**options):
  def write(path, pixels, tag):
    extra = [(274, 3, 1, tag, True)]
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=extra, metadata=None, **options)

  return write


def in_libtiff(path, pixels, tag):
  tags = Image.Exif()
  tags[274] = tag
  Image.fromarray(pixels).save(path, "TIFF", compression="tiff_lzw", exif=tags)


def in_jpeg(order):
  return lambda path, pixels, tag: Image.fromarray(pixels).save(
    path, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + exif(tag, order)
  )


FILES = {
  "JPEG": in_jpeg("<"),
  "JPEG, big endian": in_jpeg(">"),
  "PNG": in_png(8, "before"),
  "PNG, behind the pixels": in_png(8, "after"),
  "PNG of 16 bits": in_png(16, "before"),
  "WebP": in_webp(exif),
  "WebP with a JPEG's block": in_webp(lambda tag: b"Exif\0\0" + exif(tag)),
  "TIFF": in_tiff(),
  "TIFF, deflated": in_tiff(compression="zlib", byteorder=">"),
  "TIFF by libtiff": in_libtiff,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_every_orientation_in_every_container(tmp_path, name, square, orientation):
  expected = upright()[:, :31] if square else upright()
  path = tmp_path / f"a.{name.partition(' ')[0].strip(',').lower().replace('jpeg', 'jpg')}"
  path = path.with_suffix(path.suffix.replace("tiff", "tif"))
  FILES[name](path, np.ascontiguousarray(STORED[orientation](expected)), orientation)
  found = read_picture(path)
  assert found.shape == expected.shape
  scale = 257 if found.dtype == np.uint16 else 1
  assert np.abs(found.astype(int) / scale - expected).max() <= (3 if name.startswith("JPEG") else 0)


def full_tags():
  tags = Image.Exif()
  tags[0x010F], tags[0x0110], tags[0x0112] = "Maker", "Night 1", 6
  tags[0x0132], tags[0x8298], tags[0x0106] = "2026:01:02 03:04:05", "Somebody", 2
  tags[EXIF] = {
    0x9003: "2026:01:02 03:04:05",
    0x829A: 0.25,
    0x8827: 6400,
    0xA001: 0xFFFF,
    0xA002: 4000,
    0x927C: b"notes" * 20,
  }
  tags[GPS] = {1: "N", 2: (47.0, 30.0, 15.5), 3: "E", 4: (8.0, 15.0, 0.0)}
  return tags


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_result_keeps_who_when_and_where(tmp_path, suffix, dtype):
  if dtype == np.uint16 and suffix not in (".png", ".tif"):
    pytest.skip("holds 8 bits")
  Image.fromarray(upright()).save(tmp_path / "dark.jpg", exif=full_tags())
  path = tmp_path / f"bright{suffix}"
  image = picture(dtype, (45, 31))
  write_image(path, image, exif=read_exif(tmp_path / "dark.jpg"))
  if suffix in (".png", ".tif"):
    np.testing.assert_array_equal(read_picture(path), image)
  with Image.open(path) as written:
    assert written.size == (31, 45)
    tags = written.getexif()
    exif_tags, gps = tags.get_ifd(EXIF), tags.get_ifd(GPS)
  assert (tags[0x010F], tags[0x0110]) == ("Maker", "Night 1")
  assert tags.get(0x0112, 1) == 1
  assert tags[0x8298] == "Somebody"
  assert exif_tags[0x9003] == "2026:01:02 03:04:05"
  assert (exif_tags[0x829A], exif_tags[0x8827], exif_tags[0xA001]) == (0.25, 6400, 1)
  assert 0xA002 not in exif_tags
  assert [float(part) for part in gps[2]] == [47.0, 30.0, 15.5]
  assert read_picture(path).shape == (45, 31, 3)
  assert read_exif(path) is not None


def test_another_reader_of_tiff_understands_it(tmp_path):
  image = picture(np.uint16, (150, 31))
  block = picture_tags.kept(picture_tags.parse(full_tags().tobytes()))
  write_image(tmp_path / "a.tif", image, exif=block)
  np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), image)
  bgr = cv2.imread(str(tmp_path / "a.tif"), cv2.IMREAD_UNCHANGED)
  np.testing.assert_array_equal(bgr[..., ::-1], image)
  with tifffile.TiffFile(tmp_path / "a.tif") as file:
    tags = file.pages.first.tags
    assert tags[271].value == "Maker"
    assert tags[34665].value["ISOSpeedRatings"] == 6400
    assert file.pages.first.iccprofile


def test_the_thumbnail_goes(tmp_path):
  small = io.BytesIO()
  Image.fromarray(upright()).save(small, "JPEG")
  tags = full_tags()
  block = tags.tobytes() + small.getvalue()
  assert small.getvalue() not in (picture_tags.kept(picture_tags.parse(block)) or b"")


def test_notes_too_long_are_left_out():
  tags = full_tags()
  tags[EXIF] = {**tags[EXIF], 0x927C: bytes(70000)}
  block = picture_tags.kept(picture_tags.parse(tags.tobytes()))
  assert len(block) < 1000
  assert picture_tags.parse(block).get_ifd(EXIF)[0x8827] == 6400


@pytest.mark.parametrize("block", [None, b"", b"Exif\0\0", b"II*\0\xff\xff\xff\xff", b"x" * 100])
def test_damaged_tags_say_nothing(block):
  tags = picture_tags.parse(block)
  assert picture_tags.orientation(tags) == 1
  assert picture_tags.kept(tags) is None
  assert not picture_tags.says_adobe_rgb(tags)


@pytest.mark.parametrize(
  ("space", "index", "adobe"),
  [
    (65535, "R03", True),
    (2, "R03", True),
    (65535, b"R03\0", True),
    (65535, "R03\0\0", True),
    (65535, b"R98\0", False),
    (1, "R03", False),
  ],
)
def test_adobe_rgb_is_told_by_two_tags_together(space, index, adobe):
  tags = Image.Exif()
  tags.get_ifd(EXIF).update({0xA001: space, 0xA005: {1: index}})
  assert picture_tags.says_adobe_rgb(tags) == adobe


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(value):
  assert picture_tags.orientation(picture_tags.parse(exif(value))) == 1


def test_a_raw_file_has_tags_too(tmp_path):
  mosaic = np.full((24, 30), 900, np.uint16)
  options = {"exposure_time": 0.25, "iso": 800, "camera": "Night 1"}
  write_dng(tmp_path / "a.dng", mosaic, cfa="RGGB", black=(512,) * 4, white=16383, **options)
  tags = picture_tags.parse(read_exif(tmp_path / "a.dng"))
  assert tags[0x0110] == "Night 1"
  assert tags.get_ifd(EXIF)[0x8827] == 800
  assert 0xC612 not in tags


@pytest.mark.skipif("LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA is not set")
def test_a_real_webp_is_upright():
  path = Path(os.environ["LLVE_TEST_DATA"]) / "cases" / "turned.webp"
  assert read_picture(path).shape == (320, 240, 3)
