"""Features that the examples of every data set have, and how frames are stored.

An example is a segment of a clip: `low` and `high` are sequences of images, each stored as a PNG
file of its own, so that reading T frames decodes T frames. `high` holds one frame per dark one, or
a single one that is the target of all, or none. `start` numbers the first frame in the clip.
"""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from llve_jax.io.images import encode_png

# What a raw data set says of each segment.
RAW_FEATURES: dict[str, Any] = {
  "cfa": tfds.features.Text(),
  "black": tfds.features.Tensor(shape=(None,), dtype=np.float32),
  "white": np.float32,
  "ratio": tfds.features.Tensor(shape=(None,), dtype=np.float32),
  "camera": tfds.features.Text(),
  "iso": np.float32,
  "exposure_time": np.float32,
}


def images(channels: int = 3, dtype: Any = np.uint8) -> tfds.features.Sequence:
  """A sequence of images: R'G'B' or one plane, 8 or 16 bits."""
  return tfds.features.Sequence(
    tfds.features.Image(shape=(None, None, channels), dtype=dtype, encoding_format="png")
  )


def features(low: tfds.features.Sequence, high: Any, **extra: Any) -> tfds.features.FeaturesDict:
  """The features of a data set: clips, where they come from, and what is particular to it."""
  return tfds.features.FeaturesDict(
    {
      "low": low,
      "high": high,
      "clip": tfds.features.Text(),
      "variant": np.int32,
      "start": np.int32,
      "fps": np.float32,
      **extra,
    }
  )


def encoded(frames: Iterable[np.ndarray]) -> list[io.BytesIO]:
  """Frames [h, w] or [h, w, c] as PNG files in memory."""
  planes = (frame if frame.ndim == 3 else frame[..., None] for frame in frames)
  return [io.BytesIO(encode_png(frame)) for frame in planes]
