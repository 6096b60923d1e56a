"""Between the 8-bit or 16-bit frames of files and numbers in [0, 1], for numpy and JAX arrays."""

from typing import Any

_LARGEST = {"uint8": 255.0, "uint16": 65535.0}


def to_unit(frames: Any) -> Any:
  """8 or 16 bits to float32 in [0, 1], any shape; float32 stays as it is."""
  if frames.dtype == "float32":
    return frames
  xp = frames.__array_namespace__()
  return frames.astype("float32") / xp.float32(_LARGEST[str(frames.dtype)])


def to_8_bit(values: Any) -> Any:
  """Numbers to 8 bits as a saved file has them: clipped to [0, 1] and rounded; any shape."""
  return _rounded(values, "uint8")


def to_16_bit(values: Any) -> Any:
  """Numbers to 16 bits, as `to_8_bit`."""
  return _rounded(values, "uint16")


def _rounded(values: Any, dtype: str) -> Any:
  xp = values.__array_namespace__()
  return xp.round(xp.clip(values, 0.0, 1.0) * xp.float32(_LARGEST[dtype])).astype(dtype)
