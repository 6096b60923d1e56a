"""Damaged and cut files: refused with the time, or the good frames kept."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.video import read_frames, read_info
from llve_jax.io.video.gaps import Gaps
from llve_jax.io.video.source import demuxed


@pytest.fixture(scope="module")
def damaged(frames, encode, tmp_path_factory):
  """Every frame a key frame; that of 0.2 s is no JPEG any more."""
  path = encode(tmp_path_factory.mktemp("damaged") / "a.mkv", frames, "mjpeg", "yuvj420p")
  data = bytearray(path.read_bytes())
  start = -1
  for _ in range(6):
    start = data.index(b"\xff\xd8", start + 1)
  end = data.index(b"\xff\xd9", start)
  data[start:end] = b"\0" * (end - start)
  path.write_bytes(bytes(data))
  return path


def test_stop_says_at_which_time(damaged):
  seen = []
  with pytest.raises(UserError, match=r"at 0\.20 s: 5 of 12 frames .*--on_error=skip"):
    seen.extend(read_frames(damaged))
  assert len(seen) == 5


def test_skip_shows_the_last_good_frame(damaged, copied, times, tmp_path):
  read = list(read_frames(damaged, on_error="skip"))
  assert [frame.time for frame in read] == pytest.approx([0.04 * i for i in range(12)], abs=1e-3)
  np.testing.assert_array_equal(read[5].image, read[4].image)
  assert np.abs(read[6].image.astype(int) - read[4].image).mean() > 5
  _, reader = copied(damaged, tmp_path / "out.mp4", on_error="skip")
  assert len(times(tmp_path / "out.mp4")) == 12
  assert reader.faults == ["0.20 to 0.24 s: 1 frame could not be read; the last good one is shown"]


def test_stop_writes_nothing(damaged, copied, tmp_path):
  with pytest.raises(UserError, match="damaged or cut off at 0"):
    copied(damaged, tmp_path / "out.mp4")
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_a_cut_end_is_skipped_with_a_word(frames, encode, copied, times, tmp_path, suffix):
  long = np.tile(frames, (2, 1, 1, 1))
  container = {"movflags": "faststart"} if suffix == ".mp4" else {}
  path = encode(tmp_path / f"a{suffix}", long, "mjpeg", "yuvj420p", container=container)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  with pytest.raises(UserError, match=r"cut off"):
    copied(path, tmp_path / "out.mkv")
  _, reader = copied(path, tmp_path / "out.mkv", on_error="skip")
  assert 6 < len(times(tmp_path / "out.mkv")) < 15
  assert len(reader.faults) >= 1


@pytest.mark.parametrize("start", [0, 5])
def test_where_it_was_cut_is_told_from_its_start(
  frames, encode, remux, copied, times, tmp_path, start
):
  def move(packet):
    offset = round(start / packet.time_base)
    packet.pts, packet.dts = packet.pts + offset, packet.pts + offset
    return packet

  plain = encode(tmp_path / "plain.mkv", np.tile(frames, (4, 1, 1, 1)), "mjpeg", "yuvj420p")
  path = remux(plain, tmp_path / "a.mkv", move)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  _, reader = copied(path, tmp_path / "out.mp4", on_error="skip")
  (line,) = [line for line in reader.faults if line.startswith("ends at")]
  end, missing = (float(word) for word in line.split() if word[0].isdigit())
  assert end == pytest.approx(len(times(tmp_path / "out.mp4")) / 25, abs=0.05)
  assert end + missing == pytest.approx(48 / 25, abs=0.05)


def test_a_whole_file_has_no_faults(frames, encode, copied, tmp_path):
  path = encode(tmp_path / "a.mp4", frames)
  _, reader = copied(path, tmp_path / "out.mp4", on_error="skip")
  assert reader.faults == []
  assert read_info(path, on_error="skip") == read_info(path)


def test_a_stream_that_begins_within_a_file_ends_nothing():
  class Container:
    def demux(self, *streams):
      yield from streams
      raise IndexError("list index out of range")  # as PyAV 18 has it

  assert list(demuxed(Container(), "one", "two")) == ["one", "two"]


def test_damage_that_costs_no_frame_is_told_too():
  info: Any = SimpleNamespace(time_base=Fraction(1, 25), step=1, expected_frames=3)
  gaps = Gaps(info)
  assert gaps.faults() == []
  gaps.damage()
  assert gaps.faults() == ["some of its data could not be read"]
  for stamp in (0, 1, 2):
    gaps.promise(stamp)
  assert list(gaps.until(2)) == [0, 1]
  assert gaps.faults() == ["0.00 to 0.08 s: 2 frames could not be read; the last good one is shown"]


@pytest.mark.parametrize(
  ("good", "missing", "told"),
  [
    (
      (0, 5, 6, 8),
      [[], [1, 2, 3, 4], [], [7]],
      ["0.04 to 0.20 s: 4 frames", "0.28 to 0.32 s: 1 frame"],
    ),
    # A good frame between two that are missing parts them.
    ((0, 2, 4), [[], [1], [3]], ["0.04 to 0.08 s: 1 frame", "0.12 to 0.16 s: 1 frame"]),
  ],
)
def test_frames_missing_in_a_row_are_one_line(good, missing, told):
  count = good[-1] + 1
  info: Any = SimpleNamespace(time_base=Fraction(1, 25), step=1, expected_frames=count)
  gaps = Gaps(info)
  gaps.damage()
  for stamp in range(count):
    gaps.promise(stamp)
  assert [list(gaps.until(stamp)) for stamp in good] == missing
  assert [line.partition(" could")[0] for line in gaps.faults()] == told
