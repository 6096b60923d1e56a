import dataclasses
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.io.video import (
  Tracks,
  VideoReader,
  VideoWriter,
  make_plan,
  read_frames,
  read_info,
  write_video,
  writer,
)
from llve_jax.io.video.color import ColorTags


def copy(source, target, *, crf=16, **options):
  """Reads and writes every frame as planned; returns their time stamps in seconds."""
  info = read_info(source)
  plan = make_plan(info, target, **options)
  times = []
  with (
    VideoReader(info, deep=plan.deep) as reader,
    VideoWriter(
      target,
      plan.width,
      plan.height,
      source=info,
      tracks=Tracks(plan, reader),
      depth=plan.depth,
      crf=crf,
    ) as writer,
  ):
    for frame in reader.frames():
      writer.write(frame.image, frame.pts, frame.duration)
      times.append(frame.time)
  return times


@pytest.mark.parametrize("target_suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("source_suffix", [".mp4", ".mkv", ".ts"])
def test_count_stamps_rate_size_and_sound_are_kept(
  make_clip, odd_frames, audio_packets, tmp_path, source_suffix, target_suffix
):
  source = make_clip(tmp_path / f"in{source_suffix}", odd_frames)
  target = tmp_path / f"out{target_suffix}"
  times = copy(source, target)
  assert len(times) == 12
  before, after = read_info(source), read_info(target)
  # Matroska counts milliseconds.
  tolerance = 6e-4 if target_suffix == ".mkv" else 1e-9
  assert [frame.time for frame in read_frames(target)] == pytest.approx(times, abs=tolerance)
  assert after.average_rate == before.average_rate == 25
  assert (after.width, after.height) == (67, 45)

  sound_before, sound_after = audio_packets(source), audio_packets(target)
  assert len(sound_before) > 10
  if source_suffix != ".ts":  # whose packets carry a header that other containers strip
    assert [data for data, _ in sound_after] == [data for data, _ in sound_before]
  starts = [time for _, time in sound_after]
  assert starts == pytest.approx([time for _, time in sound_before], abs=2e-3)


def test_avi_keeps_count_rate_and_sound(make_clip, odd_frames, audio_packets, tmp_path):
  source = make_clip(tmp_path / "in.mp4", odd_frames)
  target = tmp_path / "out.avi"
  copy(source, target)
  pts = [frame.pts for frame in read_frames(target)]
  assert list(np.diff(pts)) == [1] * 11
  assert read_info(target).average_rate == 25
  # Less the encoder's warm-up, which an AVI would play.
  kept = [data for data, time in audio_packets(source) if time >= 0]
  assert [data for data, _ in audio_packets(target)] == kept


VARIABLE = [0, 40, 73, 200, 210, 333, 400, 401, 500, 640, 777, 900]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_variable_rate_keeps_every_time_stamp(make_clip, odd_frames, tmp_path, suffix):
  source = make_clip(tmp_path / "in.mkv", odd_frames, pts=VARIABLE, time_base=Fraction(1, 1000))
  copy(source, tmp_path / f"out{suffix}")
  stamps = [round(frame.time * 1e6) for frame in read_frames(tmp_path / f"out{suffix}")]
  assert stamps == [1000 * stamp for stamp in VARIABLE]


def test_ntsc_rate_is_exact(make_clip, odd_frames, tmp_path):
  rate = Fraction(30000, 1001)
  source = make_clip(tmp_path / "in.mp4", odd_frames, rate=rate, time_base=1 / rate)
  times = copy(source, tmp_path / "out.mp4")
  assert read_info(tmp_path / "out.mp4").average_rate == rate
  assert [frame.time for frame in read_frames(tmp_path / "out.mp4")] == times


def test_a_video_that_starts_late_stays_late(make_clip, odd_frames, audio_packets, tmp_path):
  source = make_clip(tmp_path / "in.mp4", odd_frames, pts=list(range(30, 42)))
  copy(source, tmp_path / "out.mp4")
  assert next(read_frames(tmp_path / "out.mp4")).time == pytest.approx(1.2)
  assert audio_packets(tmp_path / "out.mp4") == audio_packets(source)


def test_the_clock_of_a_broadcast_is_counted_from_the_start(
  make_clip, odd_frames, audio_packets, tmp_path
):
  stamps = [25 * 3600 + index for index in range(12)]
  source = make_clip(tmp_path / "in.ts", odd_frames, pts=stamps, audio_start=3600.0)
  assert read_info(source).start > 3000
  times = copy(source, tmp_path / "out.mp4")
  written = [frame.time for frame in read_frames(tmp_path / "out.mp4")]
  assert 0 <= written[0] < 1
  assert np.diff(written) == pytest.approx(np.diff(times), abs=1e-4)
  with av.open(str(source)) as container:
    lead_before = next(container.decode(video=0)).time - audio_packets(source)[0][1]
  lead_after = written[0] - audio_packets(tmp_path / "out.mp4")[0][1]
  assert lead_after == pytest.approx(lead_before, abs=1e-3)


def test_stamps_that_do_not_increase_lose_no_frame(odd_frames, tmp_path):
  with VideoWriter(tmp_path / "a.mp4", 67, 45, rate=25) as writer:
    for frame, stamp in zip(odd_frames[:5], [0, 1, 1, 1, 9], strict=True):
      writer.write(frame, stamp)
  assert [frame.time for frame in read_frames(tmp_path / "a.mp4")] == pytest.approx(
    [0.0, 0.04, 0.08, 0.12, 0.36]
  )


@pytest.mark.parametrize(
  ("width", "height", "pixels"),
  [(64, 48, "yuv420p"), (67, 48, "yuv444p"), (64, 45, "yuv444p"), (1, 1, "yuv444p")],
)
def test_every_size_is_kept(tmp_path, width, height, pixels):
  frames = np.full((3, height, width, 3), 90, np.uint8)
  write_video(tmp_path / "a.mp4", frames, 25)
  with av.open(str(tmp_path / "a.mp4")) as container:
    context = container.streams.video[0].codec_context
    assert (context.name, context.pix_fmt) == ("h264", pixels)
    assert (context.width, context.height) == (width, height)
  assert len(list(read_frames(tmp_path / "a.mp4"))) == 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
  "tags",
  [
    ColorTags(1, False, 1, 1),
    ColorTags(5, False, 5, 6),
    ColorTags(6, True, 1, 13),
    ColorTags(9, False, 9, 14),
  ],
)
def test_colours_and_tags_survive(make_clip, odd_frames, tmp_path, tags, suffix):
  values = {
    "colorspace": tags.matrix,
    "color_range": 2 if tags.full_range else 1,
    "color_primaries": tags.primaries,
    "color_trc": tags.transfer,
  }
  source = make_clip(tmp_path / "in.mp4", odd_frames, tags=values)
  copy(source, tmp_path / f"out{suffix}", crf=0)
  assert read_info(tmp_path / f"out{suffix}").color == dataclasses.replace(tags, full_range=False)
  for was, now in zip(read_frames(source), read_frames(tmp_path / f"out{suffix}"), strict=True):
    error = now.image.astype(int) - was.image
    assert np.abs(error).max() <= 2
    assert np.abs(error.mean((0, 1))).max() < 0.1


