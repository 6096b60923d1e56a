"""Raw files: levels and layout as they stand in the file, and clear refusals."""

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import rawpy

from llve_jax.errors import UserError
from llve_jax.io import raw as raw_files
from llve_jax.io import raw_facts
from llve_jax.ops.mosaic import BAYER, XTRANS, crop_cfa
from tests.dng import write_dng

DATA = os.environ.get("LLVE_TEST_DATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="LLVE_TEST_DATA is not set: no raw files")
_ACTIVE_AREA = 50829
_ISO = 34855


def _dng(path, cfa="RGGB", shape=(24, 30), **arguments):
  mosaic = np.random.default_rng(0).integers(600, 4000, shape, np.uint16)
  write_dng(path, mosaic, cfa=cfa, black=(512,) * len(cfa), white=16383, **arguments)
  return mosaic


def _patch(path, tag, new_tag=None, value=None):
  """Changes a tag's number, or its value where it lies in the folder itself (one LONG or SHORT)."""
  data = path.read_bytes()
  at = data.index(struct.pack("<H", tag), 8)
  head = struct.pack("<H", new_tag or tag) + data[at + 2 : at + 8]
  inline = data[at + 8 : at + 12] if value is None else struct.pack("<I", value)
  path.write_bytes(data[:at] + head + inline + data[at + 12 :])


@needs_data
@pytest.mark.parametrize(
  ("name", "width", "height", "black", "white"),
  [("bayer_canon", 1734, 1156, 2056, 15000), ("bayer_blackmagic", 4128, 2176, 512, 65535)],
)
def test_real_files(name, width, height, black, white):
  path = Path(DATA) / "raw" / f"{name}.dng"
  frame = raw_files.read_raw(path, sensor="bayer")
  assert frame.mosaic.shape == (height, width)
  assert frame.mosaic.dtype == np.uint16
  assert (frame.cfa, frame.black, frame.white) == ("RGGB", (black,) * 4, white)
  assert frame.camera.startswith(("Canon EOS", "Blackmagic"))
  assert frame.exposure_time is None  # LibRaw claims 1 s for one of them, whose tag says 0
  assert frame.iso is None
  with rawpy.imread(str(path)) as raw:
    np.testing.assert_array_equal(frame.mosaic, raw.raw_image_visible)
    letters = [raw.color_desc.decode()[index] for index in raw.raw_colors_visible[:2, :2].ravel()]
    red, green, blue, _ = raw.camera_whitebalance
  assert "".join(letters) == frame.cfa
  assert frame.camera_white_balance == pytest.approx((red / green, 1, blue / green))
  header = raw_files.read_raw_header(path)
  assert (header.height, header.width, header.camera) == (height, width, frame.camera)


@needs_data
def test_real_rendering_is_rawpys():
  path = Path(DATA) / "raw" / "bayer_canon.dng"
  with rawpy.imread(str(path)) as raw:
    expected = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
  np.testing.assert_array_equal(raw_files.render_srgb(path), expected)


@needs_data
def test_three_channels_are_refused():
  path = Path(DATA) / "raw" / "not_bayer.nef"
  with pytest.raises(UserError, match=r"not_bayer\.nef: expected a mosaic, found 3 channels"):
    raw_files.read_raw(path)


@pytest.mark.parametrize("cfa", [*BAYER, XTRANS])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (1, 0), (0, 1), (7, 8), (9, 4)])
def test_the_visible_area_may_start_anywhere(tmp_path, cfa, top, left):
  """In a DNG the letters count from the corner of the active area."""
  path = tmp_path / "night.dng"
  whole = _dng(path, cfa, (40, 52))
  _add_active_area(path, (top, left, 36, 44))
  frame = raw_files.read_raw(path)
  # LibRaw drops a row or a column of a Bayer mosaic that starts at an odd one.
  y, x = (top % 2, left % 2) if len(cfa) == 4 else (0, 0)
  np.testing.assert_array_equal(frame.mosaic, whole[top + y : 36, left + x : 44])
  assert frame.cfa == crop_cfa(cfa, y, x)


def _add_active_area(path, area):
  """Turns the tag of the illuminant, a single SHORT that nothing here needs, into ActiveArea."""
  data = path.read_bytes()
  at = data.index(struct.pack("<HH", 50778, 3), 8)
  entry = struct.pack("<HHII", _ACTIVE_AREA, 4, 4, len(data))
  path.write_bytes(data[:at] + entry + data[at + 12 :] + struct.pack("<4I", *area))


def test_wrong_sensor_is_refused(tmp_path):
  _dng(tmp_path / "bayer.dng")
  _dng(tmp_path / "xtrans.dng", XTRANS, (24, 24))
  with pytest.raises(UserError, match=r"bayer\.dng: expected an X-Trans mosaic, found a Bayer"):
    raw_files.read_raw(tmp_path / "bayer.dng", sensor="xtrans")
  with pytest.raises(UserError, match=r"xtrans\.dng: expected a Bayer mosaic, found an X-Trans"):
    raw_files.read_raw(tmp_path / "xtrans.dng", sensor="bayer")


def test_no_color_filter_is_refused(tmp_path):
  path = tmp_path / "grey.dng"
  _dng(path)
  _patch(path, 262, value=34892)  # photometric interpretation: linear, one channel
  with pytest.raises(UserError, match=r"grey\.dng: expected a .*mosaic, found"):
    raw_files.read_raw(path)


