import types
from fractions import Fraction

import av
import numpy as np
import pytest

from llve_jax.io.video import read_frames, read_info
from llve_jax.io.video.clock import Clock, spread, start_of


def packet(track, time, *, duration=0.04, kind="video"):
  base = Fraction(1, 1000)
  stamp = round(1000 * time)
  return types.SimpleNamespace(
    pts=stamp, dts=stamp, duration=round(1000 * duration), time_base=base, stream_index=track,
    stream=types.SimpleNamespace(type=kind),
  )  # fmt: skip


def moved(clock, *packets):
  for each in packets:
    clock.move(each)
  return [each.dts for each in packets]


def test_all_tracks_of_what_is_joined_are_moved_by_the_same():
  clock = Clock(Fraction(1), 0, jumping=True)
  first = (
    packet(0, 1.0),
    packet(1, 1.0, kind="audio"),
    packet(0, 1.5),
    packet(1, 1.49, kind="audio"),
  )
  assert moved(clock, *first) == [0, 0, 500, 490]
  # The second part; sound of the first comes after its first picture.
  assert moved(clock, packet(0, 1.0), packet(1, 1.53, kind="audio")) == [540, 530]
  assert moved(clock, packet(1, 1.02, kind="audio"), packet(0, 1.04)) == [560, 580]


def test_where_sound_comes_first_behind_a_join_the_pictures_have_ended():
  clock = Clock(Fraction(1), 0, jumping=True)
  moved(clock, packet(0, 1.0), packet(1, 1.0, kind="audio"), packet(1, 1.4, kind="audio"))
  moved(clock, packet(0, 1.5))
  assert moved(clock, packet(1, 1.0, kind="audio"), packet(0, 1.0)) == [540, 540]


def test_a_small_step_back_is_no_join():
  clock = Clock(Fraction(0), 0, jumping=True)
  assert moved(clock, packet(0, 0), packet(0, 0.5), packet(0, 0.45)) == [0, 500, 450]
  assert moved(clock, packet(0, 0.2)) == [490]


def test_a_pause_is_none_unless_the_format_jumps():
  assert moved(Clock(Fraction(0), 0, jumping=False), packet(0, 0), packet(0, 60)) == [0, 60000]
  assert moved(Clock(Fraction(0), 0, jumping=True), packet(0, 0), packet(0, 60)) == [0, 40]


@pytest.mark.parametrize(
  ("first", "sound", "expected"),
  [
    (0.0, [], 0.0),
    (None, [], 0.0),
    (1.5, [1.4], 1.4),
    (1.5, [1.6, None], 1.5),
    (0.0, [-0.021], 0.0),  # an encoder's warm-up
    (0.0, [-0.5], -0.5),  # heard before the first picture is seen
    (-0.5, [-0.021], -0.5),
    (None, [2.0], 2.0),
  ],
)
def test_a_film_starts_with_its_first_picture_or_sound(first, sound, expected):
  base = Fraction(1, 1000)
  streams = [
    types.SimpleNamespace(time_base=base, start_time=None if start is None else round(1000 * start))
    for start in sound
  ]
  container = types.SimpleNamespace(streams=types.SimpleNamespace(audio=streams))
  assert start_of(container, None if first is None else Fraction(first)) == pytest.approx(expected)


@pytest.mark.parametrize(
  ("stamps", "expected"),
  [
    ([0, 4, 8], [0, 4, 8]),
    ([None, None, None], [0, 4, 8]),
    ([0, None, 8], [0, 4, 8]),
    ([0, 4, 4, 12], [0, 4, 8, 12]),
    ([0, 4, 4, 8], [0, 4, 6, 8]),
    ([0, 4, 4], [0, 4, 8]),
    ([None, 4, 8], [0, 4, 8]),
    ([0, *[0] * 12], [4 * index for index in range(13)]),
    ([], []),
  ],
)
def test_missing_and_doubled_stamps_are_spread(stamps, expected):
  items = list(spread(zip(stamps, range(100), strict=False), 4))
  assert [stamp for stamp, _ in items] == expected
  assert [item for _, item in items] == list(range(len(stamps)))


def test_joined_transport_streams_go_on(frames, encode, copied, times, onset, tmp_path):
  one = encode(tmp_path / "one.ts", frames, sound="aac").read_bytes()
  (tmp_path / "two.ts").write_bytes(one + one)
  copied(tmp_path / "two.ts", tmp_path / "out.mp4")
  found = times(tmp_path / "out.mp4")
  assert len(found) == 24
  assert np.diff(found) == pytest.approx(0.04, abs=1e-3)
  assert found[0] < 0.1
  before = onset(tmp_path / "one.ts") - times(tmp_path / "one.ts")[0]
  assert onset(tmp_path / "out.mp4") - found[0] == pytest.approx(before, abs=0.02)


@pytest.mark.parametrize("start", [1.46, -0.5])
def test_late_and_negative_starts_begin_at_0(
  frames, encode, remux, copied, times, onset, tmp_path, start
):
  def move(packet):
    offset = round(start / packet.time_base)
    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
    return packet

  plain = encode(tmp_path / "plain.mkv", frames, sound="aac", options={"bf": "0"})
  source = remux(plain, tmp_path / "moved.mkv", move)
  copied(source, tmp_path / "out.mp4")
  found = times(tmp_path / "out.mp4")
  assert found[0] == pytest.approx(0, abs=0.03)
  assert np.diff(found) == pytest.approx(0.04, abs=2e-3)
  assert onset(tmp_path / "out.mp4") == pytest.approx(0.24, abs=0.03)


def test_b_frames_in_avi_are_even(frames, encode, tmp_path):
  path = encode(tmp_path / "a.avi", frames, options={"bf": "3", "b-adapt": "0", "crf": "4"})
  read = list(read_frames(path))
  assert [frame.time for frame in read] == pytest.approx([0.04 * index for index in range(12)])
  greys = [int(frame.image[24, 40, 0]) for frame in read]
  assert greys == sorted(greys)


def test_a_frame_that_repeats_the_one_before_is_no_damage(frames, encode, tmp_path):
  """AVI says so by an empty packet, as Theora does."""
  path = tmp_path / "a.avi"
  with av.open(str(path), "w") as out:
    stream = out.add_stream("mjpeg", rate=25)
    stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
    for index in (0, 1, 2, 4, 5):
      frame = av.VideoFrame.from_ndarray(frames[index], "rgb24")
      frame.pts, frame.time_base = index, Fraction(1, 25)
      out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
  with av.open(str(path)) as container:
    assert container.streams.video[0].frames == 6
  assert [frame.time for frame in read_frames(path)] == pytest.approx([0, 0.04, 0.08, 0.16, 0.2])


def test_an_edit_list_that_trims_stays(frames, encode, remux, copied, times, onset, tmp_path):
  def move(packet):
    offset = round(0.16 / packet.time_base)
    packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
    return packet

  plain = encode(tmp_path / "plain.mp4", frames, sound="aac", options={"bf": "0"})
  source = remux(plain, tmp_path / "trimmed.mp4", move)
  assert len(list(read_frames(source))) == 8
  assert read_info(source).start == 0
  for name in ("out.mp4", "out.mkv"):
    copied(source, tmp_path / name)
    assert times(tmp_path / name) == pytest.approx([0.04 * index for index in range(8)], abs=1e-3)
    assert onset(tmp_path / name) == pytest.approx(0.08, abs=0.02)
    with av.open(str(tmp_path / name)) as container:
      sound = [frame.time for frame in container.decode(audio=0)]
    assert sound[0] > -0.025
