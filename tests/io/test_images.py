import struct

import cv2
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.images import PICTURE_SUFFIXES, WRITTEN_SUFFIXES, read_image, write_image


@pytest.fixture
def image():
  y, x = np.mgrid[0:31, 0:45]
  return np.stack([4 * x, 6 * y, 2 * (x + y)], -1).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".PNG"])
def test_lossless_formats_give_back_every_bit(image, tmp_path, suffix):
  write_image(tmp_path / f"a{suffix}", image)
  np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), image)
  bgr = cv2.imread(str(tmp_path / f"a{suffix}"))
  np.testing.assert_array_equal(bgr[..., ::-1], image)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_stay_close(image, tmp_path, suffix):
  write_image(tmp_path / f"a{suffix}", image)
  back = read_image(tmp_path / f"a{suffix}")
  assert np.abs(back.astype(int) - image).mean() < 3


def test_grey_becomes_three_equal_channels(image, tmp_path):
  cv2.imwrite(str(tmp_path / "a.png"), image[..., 0])
  np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image[..., :1].repeat(3, 2))


def test_alpha_is_dropped_and_the_colour_under_it_kept(image, tmp_path):
  alpha = np.zeros_like(image[..., :1])
  cv2.imwrite(str(tmp_path / "a.png"), np.concatenate([image[..., ::-1], alpha], -1))
  np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)


def test_sixteen_bits_are_rounded(tmp_path):
  ramp = np.arange(0, 65536, 97, dtype=np.uint16)[None, :, None].repeat(3, 2)
  cv2.imwrite(str(tmp_path / "a.png"), ramp)
  back = read_image(tmp_path / "a.png")
  assert np.abs(back / 255.0 - ramp / 65535.0).max() <= 0.5 / 255 + 1e-9


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(image, tmp_path, orientation):
  """The stored picture is what a camera held that way would write; reading turns it upright."""
  upright = image
  stored = {  # EXIF 2.3, tag 0x0112: where row 0 and column 0 of the stored picture are
    1: upright,
    2: upright[:, ::-1],
    3: upright[::-1, ::-1],
    4: upright[::-1],
    5: upright.transpose(1, 0, 2),
    6: np.rot90(upright),  # row 0 is the right side: 6 asks for a clockwise turn
    7: upright[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(upright, -1),
  }[orientation]
  bgr = np.ascontiguousarray(stored[..., ::-1])
  data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
  tag = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
  exif = b"Exif\0\0" + b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + tag + b"\0\0\0\0"
  segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
  (tmp_path / "a.jpg").write_bytes(data[:2] + segment + data[2:])
  back = read_image(tmp_path / "a.jpg")
  assert back.shape == upright.shape
  assert np.abs(back.astype(int) - upright).mean() < 3


def test_names_outside_ascii(image, tmp_path):
  path = tmp_path / "Nacht über 東京 🌃.png"
  write_image(path, image)
  np.testing.assert_array_equal(read_image(path), image)


def test_writing_replaces_whole_files_and_leaves_no_other(image, tmp_path):
  path = tmp_path / "a.png"
  path.write_bytes(b"old")
  write_image(path, image)
  assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
  np.testing.assert_array_equal(read_image(path), image)


class TestBadInput:
  def test_missing(self, tmp_path):
    with pytest.raises(UserError, match=r"a\.png: expected an image, found none"):
      read_image(tmp_path / "a.png")

  def test_zero_bytes(self, tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UserError, match=r"a\.jpg: .*zero bytes"):
      read_image(tmp_path / "a.jpg")

  def test_no_image(self, tmp_path, capfd):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(UserError, match=r"a\.png: .*cannot be decoded"):
      read_image(tmp_path / "a.png")
    assert capfd.readouterr().err == ""

  @pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
  def test_cut_off(self, tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    write_image(path, noise)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="cannot be decoded"):
      read_image(path)

  def test_floating_point(self, tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.full((4, 4, 3), 0.5, np.float32))
    with pytest.raises(UserError, match="8 or 16 bits per channel, found float32"):
      read_image(tmp_path / "a.tif")

  @pytest.mark.parametrize(
    ("call", "known"),
    [(read_image, PICTURE_SUFFIXES), (lambda path: write_image(path, None), WRITTEN_SUFFIXES)],
  )
  def test_unknown_suffix_lists_the_known(self, tmp_path, call, known):
    with pytest.raises(UserError, match=r"'\.xyz'") as error:
      call(tmp_path / "a.xyz")
    assert all(suffix in str(error.value) for suffix in known)

  def test_missing_folder(self, image, tmp_path):
    with pytest.raises(UserError, match="does not exist; create it first"):
      write_image(tmp_path / "no" / "a.png", image)

  def test_size_that_the_format_cannot_hold(self, tmp_path):
    with pytest.raises(UserError, match=r"20000x1 cannot be written as \.webp"):
      write_image(tmp_path / "a.webp", np.zeros((1, 20000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []

  @pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), "u1")],
  )
  def test_wrong_array(self, tmp_path, wrong):
    with pytest.raises(ValueError, match=r"expected uint8 \[h, w, 3\]"):
      write_image(tmp_path / "a.png", wrong)
