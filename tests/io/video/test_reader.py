import itertools
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.video import read_frames, read_info


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_info_of_an_odd_clip_with_sound(make_clip, odd_frames, tmp_path, suffix):
  info = read_info(make_clip(tmp_path / f"a{suffix}", odd_frames))
  assert (info.width, info.height) == (67, 45)
  assert info.average_rate == 25
  assert info.has_audio
  assert not info.turn
  assert info.pixel_aspect == 1
  if suffix in (".mp4", ".mov"):
    assert info.frame_count == 12
    assert info.duration == pytest.approx(0.48)
  assert info.expected_frames == pytest.approx(12, abs=1)


def test_frames_arrive_in_order_with_the_pixels_that_went_in(make_clip, odd_frames, tmp_path):
  path = make_clip(tmp_path / "a.mp4", odd_frames)
  frames = list(read_frames(path))
  assert len(frames) == 12
  for frame, expected in zip(frames, odd_frames, strict=True):
    assert frame.image.dtype == np.uint8
    # The clip maker uses swscale's quick conversion; neighbours differ by far more.
    assert np.abs(frame.image.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_keeps_true_time_stamps(make_clip, odd_frames, tmp_path, suffix):
  pts = [0, 40, 73, 200, 210, 333, 400, 401, 500, 640, 777, 900]
  path = make_clip(tmp_path / f"a{suffix}", odd_frames, pts=pts, time_base=Fraction(1, 1000))
  assert [round(frame.time * 1000) for frame in read_frames(path)] == pts


def test_frames_are_streamed(make_clip, odd_frames, tmp_path):
  path = make_clip(tmp_path / "a.mkv", np.tile(odd_frames, (20, 1, 1, 1)))
  frames = read_frames(path)
  first = list(itertools.islice(frames, 3))
  assert [frame.pts for frame in first] == [0, 40, 80]
  frames.close()  # closes the file although it was not read to its end


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_sideways_video_is_turned_upright(make_clip, odd_frames, tmp_path, degrees):
  plain = make_clip(tmp_path / "plain.mp4", odd_frames)
  turned = make_clip(tmp_path / "turned.mp4", odd_frames, rotation=degrees)
  code = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
  }[degrees]
  info = read_info(turned)
  assert info.turn
  assert (info.width, info.height) == ((67, 45) if degrees == 180 else (45, 67))
  for was, now in zip(read_frames(plain), read_frames(turned), strict=True):
    np.testing.assert_array_equal(now.image, cv2.rotate(was.image, code))


@pytest.mark.parametrize(("degrees", "expected"), [(0, (4, 3)), (90, (3, 4)), (180, (4, 3))])
def test_wide_pixels_are_high_ones_when_turned(make_clip, odd_frames, tmp_path, degrees, expected):
  tags = {"sample_aspect_ratio": Fraction(4, 3)}
  path = make_clip(tmp_path / "wide.mp4", odd_frames, tags=tags, rotation=degrees)
  assert read_info(path).pixel_aspect == Fraction(*expected)


class TestBadInput:
  def test_missing_file(self, tmp_path):
    with pytest.raises(UserError, match=r"no\.mp4: expected a video file, found none"):
      read_info(tmp_path / "no.mp4")

  def test_folder(self, tmp_path):
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(UserError, match="found a folder"):
      read_info(tmp_path / "a.mp4")

  def test_empty_file(self, tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UserError, match=r"a\.mp4: .*zero bytes"):
      read_info(tmp_path / "a.mp4")

  def test_unknown_suffix(self, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UserError, match=r"unknown suffix '\.txt'.*\.mp4"):
      read_info(tmp_path / "a.txt")

  def test_no_video(self, tmp_path):
    (tmp_path / "a.mp4").write_text("This is no video. " * 100)
    with pytest.raises(UserError, match=r"cannot be opened as one .*no video"):
      read_info(tmp_path / "a.mp4")

  def test_sound_only(self, make_clip, odd_frames, tmp_path):
    both = make_clip(tmp_path / "both.mp4", odd_frames)
    with av.open(str(both)) as source, av.open(str(tmp_path / "sound.mp4"), "w") as out:
      stream = out.add_stream_from_template(source.streams.audio[0])
      for packet in source.demux(source.streams.audio[0]):
        if packet.size:
          packet.stream = stream
          out.mux(packet)
    with pytest.raises(UserError, match="without moving pictures"):
      read_info(tmp_path / "sound.mp4")

  @pytest.mark.parametrize("keep", [0.4, 0.8, 0.97])
  def test_index_first_and_end_missing_is_noticed_before_the_work(
    self, make_clip, odd_frames, tmp_path, keep
  ):
    path = make_clip(tmp_path / "a.mp4", odd_frames, audio=None)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(UserError, match=r"a\.mp4: .* (\d+) of 12 frames could be read"):
      read_frames(path)

  @pytest.mark.parametrize("cut", range(1, 2000, 97))
  def test_index_last_and_cut(self, make_clip, odd_frames, tmp_path, cut):
    """FFmpeg opens some of these, with fewer frames or without the sound."""
    path = make_clip(tmp_path / "a.mp4", odd_frames, faststart=False)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UserError, match=r"a\.mp4: .*last \d+ bytes are missing"):
      read_info(path)

  def test_bytes_after_the_last_box_are_no_damage(self, make_clip, odd_frames, tmp_path):
    path = make_clip(tmp_path / "a.mp4", odd_frames)
    path.write_bytes(path.read_bytes() + b"SEFT and what else phones append")
    assert len(list(read_frames(path))) == 12

  @pytest.mark.parametrize("suffix", [".mkv", ".avi"])
  def test_end_missing_without_an_index(self, make_clip, odd_frames, tmp_path, suffix):
    frames = np.tile(odd_frames, (3, 1, 1, 1))
    path = make_clip(tmp_path / f"a{suffix}", frames, audio=None)
    whole = len(list(read_frames(path)))
    assert whole == 36
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    seen = []
    with pytest.raises(UserError, match="of 36 frames could be read") as error:
      seen.extend(frame.pts for frame in read_frames(path))
    assert 5 < len(seen) < 31
    assert f" s: {len(seen)} of 36 frames could be read" in str(error.value)

  def test_damage_in_the_middle(self, make_clip, odd_frames, tmp_path):
    path = make_clip(tmp_path / "a.mp4", odd_frames, audio=None)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + len(data) // 3
    data[start : start + 4000] = b"\xff" * 4000
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="of 12 frames could be read"):
      list(read_frames(path))
