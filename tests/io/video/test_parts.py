"""Packets of parts, and when they are decoded."""

from fractions import Fraction

import av
import numpy as np
import pytest

from llve_jax.io.video import VideoReader, read_frames, read_info
from llve_jax.io.video.parts import Joiner, PartWriter, decoding_times


@pytest.mark.parametrize(
  ("shown", "decoded"),
  [
    ([0, 1, 2, 3], [0, 1, 2, 3]),
    ([0, 3, 1, 2, 4], [-1, 0, 1, 2, 3]),
    ([0, 4, 2, 1, 3], [-2, -1, 0, 1, 2]),
    ([0, 10, 30, 80, 40], [-10, 0, 10, 30, 40]),
    ([5], [5]),
    ([], []),
  ],
)
def test_decoding_times(shown, decoded):
  found = decoding_times(np.array(shown, np.int64))
  assert found.tolist() == decoded
  assert (found <= shown).all()
  assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".webm"])
def test_parts_of_any_length_are_one_film(make_clip, odd_frames, tmp_path, suffix):
  source = make_clip(tmp_path / "in.mp4", odd_frames)
  target = tmp_path / f"out{suffix}"
  given = {"path": target, "width": 67, "height": 45, "source": read_info(source)}
  parts, past = [], None
  frames = list(read_frames(source))
  for start, end in ((0, 2), (2, 2), (2, 3), (3, 12)):
    with PartWriter(**given, past=past) as writer:
      for frame in frames[start:end]:
        writer.write(frame.image, frame.pts, frame.duration)
    parts, past = [*parts, writer.packets], writer.left
  assert [len(part["rows"]) for part in parts] == [2, 0, 1, 9]
  assert all(part["rows"][0, 3] for part in parts if len(part["rows"]))  # a key frame is first
  assert not target.exists()
  with VideoReader(read_info(source)) as reader, Joiner(**given) as joiner:
    joiner.join(lambda: parts, reader)
  found = list(read_frames(target))
  assert [frame.time for frame in found] == pytest.approx([f.time for f in frames], abs=1e-3)
  for one, other in zip(frames, found, strict=True):
    assert np.abs(one.image.astype(int) - other.image).mean() < 5
  with av.open(str(target)) as container:
    stamps = [packet.dts for packet in container.demux(video=0) if packet.size]
  stamps = [stamp for stamp in stamps if stamp is not None]  # Matroska stores none
  assert (np.diff(stamps) > 0).all()


def test_an_error_leaves_no_file(tmp_path):
  with pytest.raises(ZeroDivisionError), PartWriter(tmp_path / "a.mp4", 8, 8, rate=Fraction(25)):
    raise ZeroDivisionError
  assert list(tmp_path.iterdir()) == []
