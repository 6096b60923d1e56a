"""What goes in, and in which depth it comes out."""

import dataclasses
import os
import shutil
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.codec.context import Flags

from llve_jax.errors import UserError
from llve_jax.io.video import VideoWriter, containers, make_plan, read_frames, read_info, source
from llve_jax.io.video.hdr import HLG, PQ, to_sdr


@pytest.mark.parametrize(
  ("name", "codec", "pixels", "bits", "close"),
  [
    ("a.gif", "gif", "rgb8", 8, 12),
    ("a.mov", "prores_ks", "yuv422p10le", 10, 6),
    ("a.mkv", "ffv1", "yuv444p", 8, 4),
    ("a.mkv", "ffv1", "bgr0", 8, 0),
    ("a.mkv", "ffv1", "yuv420p10le", 10, 6),
    ("a.avi", "mjpeg", "yuvj420p", 8, 8),
    ("a.mpg", "mpeg2video", "yuv420p", 8, 8),
  ],
)
def test_what_cameras_and_editors_write_is_read(
  frames, encode, tmp_path, name, codec, pixels, bits, close
):
  path = encode(tmp_path / name, frames, codec, pixels)
  info = read_info(path)
  assert (info.width, info.height, info.bits) == (64, 48, bits)
  read = list(read_frames(path))
  assert len(read) == 12
  assert [frame.time for frame in read] == pytest.approx([0.04 * i for i in range(12)], abs=6e-3)
  for was, now in zip(frames, read, strict=True):
    assert abs(now.image[20:32, 32:60].mean() - was[20:32, 32:60].mean()) <= close


def test_a_name_with_a_colon(frames, encode, copied, tmp_path, monkeypatch):
  path = encode(tmp_path / "a.mp4", frames[:3])
  shutil.move(path, tmp_path / "12:30:00.mp4")
  monkeypatch.chdir(tmp_path)
  copied("12:30:00.mp4", "12:31:00.mp4")
  assert len(list(read_frames("12:31:00.mp4"))) == 3


