import threading

import av
import numpy as np
import pytest

from llve_jax.enhance.videos import enhance_video
from llve_jax.errors import UserError
from llve_jax.io.video import make_plan, read_frames, read_info
from llve_jax.methods.method import Method
from llve_jax.ops.frames import to_unit


class Function(Method):
  """A method that is a function of the stream."""

  def __init__(self, function):
    self.name, self._function = "brighter", function

  def stream(self, frames, *, rounded=True):
    assert rounded
    return self._function(iter(frames))


@Function
def brighter(frames):
  """Reads ahead by three frames, as a network with batches does."""
  held = []
  for frame in frames:
    held.append(frame)
    if len(held) == 3:
      yield 255 - held.pop(0) // 2
  yield from (255 - frame // 2 for frame in held)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_video_keeps_count_stamps_rate_size_and_sound(
  make_clip, odd_frames, audio_packets, tmp_path, suffix
):
  info = read_info(make_clip(tmp_path / f"in{suffix}", odd_frames))
  target = tmp_path / f"out{suffix}"
  enhanced = enhance_video(make_plan(info, target), brighter)
  before, after = list(read_frames(info.path)), list(read_frames(target))
  assert enhanced.frames == len(before) == len(after) == 12
  assert [frame.time for frame in after] == [frame.time for frame in before]
  assert read_info(target).average_rate == info.average_rate == 25
  assert (enhanced.width, enhanced.height) == (67, 45) == after[0].image.shape[1::-1]
  assert audio_packets(target) == audio_packets(info.path)
  for was, now in zip(before, after, strict=True):
    assert np.abs(now.image.astype(int) - (255 - was.image // 2)).mean() < 4
  assert str(enhanced).startswith("12 frames of 67x45 in ")
  assert str(enhanced).endswith(f"wrote {target}")


def test_variable_rate(make_clip, odd_frames, tmp_path):
  pts = [0, 1, 5, 6, 7, 11, 20, 21, 22, 23, 40, 41]
  info = read_info(make_clip(tmp_path / "in.mp4", odd_frames, pts=pts))
  enhance_video(make_plan(info, tmp_path / "out.mp4"), brighter)
  times = [frame.time for frame in read_frames(tmp_path / "out.mp4")]
  assert times == pytest.approx([stamp / 25 for stamp in pts])


def test_side_by_side_video_has_the_original_on_the_left(make_clip, odd_frames, tmp_path):
  info = read_info(make_clip(tmp_path / "in.mp4", odd_frames))
  enhanced = enhance_video(
    make_plan(info, tmp_path / "out.mp4", width=134), brighter, side_by_side=True
  )
  assert (enhanced.width, enhanced.height) == (134, 45)
  before, after = list(read_frames(info.path)), list(read_frames(tmp_path / "out.mp4"))
  assert [frame.time for frame in after] == [frame.time for frame in before]
  for was, now in zip(before, after, strict=True):
    left, right = now.image[:, :67].astype(int), now.image[:, 67:].astype(int)
    assert np.abs(left - was.image).mean() < 4
    assert np.abs(right - (255 - was.image // 2)).mean() < 4


def test_progress_sees_every_frame(make_clip, odd_frames, tmp_path):
  seen = []

  def progress(frames):
    for frame in frames:
      seen.append(frame.shape)
      yield frame

  info = read_info(make_clip(tmp_path / "in.mp4", odd_frames))
  enhance_video(make_plan(info, tmp_path / "out.mp4"), brighter, progress=progress)
  assert seen == [(45, 67, 3)] * 12


def test_a_source_cut_off_leaves_no_output(make_clip, odd_frames, tmp_path):
  path = make_clip(tmp_path / "in.mkv", np.tile(odd_frames, (3, 1, 1, 1)))
  data = path.read_bytes()
  path.write_bytes(data[: len(data) // 2])
  with pytest.raises(UserError, match="frames could be read"):
    enhance_video(make_plan(read_info(path), tmp_path / "out.mkv"), brighter)
  assert [entry.name for entry in tmp_path.iterdir()] == ["in.mkv"]


def test_a_stream_that_loses_frames_is_an_error(make_clip, odd_frames, tmp_path):
  info = read_info(make_clip(tmp_path / "in.mp4", odd_frames))

  @Function
  def lossy(frames):
    next(frames)
    yield from frames

  with pytest.raises(RuntimeError, match="1 of 12 frames did not come out"):
    enhance_video(make_plan(info, tmp_path / "out.mp4"), lossy)
  assert not (tmp_path / "out.mp4").exists()


def test_ten_bits_pass_through_a_method_unrounded(make_clip, tmp_path):
  row = np.linspace(64, 200, 64).round().astype(np.uint16)
  path = tmp_path / "in.mkv"
  with av.open(str(path), "w") as out:
    stream = out.add_stream("ffv1", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p10le"
    for index in range(3):
      frame = av.VideoFrame(64, 32, "yuv420p10le")
      for plane, value in zip(frame.planes, (row, 512, 512), strict=True):
        np.frombuffer(memoryview(plane), "<u2").reshape(plane.height, -1)[:, : plane.width] = value
      frame.pts = index
      out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
  seen = []

  class Unit(Method):
    name = "unit"

    def stream(self, frames, *, rounded=True):
      seen.append(rounded)
      for frame in frames:
        seen.append(frame.dtype)
        yield to_unit(frame)

  info = read_info(path)
  enhanced = enhance_video(make_plan(info, tmp_path / "out.mkv"), Unit())
  assert enhanced.frames == 3
  assert seen == [False, np.uint16, np.uint16, np.uint16]
  with av.open(str(tmp_path / "out.mkv")) as container:
    for frame in container.decode(video=0):
      luma = np.frombuffer(memoryview(frame.planes[0]), "<u2").reshape(32, -1)[16, :64]
      assert np.abs(luma.astype(int) - row).max() <= 2  # H.264 at its usual quality
  both = make_plan(info, tmp_path / "both.mkv", width=128)
  enhance_video(both, Unit(), side_by_side=True)
  (frame, *_) = read_frames(tmp_path / "both.mkv", deep=True)
  assert np.abs(frame.image[:, :62].astype(int) - frame.image[:, 64:126]).mean() < 80


def test_damage_is_skipped_and_listed(make_clip, odd_frames, tmp_path):
  path = make_clip(tmp_path / "in.mkv", np.tile(odd_frames, (3, 1, 1, 1)), audio=None)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  info = read_info(path, on_error="skip")
  enhanced = enhance_video(make_plan(info, tmp_path / "out.mkv"), brighter, on_error="skip")
  assert enhanced.frames == len(list(read_frames(tmp_path / "out.mkv")))
  assert "damaged: ends at " in str(enhanced)


def test_an_error_of_the_method_ends_all_threads(make_clip, odd_frames, tmp_path):
  info = read_info(make_clip(tmp_path / "in.mp4", np.tile(odd_frames, (3, 1, 1, 1))))

  @Function
  def broken(frames):
    yield next(frames)
    raise ZeroDivisionError

  with pytest.raises(ZeroDivisionError):
    enhance_video(make_plan(info, tmp_path / "out.mp4"), broken)
  assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
  assert not [each for each in threading.enumerate() if each.name in ("ahead", "behind")]
