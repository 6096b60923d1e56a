"""One file done for the page."""

from pathlib import Path

import av
import numpy as np
import pytest

from llve_jax.demo.job import Job, do
from llve_jax.demo.limits import Limits
from llve_jax.errors import UserError
from llve_jax.io.images import read_image
from llve_jax.io.video import read_frames, read_info, write_video


def placed(source: Path, folder: Path) -> Path:
  path = folder / f"input{source.suffix}"
  path.write_bytes(source.read_bytes())
  return path


def test_a_picture_is_shown_and_can_be_had(dark_picture: Path, tmp_path: Path) -> None:
  told: list[tuple[int, int | None]] = []
  job = Job(placed(dark_picture, tmp_path), {"model": "gamma"})
  result = do(job, Limits(), lambda *each: told.append(each))
  assert (result.kind, result.frames, result.size) == ("picture", 1, (48, 32))
  dark, bright = read_image(dark_picture), read_image(result.download)
  assert bright.mean() > 2 * dark.mean()
  np.testing.assert_allclose(read_image(result.after), bright, atol=20)  # JPEG
  np.testing.assert_allclose(read_image(result.before), dark, atol=12)
  assert result.numbers["brightness"]["after"] == pytest.approx(bright.mean(), abs=2)
  assert result.curves.frames == 1


def test_a_large_picture_is_shown_small_and_kept_whole(tmp_path: Path) -> None:
  from llve_jax.io.images import write_image

  path = tmp_path / "input.png"
  write_image(path, np.full((30, 3200, 3), 40, np.uint8))
  result = do(Job(path, {"model": "gamma"}), Limits(), lambda *_: None)
  assert read_image(result.before).shape == read_image(result.after).shape == (15, 1600, 3)
  assert read_image(result.download).shape == (30, 3200, 3)


def test_a_video_and_what_was_said(dark_video: Path, tmp_path: Path) -> None:
  told: list[tuple[int, int | None]] = []
  options = {"model": "gamma", "look": "natural", "strength": 0.5}
  job = Job(placed(dark_video, tmp_path), options)
  result = do(job, Limits(), lambda *each: told.append(each))
  assert (result.kind, result.frames, result.size) == ("video", 20, (48, 32))
  assert told[0] == (1, 20)
  assert result.before.samefile(job.source)  # a browser plays it as it is
  assert len(list(read_frames(result.after))) == 20
  assert any("strength 0.50" in line for line in result.said)
  assert not any(str(tmp_path) in line for line in result.said)
  assert result.numbers["flicker"].keys() == {"before", "after"}
  assert len(result.curves.means) == 20


def test_what_browsers_do_not_play_is_made_anew_to_be_shown(tmp_path: Path) -> None:
  path = tmp_path / "input.avi"
  write_video(path, np.full((3, 16, 16, 3), 30, np.uint8), 10)
  result = do(Job(path, {"model": "input"}), Limits(), lambda *_: None)
  assert (result.before.suffix, read_info(result.before).codec) == (".mp4", "h264")
  assert len(list(read_frames(result.before))) == 3


@pytest.mark.parametrize(
  ("encoder", "pixels", "codec", "bits"),
  [("libx264", "yuv420p10le", "h264", 10), ("mpeg4", "yuv420p", "mpeg4", 8)],
)
def test_an_mp4_that_browsers_do_not_play_is_made_anew(
  tmp_path: Path, encoder: str, pixels: str, codec: str, bits: int
) -> None:
  path = tmp_path / "input.mp4"
  with av.open(str(path), "w") as film:
    stream = film.add_stream(encoder, rate=10)
    stream.width, stream.height, stream.pix_fmt = 16, 16, pixels
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 30, np.uint8), "rgb24")
    for packet in (*stream.encode(frame.reformat(format=pixels)), *stream.encode(None)):
      film.mux(packet)
  info = read_info(path)
  assert (info.codec, info.bits) == (codec, bits)
  result = do(Job(path, {"model": "input"}), Limits(), lambda *_: None)
  shown = read_info(result.before)
  assert (shown.codec, shown.bits) == ("h264", 8)


def test_a_refusal_does_not_tell_paths(tmp_path: Path) -> None:
  path = tmp_path / "input.png"
  path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
  with pytest.raises(UserError) as caught:
    do(Job(path, {"model": "gamma"}), Limits(), lambda *_: None)
  assert "the file" in str(caught.value)
  assert str(tmp_path) not in str(caught.value)


def test_a_video_longer_than_it_says_is_stopped(
  dark_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """Its header says two seconds; what comes is counted."""
  from llve_jax.demo import job as module

  monkeypatch.setattr(module, "check_content", lambda path, limits: "video")
  monkeypatch.setattr(module, "_SPARE", 2)
  job = Job(placed(dark_video, tmp_path), {"model": "gamma"})
  with pytest.raises(UserError, match="longer than it says: more than 3 frames"):
    do(job, Limits(seconds=0.1), lambda *_: None)
  assert [each.name for each in tmp_path.iterdir()] == ["input.mp4"]