def ramp(levels):
  """Dark frames of that many levels of 16 bits, a column each."""
  row = np.linspace(2000, 12000, levels).repeat(-(-256 // levels))[:256]
  return np.broadcast_to(row[None, None, :, None], (3, 32, 256, 3)).astype(np.uint16).copy()


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.mov"])
def test_ten_bits_stay_ten(encode, copied, tmp_path, target):
  path = encode(tmp_path / "in.mkv", ramp(64), "ffv1", "yuv420p10le")
  read = [frame.image for frame in read_frames(path, deep=True)]
  assert read[0].dtype == np.uint16
  assert len(np.unique(read[0][..., 1])) > 55  # 8 bits would leave 40
  plan, _ = copied(path, tmp_path / target)
  assert plan.depth == 10
  assert read_info(tmp_path / target).bits == 10
  (after, *_) = (frame.image for frame in read_frames(tmp_path / target, deep=True))
  error = (after.astype(float) - read[0])[4:-4, 4:-4]
  assert np.abs(error).mean() < 80  # a step of 10 bits is 64
  assert len(np.unique(after[16, :, 1])) > 45


def test_sixteen_bit_frames_are_exact_in_ten(tmp_path):
  image = ramp(256)[0]
  with VideoWriter(tmp_path / "a.mkv", 256, 32, rate=25, depth=10, crf=0) as writer:
    for _ in range(2):
      writer.write(image)
      writer.write((image / 65535).astype(np.float32))
  for frame in read_frames(tmp_path / "a.mkv", deep=True):
    error = frame.image.astype(int) - image
    assert np.abs(error).max() <= 80  # a step of limited range is 75
    assert np.abs(error).mean() < 25
    assert abs(error.mean()) < 4


@pytest.mark.parametrize(("depth", "bits"), [(8, 8), (10, 10), (None, 10)])
def test_depth_as_wished(encode, copied, tmp_path, depth, bits):
  path = encode(tmp_path / "in.mkv", ramp(64), "ffv1", "yuv420p10le")
  plan, _ = copied(path, tmp_path / "out.mp4", depth=depth)
  assert read_info(tmp_path / "out.mp4").bits == bits
  assert ("10 bits a channel are written as 8" in plan.words) == (bits == 8)


def test_no_encoder_takes_the_processor_from_others(encode, tmp_path):
  """AV1's makes the threads of a process real-time ones where it may."""
  path = encode(tmp_path / "in.mkv", ramp(64), "ffv1", "yuv420p10le")
  plan = make_plan(read_info(path), tmp_path / "out.webm")
  assert plan.pictures.encoder == "libvpx-vp9"
  assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_without_an_encoder_for_ten_bits_eight_are_written_with_a_word(
  encode, tmp_path, monkeypatch
):
  path = encode(tmp_path / "in.mkv", ramp(64), "ffv1", "yuv420p10le")
  opens = containers._opens

  def without(encoder, pixels, *size):
    return "10" not in pixels and opens(encoder, pixels, *size)

  monkeypatch.setattr(containers, "_opens", without)
  plan = make_plan(read_info(path), tmp_path / "out.mp4")
  assert plan.depth == 8
  assert "10 bits a channel are written as 8" in plan.words
  with pytest.raises(UserError, match=r"none of the encoders .*try --depth=8"):
    make_plan(read_info(path), tmp_path / "out.mp4", depth=10)


def test_sixteen_bits_are_none_of_a_video(frames, encode, tmp_path):
  path = encode(tmp_path / "in.mp4", frames)
  with pytest.raises(UserError, match="8 or 10 bits a channel, --depth=16 is none"):
    make_plan(read_info(path), tmp_path / "out.mp4", depth=16)


def test_interlaced_frames_lose_their_combs(encode, copied, times, tmp_path):
  """A bright bar that moves sideways, the two fields at two moments."""
  made = np.full((12, 64, 96, 3), 40, np.uint8)
  for index, frame in enumerate(made):
    for field in (0, 1):
      left = 4 * (2 * index + field)
      frame[field::2, left : left + 12 if left < 84 else None] = 200
  path = encode(
    tmp_path / "in.mp4",
    made,
    flags=Flags.interlaced_dct | Flags.interlaced_me,
    options={"x264-params": "tff=1", "crf": "4"},
  )
  assert read_info(path).fields == "top"

  def combs(images):
    rows = np.stack(images).astype(int)[3:-3, :, :, 1]
    return np.abs(rows[:, 1:-1] - (rows[:, :-2] + rows[:, 2:]) / 2).mean()

  progressive = [frame.image for frame in read_frames(path)]
  kept = [frame.image for frame in read_frames(path, keep_interlaced=True)]
  assert len(progressive) == len(kept) == 12
  assert combs(progressive) < 0.4 * combs(kept)
  plan, _ = copied(path, tmp_path / "out.mp4")
  assert any("made progressive" in word for word in plan.words)
  assert times(tmp_path / "out.mp4") == times(path)
  assert read_info(tmp_path / "out.mp4").fields == ""
  plan, _ = copied(path, tmp_path / "kept.mp4", keep_interlaced=True)
  assert any("kept, with its combs" in word for word in plan.words)
  assert read_info(tmp_path / "kept.mp4").fields == "top"


@pytest.mark.parametrize(
  ("order", "interlaced", "fields"),
  [
    (2, True, "top"),
    (3, True, "bottom"),
    (4, True, "top"),
    (5, True, "bottom"),
    (0, True, "top"),  # it does not say
    (5, False, ""),
  ],
)
def test_which_field_is_first(order, interlaced, fields):
  """FFmpeg's numbers: each field by itself (2, 3), or lines of both in turn (4, 5)."""
  stream = SimpleNamespace(codec_context=SimpleNamespace(field_order=order))
  assert source._fields(stream, SimpleNamespace(interlaced_frame=interlaced)) == fields


def test_light_of_hdr_is_that_of_the_standards():
  """BT.2100: 203 cd/m2 is code 0.5807 of PQ and 0.75 of HLG; both are paper white, near white."""
  for transfer, code in ((PQ, 0.5807), (HLG, 0.75)):
    grey = np.full((1, 1, 3), round(65535 * code), np.uint16)
    white = to_sdr(grey, transfer, 9, deep=False)
    assert 215 < white.min() <= white.max() < 250
    most = to_sdr(np.full((1, 1, 3), 65535, np.uint16), transfer, 9, deep=False)
    assert most.min() >= 254
    assert to_sdr(np.zeros((1, 1, 3), np.uint16), transfer, 9, deep=False).max() == 0
  # 10 cd/m2 by SMPTE ST 2084: code 0.3014; dark light is left as it is: 10 / 203 in sRGB.
  dark = to_sdr(np.full((1, 1, 3), round(65535 * 0.3014), np.uint16), PQ, 9, deep=True)
  light = 10 / 203
  assert dark / 65535 == pytest.approx(1.055 * light ** (1 / 2.4) - 0.055, abs=0.01)


@pytest.mark.parametrize("primaries", [9, 2])
def test_colours_of_hdr_are_those_of_bt_709(primaries):
  """A red of BT.709 at 60 cd/m2, in the primaries of BT.2020 (BT.2087) and PQ (ST 2084)."""
  light = (60 / 10000 * np.array([0.6274, 0.0691, 0.0164])) ** 0.1593017578125
  code = ((0.8359375 + 18.8515625 * light) / (1 + 18.6875 * light)) ** 78.84375
  image = np.round(65535 * code).astype(np.uint16)[None, None]
  red, green, blue = to_sdr(image, PQ, primaries, deep=True)[0, 0] / 65535
  assert red == pytest.approx(1.055 * (60 / 203) ** (1 / 2.4) - 0.055, abs=0.01)
  assert max(green, blue) < 0.02
  as_it_is = to_sdr(image, PQ, 1, deep=True)[0, 0] / 65535
  assert as_it_is[1] > 0.15  # primaries that are BT.709's already stay


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_video_becomes_sdr_with_a_word(encode, copied, tmp_path, transfer):
  path = encode(
    tmp_path / "in.mkv", ramp(64) * 4, "ffv1", "yuv420p10le",
    colorspace=9, color_primaries=9, color_trc=transfer,
  )  # fmt: skip
  plan, _ = copied(path, tmp_path / "out.mp4")
  assert any("HDR" in word for word in plan.words)
  color = read_info(tmp_path / "out.mp4").color
  assert (color.matrix, color.primaries, color.transfer) == (1, 1, 13)
  (frame, *_) = read_frames(path)
  assert np.all(np.diff(frame.image[16, 4:-4, 1].astype(int)) >= -1)


@pytest.mark.parametrize(("height", "name"), [(48, "BT.601, as players do below"), (720, "BT.709")])
def test_untagged_colour_is_said(encode, tmp_path, height, name):
  path = encode(tmp_path / "a.mp4", np.full((2, height, 64, 3), 90, np.uint8))
  info = read_info(path)
  words = make_plan(info, tmp_path / "out.mp4").words
  assert [word for word in words if name in word]
  side = "below" if height < 720 else "from"
  assert [word for word in words if f"as players do {side} 720 lines" in word]


def test_a_disk_that_is_too_small_is_found_before_the_work(frames, encode, tmp_path, monkeypatch):
  path = encode(tmp_path / "a.mp4", frames)
  info = read_info(path)
  usage = type("Usage", (), {"free": 1000})
  monkeypatch.setattr("llve_jax.io.video.plan.shutil.disk_usage", lambda path: usage)
  with pytest.raises(UserError, match="make room, or write to another disk"):
    make_plan(info, tmp_path / "out.mp4")
  with pytest.raises(UserError, match="make room"):  # the parts may be larger than the estimate
    make_plan(info, tmp_path / "out.mp4", parts=10**9)
  long = dataclasses.replace(info, frame_count=80_000)
  usage.free = 10**12
  size = 80_000 * info.width * info.height / 32 + 10**5  # a quarter of a bit a pixel
  assert make_plan(long, tmp_path / "out.mp4").size == size
  usage.free = 80_000
  assert "disk may be too small" in make_plan(info, tmp_path / "out.mp4").words[-1]


def test_vp9_keeps_odd_sizes(tmp_path):
  with VideoWriter(tmp_path / "a.webm", 33, 21, rate=Fraction(25)) as writer:
    for _ in range(3):
      writer.write(np.full((21, 33, 3), 80, np.uint8))
  with av.open(str(tmp_path / "a.webm")) as container:
    assert container.streams.video[0].codec_context.codec.canonical_name == "vp9"
  for frame in read_frames(tmp_path / "a.webm"):
    assert frame.image.shape == (21, 33, 3)
    assert np.abs(frame.image.astype(int) - 80).max() < 4
