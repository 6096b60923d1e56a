"""Pictures through the tool: depth, tags, originals beside, raw stills."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from llve_jax.enhance import chosen, command
from llve_jax.enhance.pictures import bits_of, enhance_picture
from llve_jax.errors import UserError
from llve_jax.io.images import DEEP_SUFFIXES, read_picture, write_image
from llve_jax.methods.classic import Classic
from llve_jax.models.contract import Traits
from tests.dng import write_dng
from tests.methods.networks import of_function
from tests.pictures import STORED, exif, picture

DATA = os.environ.get("LLVE_TEST_DATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="LLVE_TEST_DATA is not set: no real pictures")


def deep_frame():
  """2,800 levels within what are eleven of 8 bits."""
  return np.arange(2800, dtype=np.uint16).reshape(40, 70, 1).repeat(3, -1)


@pytest.mark.parametrize("suffix", DEEP_SUFFIXES)
@pytest.mark.parametrize("model", ["input", "auto_gain", "gamma", "network"])
def test_16_bits_stay_16_bits(tmp_path, suffix, model, monkeypatch):
  frame = deep_frame()
  write_image(tmp_path / "dark.tif", frame)
  if model == "network":
    network, _ = of_function(lambda clip: 3 * clip)
    monkeypatch.setattr(chosen.methods, "load", lambda model, **options: network)
  command.run(tmp_path / "dark.tif", tmp_path / f"bright{suffix}", model=model)
  found = read_picture(tmp_path / f"bright{suffix}")
  assert found.dtype == np.uint16
  assert len(np.unique(found)) == 2800
  if model == "input":
    np.testing.assert_array_equal(found, frame)
  elif model == "network":
    np.testing.assert_allclose(found, 3.0 * frame, atol=1)
  else:
    expected = Classic(model)(frame[None], rounded=False)[0]
    np.testing.assert_array_equal(found, np.round(65535 * expected))


def test_where_the_target_holds_8_bits_that_is_said(tmp_path, capsys):
  write_image(tmp_path / "dark.png", deep_frame())
  command.run(tmp_path / "dark.png", tmp_path / "bright.jpg", model="auto_gain")
  said = capsys.readouterr().err
  assert said.count("\n") == 1
  assert "dark.png has 16 bits a channel" in said
  assert "bright.jpg holds 8; .png or .tif would keep them" in said
  assert read_picture(tmp_path / "bright.jpg").dtype == np.uint8


@pytest.mark.parametrize("given", [np.uint8, np.uint16])
@pytest.mark.parametrize("depth", [8, 16])
def test_depth_can_be_chosen(tmp_path, given, depth, capsys):
  write_image(tmp_path / "dark.png", picture(given))
  command.run(tmp_path / "dark.png", tmp_path / "bright.png", model="input", depth=depth)
  found = read_picture(tmp_path / "bright.png")
  assert found.dtype == f"uint{depth}"
  scale = np.iinfo(given).max / np.iinfo(found.dtype).max
  assert np.abs(found * scale - picture(given)).max() <= max(scale, 1) / 2
  assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"depth": 10}, "--depth=10: pictures are written with 8 or 16 bits"),
    ({"depth": 16}, r"--depth=16: .*bright\.jpg holds 8 bits a channel; write one of \.png"),
    ({"ratio": 100.0}, r"--ratio=100: is a number above 0, for raw stills.*found .*dark\.png"),
  ],
)
def test_what_cannot_be_is_refused_and_nothing_written(tmp_path, options, message):
  write_image(tmp_path / "dark.png", picture())
  with pytest.raises(UserError, match=message):
    command.run(tmp_path / "dark.png", tmp_path / "bright.jpg", model="input", **options)
  assert [path.name for path in tmp_path.iterdir()] == ["dark.png"]


def test_bits_of_a_raw_still():
  assert bits_of("a.dng", "b.png", 16) == 16
  assert bits_of("a.png", "b.bmp", 8) == 8


@pytest.mark.parametrize("bits", [8, 16])
def test_the_original_beside(tmp_path, bits):
  frame = picture()
  write_image(tmp_path / "dark.png", frame)
  command.run(
    tmp_path / "dark.png", tmp_path / "b.png", model="gamma", side_by_side=True, depth=bits
  )
  both = read_picture(tmp_path / "b.png")
  assert both.shape == (9, 24, 3)
  assert both.dtype == f"uint{bits}"
  np.testing.assert_array_equal(both[:, :12] // (257 if bits == 16 else 1), frame)


def test_an_original_of_another_size_is_fitted(tmp_path):
  network, _ = of_function(lambda clip: clip)
  done = enhance_picture(
    picture(shape=(6, 8)), tmp_path / "b.png", network, beside=picture(shape=(12, 16))
  )
  assert (done.width, done.height) == (16, 6)
  assert str(done).startswith("1 frame of 16x6")


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp"])
def test_a_turned_picture_comes_out_upright_with_its_tags(tmp_path, suffix):
  upright = np.full((20, 30, 3), 90, np.uint8)
  upright[:, :15] = 10
  tags = Image.Exif()
  tags.load(exif(6))
  tags[0x0110] = "Night 1"
  stored = Image.fromarray(np.ascontiguousarray(STORED[6](upright)))
  stored.save(tmp_path / "dark.jpg", quality=95, exif=tags.tobytes())
  command.run(tmp_path / "dark.jpg", tmp_path / f"bright{suffix}", model="input")
  assert np.abs(read_picture(tmp_path / f"bright{suffix}").astype(int) - upright).mean() < 4
  with Image.open(tmp_path / f"bright{suffix}") as made:
    assert made.size == (30, 20)
    assert made.getexif()[0x0110] == "Night 1"
    assert made.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("suffix", [".gif", ".heic", ".pgm", ".dng"])
def test_what_is_only_read_is_not_written(tmp_path, suffix):
  write_image(tmp_path / "dark.png", picture())
  with pytest.raises(UserError, match=rf"'\{suffix}' is read but not written.*\.png \.jpg"):
    command.run(tmp_path / "dark.png", tmp_path / f"bright{suffix}", model="input")


class TestRawStills:
  @pytest.fixture
  def dark(self, tmp_path):
    light = np.full((24, 30), 0.01)
    light[:, :15] = 0.012
    path = tmp_path / "dark.dng"
    write_dng(
      path,
      np.round(512 + light * 15871).astype(np.uint16),
      cfa="GRBG",
      black=(512,) * 4,
      white=16383,
      camera="Night 1",
      iso=800,
    )
    return path

  @pytest.fixture
  def network(self, monkeypatch):
    traits = Traits(stride=1, receptive_field=1, input_kind="bayer", scale=2)

    def enlarged(clip):
      rgb = clip[..., [0, 1, 2]]
      return rgb.repeat(2, axis=2).repeat(2, axis=3)

    method, compiled = of_function(enlarged, traits, batch=1)
    monkeypatch.setattr(chosen.methods, "load", lambda model, **options: method)
    return compiled

  def test_a_network_for_raw_light_gets_the_sensors_numbers(self, dark, network, tmp_path, capsys):
    command.run(dark, tmp_path / "bright.png", model="run", ratio=50.0)
    assert network.shapes == [(1, 12, 15, 4)]
    found = read_picture(tmp_path / "bright.png")
    assert (found.shape, found.dtype) == ((24, 30, 3), np.uint16)
    np.testing.assert_allclose(found[5, 25] / 65535, 0.5, atol=0.003)
    assert "raw light (bayer) amplified 50 times" in capsys.readouterr().err
    with Image.open(tmp_path / "bright.png") as made:
      assert made.getexif()[0x0110] == "Night 1"

  def test_without_a_ratio_one_is_found(self, dark, network, tmp_path, capsys):
    command.run(dark, tmp_path / "bright.jpg", model="run", side_by_side=True)
    said = capsys.readouterr().err
    assert re.search(r"amplified 75(\.\d)? times", said)
    assert "has 16 bits a channel" in said
    assert read_picture(tmp_path / "bright.jpg").shape == (24, 60, 3)

  def test_an_ordinary_method_gets_the_developed_picture(self, dark, tmp_path):
    command.run(dark, tmp_path / "bright.tif", model="input")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "bright.tif"), read_picture(dark))
    with pytest.raises(UserError, match="--ratio=9: gamma takes developed pictures"):
      command.run(dark, tmp_path / "no.tif", model="gamma", ratio=9.0)
    with pytest.raises(UserError, match="--ratio=-1: is a number above 0"):
      command.run(dark, tmp_path / "no.tif", model="gamma", ratio=-1.0)


@needs_data
@pytest.mark.parametrize(
  ("name", "mean"),
  [
    ("sixteen_bit_rgb.tif", 51.7),
    ("rgba.tif", 60.1),
    ("turned.webp", 112.5),
    ("dark_16_bit.png", 5.1),
  ],
)
def test_real_pictures_that_went_wrong(tmp_path, name, mean):
  target = tmp_path / f"out{Path(name).suffix}"
  command.run(Path(DATA) / "cases" / name, target, model="input")
  found = read_picture(target)
  assert found.mean() / np.iinfo(found.dtype).max * 255 == pytest.approx(mean, abs=0.6)
  if name == "turned.webp":
    assert found.shape == (320, 240, 3)
  if name == "dark_16_bit.png":
    assert len(np.unique(found)) == 1024  # one a column
