"""Reading and writing video; everything streams.

`read_info`, `read_frames` -> `VideoFrame` with time stamps; `VideoWriter`, `write_video`.
"""

from llve_jax.io.video_reader import (
  VIDEO_SUFFIXES,
  VideoFrame,
  VideoInfo,
  read_frames,
  read_info,
)
from llve_jax.io.video_writer import OUTPUT_FORMATS, VideoWriter, write_video

__all__ = [
  "OUTPUT_FORMATS",
  "VIDEO_SUFFIXES",
  "VideoFrame",
  "VideoInfo",
  "VideoWriter",
  "read_frames",
  "read_info",
  "write_video",
]