def test_untagged_source_is_written_with_the_matrix_it_was_read_with(
  make_clip, odd_frames, tmp_path
):
  source = make_clip(tmp_path / "in.mp4", odd_frames)
  copy(source, tmp_path / "out.mp4")
  with av.open(str(tmp_path / "out.mp4")) as container:
    frame = next(container.decode(video=0))
    assert (int(frame.colorspace), int(frame.color_range)) == (6, 1)


def test_pixel_aspect_is_kept(odd_frames, make_clip, tmp_path):
  source = make_clip(tmp_path / "in.mp4", odd_frames, tags={"sample_aspect_ratio": Fraction(4, 3)})
  assert read_info(source).pixel_aspect == Fraction(4, 3)
  copy(source, tmp_path / "out.mp4")
  assert read_info(tmp_path / "out.mp4").pixel_aspect == Fraction(4, 3)


def test_default_quality_is_high_on_a_dark_noisy_clip(tmp_path):
  rng = np.random.default_rng(0)
  base = cv2.resize(rng.uniform(0, 60, (6, 8, 3)), (128, 96), interpolation=cv2.INTER_CUBIC)
  frames = [np.clip(base + rng.normal(0, 2, base.shape), 0, 255).astype(np.uint8) for _ in range(8)]
  write_video(tmp_path / "a.mp4", frames, Fraction(25))
  psnr = [
    cv2.PSNR(a.image, b) for a, b in zip(read_frames(tmp_path / "a.mp4"), frames, strict=True)
  ]
  assert min(psnr) > 38


