"""A DNG that is written is what LibRaw reads, bit for bit."""

import numpy as np
import pytest
import rawpy
import tifffile

from llve_jax.errors import UserError
from llve_jax.io.raw import read_raw, read_raw_header
from llve_jax.ops.mosaic import BAYER, XTRANS, crop_cfa
from tests.dng import write_dng


def _mosaic(shape=(24, 36)):
  return np.random.default_rng(0).integers(0, 2**14, shape, np.uint16)


@pytest.mark.parametrize("cfa", [*BAYER, XTRANS, crop_cfa(XTRANS, 1, 2)])
@pytest.mark.parametrize("shape", [(24, 36), (23, 25)])
def test_round_trip(tmp_path, cfa, shape):
  black = (500.0, 501.0, 502.0, 503.0) if len(cfa) == 4 else (1024.0,) * 36
  path = tmp_path / "night.dng"
  write_dng(
    path,
    _mosaic(shape),
    cfa=cfa,
    black=black,
    white=16383,
    exposure_time=1 / 30,
    iso=25600,
    camera="Imaginary Night 1",
    white_balance=(2.0, 1.0, 1.6),
  )
  frame = read_raw(path, sensor="bayer" if len(cfa) == 4 else "xtrans")
  np.testing.assert_array_equal(frame.mosaic, _mosaic(shape))
  assert (frame.cfa, frame.black, frame.white) == (cfa, black, 16383.0)
  assert frame.exposure_time == pytest.approx(1 / 30, rel=1e-6)
  assert frame.iso == 25600
  assert frame.camera == "Imaginary Night 1"
  assert frame.camera_white_balance == pytest.approx((2.0, 1.0, 1.6), rel=1e-5)
  assert [file.name for file in tmp_path.iterdir()] == ["night.dng"]


@pytest.mark.parametrize("seconds", [1 / 8000, 0.033, 0.04, 30.0, 600.0])
def test_exposure_times(tmp_path, seconds):
  path = tmp_path / "night.dng"
  write_dng(path, _mosaic(), cfa="RGGB", black=(0,) * 4, white=16383, exposure_time=seconds)
  assert read_raw_header(path).exposure_time == pytest.approx(seconds, rel=1e-6)
  with rawpy.imread(str(path)) as raw:  # the tag is also understood by LibRaw's own reader
    assert raw.other.shutter_speed == pytest.approx(seconds, rel=1e-6)


def test_what_is_left_out_is_unknown(tmp_path):
  path = tmp_path / "night.dng"
  write_dng(path, _mosaic(), cfa="BGGR", black=(0,) * 4, white=16383)
  frame = read_raw(path)
  assert frame.exposure_time is None
  assert frame.iso is None
  assert frame.camera == ""
  assert frame.camera_white_balance == (1.0, 1.0, 1.0)


def test_another_tiff_reader_agrees(tmp_path):
  path = tmp_path / "night.dng"
  write_dng(path, _mosaic(), cfa="GBRG", black=(7, 8, 9, 10), white=65535, iso=100)
  with tifffile.TiffFile(path) as tiff:
    page = tiff.pages.first
    np.testing.assert_array_equal(page.asarray(), _mosaic())
    tags = {code: page.tags[code].value for code in (33421, 50713, 50714, 50717)}
    assert tuple(page.tags[33422].value) == (1, 2, 0, 1)
    assert page.tags[34665].value["ISOSpeedRatings"] == 100
  assert tags == {33421: (2, 2), 50713: (2, 2), 50714: (7, 8, 9, 10), 50717: 65535}


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"mosaic": _mosaic().astype(np.float32)}, "float32"),
    ({"mosaic": _mosaic()[None]}, "(1, 24, 36)"),
    ({"mosaic": _mosaic((24, 21))}, "found 21x24"),
    ({"cfa": "RGBG"}, "'RGBG'"),
    ({"black": (1.0,)}, "4 black levels"),
    ({"black": (1, 2, 3, -4)}, "-4"),
    ({"black": (1, 2, 3, 16383)}, "16383"),
    ({"black": (1, 2, 3, 4.5)}, "whole numbers"),
    ({"cfa": XTRANS, "black": range(36)}, "X-Trans"),
    ({"white": 70000}, "70000"),
    ({"exposure_time": 0.0}, "found 0.0"),
    ({"iso": 102400}, "102400"),
    ({"white_balance": (0.0, 1.0, 1.0)}, "gains"),
    ({"name": "night.tif"}, ".dng"),
    ({"name": "nowhere/night.dng"}, "does not exist"),
  ],
)
def test_bad_input_is_named_and_nothing_is_written(tmp_path, change, message):
  arguments = {"mosaic": _mosaic(), "cfa": "RGGB", "black": (0,) * 4, "white": 16383} | change
  path = tmp_path / arguments.pop("name", "night.dng")
  with pytest.raises(UserError) as error:
    write_dng(path, arguments.pop("mosaic"), **arguments)
  assert message in str(error.value)
  assert not list(tmp_path.iterdir())
