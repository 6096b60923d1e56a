"""TIFF of every layout, written by tifffile, Pillow and OpenCV."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from llve_jax.errors import UserError
from llve_jax.io.images import read_image, read_picture
from tests.pictures import picture

LAYOUTS = {
  "strips": {"rowsperstrip": 2},
  "tiles": {"tile": (16, 16)},
  "planes": {"planarconfig": "separate"},
  "big endian": {"byteorder": ">"},
  "big TIFF": {"bigtiff": True, "byteorder": ">"},
  "deflate": {"compression": "zlib"},
  "deflate, predicted": {"compression": "zlib", "predictor": True},
  "old deflate": {"compression": 32946},
  "LZMA": {"compression": "lzma"},
  "planes of deflated tiles": {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib"},
}
KINDS = {  # channels, options
  "grey": (1, {"photometric": "minisblack"}),
  "RGB": (3, {"photometric": "rgb"}),
  "grey, alpha": (2, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
  "RGBA": (4, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
  "RGBX": (4, {"photometric": "rgb", "extrasamples": ["unspecified"]}),
}


def write(path, codes, **options):
  if options.get("planarconfig") == "separate":
    codes = np.moveaxis(codes, -1, 0)
  elif codes.shape[-1] == 1:
    codes = codes[..., 0]
  elif options["photometric"] == "minisblack":
    options = {"planarconfig": "contig", **options}
  tifffile.imwrite(path, codes, **options)
  return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_layout(tmp_path, kind, layout, dtype):
  channels, options = KINDS[kind]
  codes = picture(dtype, channels=channels)
  if channels == 1 and "planarconfig" in LAYOUTS[layout]:
    pytest.skip("one plane is one plane")
  path = write(tmp_path / "a.tif", codes, **options, **LAYOUTS[layout])
  found = read_picture(path)
  assert found.dtype == dtype
  color = codes[..., : 3 if channels > 2 else 1]
  np.testing.assert_array_equal(found, np.broadcast_to(color, (9, 12, 3)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_colours_multiplied_by_alpha_are_divided_again(tmp_path, dtype, channels):
  largest = int(np.iinfo(dtype).max)
  codes = picture(dtype, channels=channels).astype(np.int64)
  codes[..., -1] = codes[..., -1] // 2 + largest // 2
  multiplied = np.round(codes * (codes[..., -1:] / largest))
  multiplied[..., -1] = codes[..., -1]
  photometric = "rgb" if channels == 4 else "minisblack"
  options = {"photometric": photometric, "extrasamples": ["assocalpha"]}
  path = write(tmp_path / "a.tif", multiplied.astype(dtype), **options)
  expected = np.broadcast_to(codes[..., : channels - 1], (9, 12, 3))
  assert np.abs(read_picture(path).astype(int) - expected).max() <= 1


def test_colours_above_their_alpha_are_white(tmp_path):
  codes = np.full((2, 3, 4), 200, np.uint8)
  codes[..., 1:] = 100
  path = write(tmp_path / "a.tif", codes, photometric="rgb", extrasamples=["assocalpha"])
  np.testing.assert_array_equal(read_picture(path), np.full((2, 3, 3), 255))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_zero(tmp_path, dtype):
  codes = picture(dtype, channels=1)
  path = write(tmp_path / "a.tif", codes, photometric="miniswhite")
  np.testing.assert_array_equal(read_picture(path)[..., :1], np.iinfo(dtype).max - codes)


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("compression", [5, 32773])  # LZW, PackBits
def test_16_bits_that_tifffile_cannot_unpack(tmp_path, predictor, channels, compression):
  codes = picture(np.uint16, channels=channels)
  order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
  options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
  assert cv2.imwrite(str(tmp_path / "a.tif"), codes[..., order], options)
  np.testing.assert_array_equal(
    read_picture(tmp_path / "a.tif"), np.broadcast_to(codes[..., :3], (9, 12, 3))
  )


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits", "jpeg", "group4"])
def test_8_bits_are_those_of_pillow(tmp_path, mode, compression):
  if (compression == "group4") != (mode == "1") or (compression == "jpeg" and mode in ("P", "LAB")):
    pytest.skip("no such file")
  if mode == "YCbCr" and compression is None:
    pytest.skip("Pillow cannot read what it writes")
  image = Image.fromarray(picture(shape=(32, 48)))
  if mode in ("LA", "RGBA"):
    image.putalpha(Image.fromarray(picture(shape=(32, 48))[..., 0]))
  image = image.convert(mode) if mode != "LAB" else Image.fromarray(np.asarray(image), "LAB")
  image.save(tmp_path / "a.tif", compression=compression)
  with Image.open(tmp_path / "a.tif") as back:
    if mode == "LAB":
      assert read_picture(tmp_path / "a.tif").shape == (32, 48, 3)
      return
    expected = np.asarray(back.convert("L" if mode in ("1", "LA") else "RGB"))
  found = read_picture(tmp_path / "a.tif")
  np.testing.assert_array_equal(found, np.broadcast_to(np.atleast_3d(expected), found.shape))


def test_of_several_pages_the_first_whole_one_is_taken_and_said(tmp_path, caplog):
  first, second = picture(), picture(seed=1)
  with tifffile.TiffWriter(tmp_path / "a.tif") as file:
    file.write(first[:3, :3], photometric="rgb", subfiletype=1)  # a thumbnail
    file.write(first, photometric="rgb")
    file.write(second, photometric="rgb")
  np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), first)
  assert "a.tif: has 2 pages; the first is used" in caplog.text


@pytest.mark.parametrize(
  ("codes", "options", "message"),
  [
    (picture().astype(np.float32), {}, "8 or 16 bits per channel, found float32; convert it"),
    (picture().astype(np.uint32), {}, "found uint32"),
    (picture().astype(np.int16), {}, "found int16"),
    (picture(np.uint16, channels=4), {"photometric": "separated"}, "found SEPARATED; convert"),
  ],
)
def test_other_numbers_are_refused(tmp_path, codes, options, message):
  tifffile.imwrite(tmp_path / "a.tif", codes, **{"photometric": "rgb", **options})
  with pytest.raises(UserError, match=f"a\\.tif: .*{message}"):
    read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"rowsperstrip": 2}])
def test_cut_off(tmp_path, options):
  tifffile.imwrite(tmp_path / "a.tif", picture(np.uint16, (40, 50)), photometric="rgb", **options)
  data = (tmp_path / "a.tif").read_bytes()
  for length in (len(data) - 10, len(data) // 2, 60, 5):
    (tmp_path / "a.tif").write_bytes(data[:length])
    with pytest.raises(UserError, match=r"a\.tif: .*cannot be decoded"):
      read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("place", [0, 4])
def test_a_strip_that_is_not_there(tmp_path, place):
  """Its place and length are 0, as programs for maps leave what they have not written."""
  path = write(tmp_path / "a.tif", picture(np.uint16), photometric="rgb", rowsperstrip=2)
  with tifffile.TiffFile(path, mode="r+b") as file:
    for name in ("StripOffsets", "StripByteCounts"):
      tag = file.pages[0].tags[name]
      tag.overwrite([0 if at == place else number for at, number in enumerate(tag.value)])
  with pytest.raises(UserError, match=r"a\.tif: .*cannot be decoded"):
    read_picture(path)


def test_too_large(tmp_path):
  tifffile.imwrite(tmp_path / "a.tif", picture(), photometric="rgb", rowsperstrip=9)
  data = (tmp_path / "a.tif").read_bytes()
  wide = data.replace(b"\0\1\3\0\1\0\0\0\x0c\0", b"\0\1\4\0\1\0\0\0\xff\xff\xff\x0f"[:10], 1)
  wide = data.replace(
    b"\x00\x01\x04\x00\x01\x00\x00\x00\x0c\x00\x00\x00",
    b"\x00\x01\x04\x00\x01\x00\x00\x00\x00\x00\x00\x10",
  )
  assert wide != data
  (tmp_path / "a.tif").write_bytes(wide)
  with pytest.raises(UserError, match="at most 268435456 pixels"):
    read_picture(tmp_path / "a.tif")


@pytest.mark.skipif("LLVE_TEST_DATA" not in os.environ, reason="LLVE_TEST_DATA is not set")
@pytest.mark.parametrize("name", ["sixteen_bit_rgb.tif", "rgba.tif"])
def test_real_files_are_as_tifffile_reads_them(name):
  path = Path(os.environ["LLVE_TEST_DATA"]) / "cases" / name
  expected = tifffile.imread(path)[..., :3]
  np.testing.assert_array_equal(read_picture(path), expected)
  assert read_image(path).mean() == pytest.approx(
    expected.mean() * 255 / np.iinfo(expected.dtype).max, abs=0.1
  )