class TestBadInput:
  def test_unknown_suffix(self, tmp_path):
    with pytest.raises(UserError, match=r"a\.wmv: .*use one of \.mp4 \.m4v \.mov \.mkv"):
      VideoWriter(tmp_path / "a.wmv", 8, 8, rate=25)

  def test_missing_folder(self, odd_frames, tmp_path):
    with pytest.raises(UserError, match="does not exist; create it first"):
      write_video(tmp_path / "no" / "a.mp4", odd_frames, 25)

  def test_variable_rate_into_avi(self, make_clip, odd_frames, tmp_path):
    source = make_clip(tmp_path / "in.mkv", odd_frames, pts=VARIABLE, time_base=Fraction(1, 1000))
    with pytest.raises(UserError, match=r"out\.avi: .* one constant frame rate.*\.mp4 or \.mkv"):
      copy(source, tmp_path / "out.avi")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]

  def test_no_frames(self, tmp_path):
    with pytest.raises(UserError, match="at least one frame"):
      write_video(tmp_path / "a.mp4", [], 25)
    with (
      pytest.raises(UserError, match="at least one frame"),
      VideoWriter(tmp_path / "a.mp4", 8, 8, rate=25),
    ):
      pass
    assert list(tmp_path.iterdir()) == []

  def test_an_error_while_writing_leaves_the_old_file(self, odd_frames, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"old")
    writer = VideoWriter(tmp_path / "a.mp4", 67, 45, rate=25)

    def fail():
      with writer:
        writer.write(odd_frames[0])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
      fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"

  @pytest.mark.parametrize("wrong", [np.zeros((45, 66, 3), "u1"), np.zeros((45, 67, 3), "f8")])
  def test_wrong_frame(self, odd_frames, tmp_path, wrong):
    with (
      pytest.raises(ValueError, match=r"expected a uint8, uint16 or float32 frame \[45, 67, 3\]"),
      VideoWriter(tmp_path / "a.mp4", 67, 45, rate=25) as writer,
    ):
      writer.write(wrong)

  def test_neither_rate_nor_source(self, tmp_path):
    with pytest.raises(ValueError, match="needs a rate or a source"):
      VideoWriter(tmp_path / "a.mp4", 8, 8)


def test_the_same_frames_give_the_same_file(tmp_path):
  """Also where the processor knows AVX-512, with which x264 is not of one mind."""
  frames = np.random.default_rng(0).integers(60, 90, (30, 96, 128, 3)).astype(np.uint8)
  files = [tmp_path / f"{index}.mp4" for index in range(4)]
  for path in files:
    write_video(path, frames, 25)
  assert len({path.read_bytes() for path in files}) == 1


@pytest.mark.parametrize(("flags", "found"), [("fma avx512f", True), ("fma avx2", False)])
def test_what_the_processor_knows(tmp_path, flags, found):
  (tmp_path / "cpuinfo").write_text(f"flags: {flags}\n")
  assert writer._has_avx512(tmp_path / "cpuinfo") == found
  assert not writer._has_avx512(tmp_path / "none")
