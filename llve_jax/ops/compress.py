"""What is lost when frames are compressed: a JPEG per frame, or an H.264 film; in memory only."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np

from llve_jax.errors import UserError
from llve_jax.shapes import Frame8, Frames8


def jpeg_round_trip(frame: Frame8, quality: int) -> Frame8:
  """Compresses one sRGB frame as JPEG (4:2:0) of `quality` 1 to 100 and decodes it again.

  Raises:
    UserError: another quality.
  """
  if not 1 <= quality <= 100:
    raise UserError(f"JPEG: expected a quality of 1 to 100, found {quality}")
  _, encoded = cv2.imencode(
    ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
  )
  decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
  return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def h264_round_trip(frames: Frames8, fps: Fraction, crf: int, *, preset: str = "medium") -> Frames8:
  """Compresses a clip by H.264 (4:2:0) and decodes it again; the same bits on every run.

  One thread, since x264 decides differently with another number of them. Odd sizes are filled up
  by repeating the last row or column, which is cut off again.

  Args:
    frames: sRGB.
    fps: frames per second.
    crf: constant rate factor, 0 (nothing is lost but colour resolution) to 51.
    preset: of x264; "ultrafast" takes a fraction of the time and loses more.
  """
  height, width = frames.shape[1:3]
  even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
  buffer = io.BytesIO()
  with av.open(buffer, "w", format="mp4") as container:
    # Macroblock trees make x264 decide by what lies in memory: other bits in every process.
    options = {"crf": str(crf), "preset": preset, "threads": "1", "x264-params": "mbtree=0"}
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
