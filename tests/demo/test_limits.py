"""What the page takes and what it refuses, in a sentence."""

import dataclasses
import zlib
from pathlib import Path

import numpy as np
import pytest

from llve_jax.demo import limits
from llve_jax.demo.limits import Limits
from llve_jax.errors import UserError
from llve_jax.io.images import write_image
from llve_jax.io.video import read_info


def test_pictures_and_videos_are_told_by_their_content(
  dark_picture: Path, dark_video: Path
) -> None:
  assert limits.check_content(dark_picture, Limits()) == "picture"
  assert limits.check_content(dark_video, Limits()) == "video"


@pytest.mark.parametrize("name", ["page.html", "a.svg", "zip", "x.exe", "../../etc/passwd"])
def test_other_suffixes_are_refused(name: str) -> None:
  with pytest.raises(UserError, match=r"no picture and no video.*Try \.mp4"):
    limits.suffix_of(name)


def test_the_suffix_is_all_that_is_kept_of_a_name() -> None:
  assert limits.suffix_of("/tmp/../<b>holiday</b>.MP4") == ".mp4"


def test_empty_and_large_files_are_refused(tmp_path: Path) -> None:
  path = tmp_path / "dark.png"
  path.touch()
  with pytest.raises(UserError, match="empty"):
    limits.check_size(path, Limits())
  path.write_bytes(bytes(2_000_001))
  limits.check_size(path, Limits(megabytes=2.1))
  with pytest.raises(UserError, match="has 2 MB; this page takes up to 1"):
    limits.check_size(path, Limits(megabytes=1.0))


def test_long_videos_and_large_frames_are_refused(dark_video: Path, dark_picture: Path) -> None:
  limits.check_content(dark_video, Limits(seconds=2.1, megapixels=0.0016))
  with pytest.raises(UserError, match="2 s long; this page takes up to 1 s"):
    limits.check_content(dark_video, Limits(seconds=1.0))
  for path in (dark_video, dark_picture):
    with pytest.raises(UserError, match="48 x 32 pixels"):
      limits.check_content(path, Limits(megapixels=0.0015))


def test_videos_that_do_not_say_their_length_are_as_long_as_their_frames(
  dark_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  info = dataclasses.replace(read_info(dark_video), duration=None, frame_count=5000)
  monkeypatch.setattr(limits, "read_info", lambda path: info)
  with pytest.raises(UserError, match="s long; this page takes up to 120 s"):
    limits.check_content(dark_video, Limits())


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
  """A PNG of 50,000 by 50,000 pixels in a few kilobytes."""

  def chunk(kind: bytes, data: bytes) -> bytes:
    checked = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checked

  header = (50_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
  rows = zlib.compress(bytes(1_000_000))
  path = tmp_path / "bomb.png"
  path.write_bytes(
    b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
  )
  with pytest.raises(UserError, match="50000x50000"):
    limits.check_content(path, Limits())


def test_room_is_what_is_left_of_the_disk_that_is_allowed(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  (tmp_path / "jobs").mkdir()
  (tmp_path / "jobs" / "a").write_bytes(bytes(3_000_000))
  assert limits.disk_used(tmp_path) == pytest.approx(0.003)
  limits.check_room(tmp_path, 0.0009, Limits(disk=0.004))
  with pytest.raises(UserError, match="no room"):
    limits.check_room(tmp_path, 0.0011, Limits(disk=0.004))
  monkeypatch.setattr(limits.shutil, "disk_usage", lambda _: type("U", (), {"free": 1e8}))
  with pytest.raises(UserError, match="no room"):
    limits.check_room(tmp_path, 0.0, Limits())


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_above_nothing(value: float) -> None:
  with pytest.raises(UserError, match="--max_minutes"):
    Limits(minutes=value)


def test_a_grey_picture_of_sixteen_bits_is_a_picture(tmp_path: Path) -> None:
  path = tmp_path / "deep.png"
  write_image(path, np.zeros((4, 5, 3), np.uint16))
  assert limits.check_content(path, Limits()) == "picture"


def test_what_is_removed_meanwhile_does_not_count(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """A folder goes while another visitor's room is looked for."""
  for name in ("a", "b"):
    (tmp_path / name).mkdir()
    (tmp_path / name / "film").write_bytes(bytes(1_000_000))
  seen = limits.os.scandir

  def scandir(path: str) -> object:
    if str(path) == str(tmp_path / "a"):
      raise FileNotFoundError(path)
    return seen(path)

  monkeypatch.setattr(limits.os, "scandir", scandir)
  assert limits.disk_used(tmp_path) == pytest.approx(0.001)


def test_nothing_is_removed_while_it_is_worked_on() -> None:
  assert Limits(keep=5.0, minutes=5.0).keep == 5.0
  with pytest.raises(UserError, match=r"--max_keep=5: .* at least --max_minutes=6"):
    Limits(keep=5.0, minutes=6.0)


def test_a_file_that_is_removed_meanwhile_does_not_count(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """It is listed, and gone when it is looked at."""
  (tmp_path / "film").write_bytes(bytes(1_000_000))
  monkeypatch.setattr(limits.os, "walk", lambda place: [(str(place), [], ["gone", "film"])])
  assert limits.disk_used(tmp_path) == pytest.approx(0.001)