def test_unknown_white_balance_is_none(tmp_path):
  path = tmp_path / "night.dng"
  _dng(path)
  _patch(path, 50728, new_tag=50999)  # as-shot neutral; folders are sorted by tag
  assert raw_files.read_raw(path).camera_white_balance is None


def test_a_tag_of_zero_is_unknown(tmp_path):
  path = tmp_path / "night.dng"
  _dng(path, iso=800)
  _patch(path, _ISO, value=0)
  assert raw_files.read_raw(path).iso is None
  assert raw_files.read_raw_header(path).iso is None


def test_exif_of_a_fuji_file_is_that_of_its_preview(tmp_path):
  """Only the reader of tags: the file has no pixels that LibRaw would open."""
  exif = tmp_path / "tags.dng"
  _dng(exif, exposure_time=0.04, iso=1600, camera="Imaginary Fuji")
  whole, jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
  assert whole
  tags = b"Exif\0\0" + exif.read_bytes()
  preview = jpeg.tobytes()
  preview = preview[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(tags)) + tags + preview[2:]
  path = tmp_path / "night.raf"
  head = b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">II", 200, len(preview))
  path.write_bytes(head.ljust(200, b"\0") + preview + b"\0" * 100)
  found = raw_facts.read_tags(path)
  assert raw_facts.positive(found, "ExposureTime") == pytest.approx(0.04)
  assert raw_facts.positive(found, "ISOSpeedRatings") == 1600


def test_header_tells_what_the_frame_tells(tmp_path):
  path = tmp_path / "night.dng"
  _dng(path, shape=(22, 26), exposure_time=0.1, iso=400, camera="Imaginary Night 1")
  header, frame = raw_files.read_raw_header(path), raw_files.read_raw(path)
  assert (header.height, header.width) == frame.mosaic.shape == (22, 26)
  assert header.exposure_time == frame.exposure_time == pytest.approx(0.1)
  assert header.iso == frame.iso == 400
  assert header.camera == frame.camera == "Imaginary Night 1"


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("half_size", [False, True])
def test_rendering_of_flat_grey(tmp_path, bits, half_size):
  """The white balance makes it grey; the curve is BT.709's, whose power is nearly 1/2.222."""
  path = tmp_path / "grey.dng"
  mosaic = np.empty((64, 64), np.uint16)
  mosaic[:] = np.tile([[500 + 2000, 500 + 4000], [500 + 4000, 500 + 1000]], (32, 32))
  gains = (2.0, 1.0, 4.0)
  write_dng(path, mosaic, cfa="RGGB", black=(500,) * 4, white=16500, white_balance=gains)
  rendered = raw_files.render_srgb(path, bits=bits, half_size=half_size)
  assert rendered.dtype == (np.uint8 if bits == 8 else np.uint16)
  assert rendered.shape == ((32, 32, 3) if half_size else (64, 64, 3))
  expected = 1.099 * 0.25**0.45 - 0.099
  np.testing.assert_allclose(rendered / (2**bits - 1), expected, atol=0.006)


def test_a_rendering_lies_as_its_mosaic_and_a_picture_stands_upright(tmp_path):
  path = tmp_path / "night.dng"
  _dng(path, shape=(48, 60))
  rendered = raw_files.render_srgb(path)
  _patch(path, 274, value=6)  # held by a quarter
  np.testing.assert_array_equal(raw_files.render_srgb(path), rendered)
  assert raw_files.develop(path).shape == (60, 48, 3)


def test_small_xtrans_renders_at_half_size_only(tmp_path):
  path = tmp_path / "night.dng"
  _dng(path, XTRANS, (48, 60))
  assert raw_files.render_srgb(path, half_size=True).shape == (24, 30, 3)
  with pytest.raises(UserError, match=r"night\.dng: expected at least 512 .* found 60x48"):
    raw_files.render_srgb(path)


@pytest.mark.parametrize("read", [raw_files.read_raw, raw_files.render_srgb])
def test_a_file_that_is_cut_off(tmp_path, read):
  path = tmp_path / "cut.dng"
  _dng(path, shape=(64, 64))
  path.write_bytes(path.read_bytes()[:5000])
  with pytest.raises(UserError, match=r"cut\.dng: .* cut off or damaged \(5000 bytes\)"):
    read(path)


@pytest.mark.parametrize(
  "read", [raw_files.read_raw, raw_files.read_raw_header, raw_files.render_srgb]
)
def test_what_is_no_raw_file(tmp_path, read):
  with pytest.raises(UserError, match=r"none\.arw: expected a raw file, found none"):
    read(tmp_path / "none.arw")
  with pytest.raises(UserError, match="found a folder"):
    read(tmp_path)
  (tmp_path / "empty.arw").touch()
  with pytest.raises(UserError, match=r"empty\.arw: .* \(zero bytes\)"):
    read(tmp_path / "empty.arw")
  (tmp_path / "text.arw").write_text("hello world " * 100)
  with pytest.raises(UserError, match=r"text\.arw: expected a camera raw file, found 1200 bytes"):
    read(tmp_path / "text.arw")


def test_more_than_the_tag_of_exif_holds_is_what_libraw_says(tmp_path):
  path = tmp_path / "a.dng"
  libraw = SimpleNamespace(other=SimpleNamespace(iso_speed=102400.0, shutter_speed=0.25))
  for written, expected in ((65535, 102400), (800, 800), (None, 102400)):
    _dng(path, iso=written)
    assert raw_facts.facts(path, libraw)[:2] == (0.25, expected)
