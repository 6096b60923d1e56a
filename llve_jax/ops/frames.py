"""Between the 8-bit frames of files and numbers in [0, 1], for numpy and JAX arrays alike."""

from typing import Any


def to_unit(frames: Any) -> Any:
  """8 bits to float32 in [0, 1], any shape; float32 stays as it is."""
  if frames.dtype == "float32":
    return frames
  xp = frames.__array_namespace__()
  return frames.astype("float32") / xp.float32(255.0)


def to_8_bit(values: Any) -> Any:
  """Numbers to 8 bits as a saved file has them: clipped to [0, 1] and rounded; any shape."""
  xp = values.__array_namespace__()
  return xp.round(xp.clip(values, 0.0, 1.0) * xp.float32(255.0)).astype("uint8")
