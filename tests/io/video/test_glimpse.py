"""Frames from the middle of a video."""

import numpy as np
import pytest

from llve_jax.io.video import glimpse, read_frames, read_info


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_they_are_those_that_reading_gives(make_clip, odd_frames, tmp_path, suffix):
  path = make_clip(tmp_path / f"a{suffix}", np.tile(odd_frames, (3, 1, 1, 1)), audio=None)
  info, every = read_info(path), [frame.image for frame in read_frames(path)]
  for start, count in ((0, 2), (20, 3), (34, 9)):
    found = glimpse(info, start / 25, count)
    np.testing.assert_array_equal(found, every[start : start + count])
  np.testing.assert_array_equal(glimpse(info, 99.0), every[-1:])


def test_without_stamps_it_is_about_there(make_clip, odd_frames, tmp_path):
  path = make_clip(tmp_path / "a.avi", np.tile(odd_frames, (3, 1, 1, 1)), audio=None)
  assert len(glimpse(read_info(path), 0.8, 5)) == 5


def test_damage_is_passed_over(make_clip, odd_frames, tmp_path):
  path = make_clip(tmp_path / "a.mkv", odd_frames, audio=None)
  info = read_info(path)
  path.write_bytes(path.read_bytes()[:2000])
  assert len(glimpse(info, 0.0, 12)) < 12


def test_it_is_upright(make_clip, odd_frames, tmp_path):
  info = read_info(make_clip(tmp_path / "a.mp4", odd_frames, audio=None, rotation=90))
  assert glimpse(info, 0.1)[0].shape == (info.height, info.width, 3) == (67, 45, 3)


def test_a_film_that_begins_late(encode, frames, remux, tmp_path):
  def later(packet):
    offset = round(2 / packet.time_base)
    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
    return packet

  path = remux(encode(tmp_path / "a.mkv", frames, options={"bf": "0"}), tmp_path / "b.mkv", later)
  info, every = read_info(path), [frame.image for frame in read_frames(path)]
  assert info.start == 2
  np.testing.assert_array_equal(glimpse(info, 5 / 25, 2), every[5:7])
