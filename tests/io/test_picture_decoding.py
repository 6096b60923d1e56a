"""Every kind of file: the numbers in it, told by who wrote it or by another library."""

import contextlib
import io
import struct

import cv2
import numpy as np
import pillow_heif
import pytest
import rawpy
from PIL import Image

from llve_jax.errors import UserError
from llve_jax.io import images, picture_header
from llve_jax.io.images import read_image, read_image16, read_picture
from tests import pictures
from tests.dng import write_dng
from tests.pictures import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, exif, picture, png

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = [
  *((bits, GREY) for bits in (1, 2, 4, 8, 16)),
  *((bits, PALETTE) for bits in (1, 2, 4, 8)),
  *((bits, kind) for bits in (8, 16) for kind in (RGB, GREY_ALPHA, RGBA)),
]


@pytest.mark.parametrize(("bits", "kind"), DEPTHS)
def test_png_of_every_depth_and_kind_of_colour(tmp_path, bits, kind):
  largest = 2**bits - 1
  codes = picture(np.uint16, channels=CHANNELS[kind]) & largest
  colors = picture(shape=(2**bits if bits < 16 else 1, 1))
  path = tmp_path / "a.png"
  before = [(b"PLTE", colors.tobytes()), (b"tRNS", b"\0\1")] if kind == PALETTE else []
  path.write_bytes(png(codes, bits, kind, before=before))
  found = read_picture(path)
  if kind == PALETTE:
    expected = colors[:, 0][codes[..., 0]]
  else:
    deep = np.uint16 if bits == 16 else np.uint8
    color = codes[..., : 1 if kind in (GREY, GREY_ALPHA) else 3]
    expected = (color * (np.iinfo(deep).max // largest)).astype(deep)
  assert found.dtype == expected.dtype
  np.testing.assert_array_equal(found, np.broadcast_to(expected, (9, 12, 3)))
  assert found.flags.writeable
  assert found.flags.c_contiguous


def test_transparent_colours_of_16_bits_are_kept(tmp_path):
  codes = picture(np.uint16)
  path = tmp_path / "a.png"
  path.write_bytes(png(codes, 16, RGB, before=[(b"tRNS", codes[0, 0].astype(">u2").tobytes())]))
  np.testing.assert_array_equal(read_picture(path), codes)


@pytest.mark.parametrize("largest", [1, 100, 255, 1023, 65535])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_pnm_of_every_maximum(tmp_path, largest, plain, channels):
  codes = (picture(np.uint16, channels=channels).astype(int) % (largest + 1)).astype("u2")
  kind = {1: b"P2" if plain else b"P5", 3: b"P3" if plain else b"P6"}[channels]
  if plain:
    body = " ".join(map(str, codes.ravel())).encode()
  else:
    body = codes.astype(">u2" if largest > 255 else "u1").tobytes()
  path = tmp_path / ("a.pgm" if channels == 1 else "a.ppm")
  path.write_bytes(kind + b"\n# night\n12 9\n%d\n" % largest + body)
  found = read_picture(path)
  full = 65535 if largest > 255 else 255
  assert found.dtype == (np.uint16 if largest > 255 else np.uint8)
  expected = np.broadcast_to(codes * (full / largest), (9, 12, 3))
  assert np.abs(found - expected).max() <= 1  # Pillow's own scaling of odd maxima cuts off


def smooth():
  y, x = np.mgrid[0:48, 0:64]
  return np.stack([4 * x, 5 * y, 2 * (x + y)], -1).astype(np.uint8)


@pytest.mark.parametrize("suffix", images.IMAGE_SUFFIXES)
def test_every_container_is_read(tmp_path, suffix):
  pillow_heif.register_heif_opener()
  name = {".jpe": "JPEG", ".jfif": "JPEG", ".pgm": "PPM", ".heic": "HEIF", ".heif": "HEIF"}.get(
    suffix
  )
  options = {"quality": 95} if suffix != ".gif" else {}
  Image.fromarray(smooth()).save(tmp_path / f"a{suffix}", name, **options)
  found = read_picture(tmp_path / f"a{suffix}").astype(int)
  assert np.abs(found - smooth()).mean() < (6 if suffix == ".gif" else 3)


def test_ten_bits_of_heic_are_kept(tmp_path):
  ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None].repeat(64, 0).repeat(3, 2)
  # libheif takes a picture of 16 bits and encodes ten of them
  file = pillow_heif.from_bytes("RGB;16", (256, 64), ramp.tobytes())
  file.save(tmp_path / "a.heic", quality=100, chroma=444)
  found = read_image16(tmp_path / "a.heic")
  assert np.abs(found.astype(int) - ramp).mean() < 200  # a step of 8 bits is 257
  assert len(np.unique(found[32, :, 1])) > 200


def test_heic_is_upright_whatever_exif_says(tmp_path):
  """Its own property turns it; telephones write EXIF's as well."""
  file = pillow_heif.from_pillow(Image.fromarray(smooth()))
  file.save(tmp_path / "a.heic", quality=95, exif=b"Exif\0\0" + exif(6))
  assert read_picture(tmp_path / "a.heic").shape in ((64, 48, 3), (48, 64, 3))
  expected = np.rot90(smooth(), -1) if pillow_turns(tmp_path / "a.heic") else smooth()
  assert np.abs(read_picture(tmp_path / "a.heic").astype(int) - expected).mean() < 3


def pillow_turns(path):
  return pillow_heif.open_heif(path).size == (48, 64)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_wrong_suffix_does_no_harm(tmp_path, name):
  cv2.imwrite(str(tmp_path / "b.bmp"), smooth()[..., ::-1])
  (tmp_path / "b.bmp").rename(tmp_path / name)
  np.testing.assert_array_equal(read_picture(tmp_path / name), smooth())


def test_of_an_animation_the_first_frame_is_taken_and_said(tmp_path, caplog):
  frames = [Image.fromarray(np.full((4, 6, 3), level, np.uint8)) for level in (50, 200)]
  for name in ("a.gif", "a.webp", "a.png"):
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    assert np.abs(read_picture(tmp_path / name).astype(int) - 50).max() <= 1
    assert f"{name}: is an animation; its first frame is used" in caplog.text


@pytest.mark.parametrize("suffix", [".dng", ".arw", ".nef", ".cr2", ".raf"])
def test_raw_files_are_developed_as_rawpy_does(tmp_path, suffix):
  mosaic = np.random.default_rng(0).integers(600, 4000, (24, 30), np.uint16)
  path = tmp_path / "a.dng"
  write_dng(path, mosaic, cfa="RGGB", black=(512,) * 4, white=16383, white_balance=(2.0, 1.0, 1.5))
  with rawpy.imread(str(path)) as raw:
    expected = raw.postprocess(
      use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=(2.4, 12.92)
    )
  renamed = path.rename(tmp_path / f"a{suffix}")
  np.testing.assert_array_equal(read_picture(renamed), expected)
  assert read_image(renamed).dtype == np.uint8


class TestBadInput:
  @pytest.mark.parametrize("bits", [8, 16])
  def test_a_picture_too_large_is_refused_before_it_is_decoded(self, tmp_path, bits):
    data = png(picture(np.uint16) % 256, bits, RGB)
    path = tmp_path / "a.png"
    header = struct.pack(">II", 20000, 20000) + data[24:29]
    path.write_bytes(data[:8] + pictures.chunk(b"IHDR", header) + data[33:])
    with pytest.raises(
      UserError, match=r"a\.png: expected at most 268435456 pixels, .*20000x20000"
    ):
      read_picture(path)
    header = b"P6 20000 20000 65535 "
    (tmp_path / "a.ppm").write_bytes(header)
    with pytest.raises(UserError, match="at most"):
      read_picture(tmp_path / "a.ppm")

  def test_pillow_keeps_its_own_bound(self, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    self.test_a_picture_too_large_is_refused_before_it_is_decoded(tmp_path, 8)
    assert Image.MAX_IMAGE_PIXELS == 7
    (tmp_path / "a.gif").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be decoded"):
      read_picture(tmp_path / "a.gif")
    assert Image.MAX_IMAGE_PIXELS == 7
    Image.fromarray(smooth()).save(tmp_path / "b.gif")
    assert read_picture(tmp_path / "b.gif").shape == smooth().shape
    assert Image.MAX_IMAGE_PIXELS == 7
    assert picture_header.LARGEST_PIXELS == 2**28

  @pytest.mark.parametrize("suffix", [".png", ".ppm", ".heic", ".avif", ".gif"])
  @pytest.mark.parametrize("deep", [False, True])
  def test_cut_off(self, tmp_path, suffix, deep):
    pillow_heif.register_heif_opener()
    noise = picture(np.uint16 if deep else np.uint8, shape=(40, 50))
    path = tmp_path / f"a{suffix}"
    if deep and suffix in (".png", ".ppm"):
      images.write_image(path, noise)
    else:
      Image.fromarray((noise & 255).astype(np.uint8)).save(path)
    data = path.read_bytes()
    for length in (len(data) // 2, 40, 12, 3):
      path.write_bytes(data[:length])
      with pytest.raises(UserError, match=f"a{suffix}: .*cannot be decoded"):
        read_picture(path)

  def test_a_flipped_bit_of_a_deep_png_is_found_and_nothing_printed(self, tmp_path, capfd):
    data = bytearray(png(picture(np.uint16), 16, RGB))
    data[80] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.png: .*cannot be decoded.*chunk 'IDAT'"):
      read_picture(tmp_path / "a.png")
    assert capfd.readouterr().err == ""

  def test_flipped_bytes_never_end_in_another_error(self, tmp_path):
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, "TIFF", compression="tiff_lzw")
    jpeg = io.BytesIO()
    Image.fromarray(smooth()).save(jpeg, "JPEG", exif=b"Exif\0\0" + exif(6))
    deep = png(picture(np.uint16), 16, RGB, before=[(b"eXIf", exif(3))])
    for name, data in (("a.tif", file.getvalue()), ("a.jpg", jpeg.getvalue()), ("a.png", deep)):
      for _ in range(40):
        bad = bytearray(data)
        for at in rng.integers(0, min(len(bad), 400), 3):
          bad[at] = rng.integers(0, 256)
        (tmp_path / name).write_bytes(bad)
        with contextlib.suppress(UserError):
          assert read_picture(tmp_path / name).ndim == 3
        images.read_exif(tmp_path / name)
