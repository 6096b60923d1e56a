"""Reading and writing video; everything streams.

`read_info`, `read_frames` -> `VideoFrame` with time stamps; `VideoReader`, `VideoWriter`,
`write_video`; `glimpse`: a few frames from anywhere; `make_plan`: what of a file goes into another,
decided before the first frame.
"""

from llve_jax.io.video.glimpse import glimpse
from llve_jax.io.video.plan import Plan, make_plan
from llve_jax.io.video.reader import VideoFrame, VideoReader, read_frames
from llve_jax.io.video.source import VIDEO_SUFFIXES, VideoInfo, read_info
from llve_jax.io.video.tracks import Tracks
from llve_jax.io.video.writer import VideoWriter, write_video

__all__ = [
  "VIDEO_SUFFIXES",
  "Plan",
  "Tracks",
  "VideoFrame",
  "VideoInfo",
  "VideoReader",
  "VideoWriter",
  "glimpse",
  "make_plan",
  "read_frames",
  "read_info",
  "write_video",
]
