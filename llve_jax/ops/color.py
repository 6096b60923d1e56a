"""sRGB transfer curve and luma, for numpy and JAX arrays alike.

sRGB values are gamma-encoded, linear values are proportional to light; 1.0 is full scale in both.
Every function keeps the array library and the dtype of its argument.
"""

from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Array, Float

AnyArray = TypeVar("AnyArray", np.ndarray, Array)

# IEC 61966-2-1: a straight line near black, a shifted power above it.
_SLOPE = 12.92
_OFFSET = 0.055
_EXPONENT = 2.4
_SRGB_KNEE = 0.04045
_LINEAR_KNEE = 0.0031308

_BT601 = (0.299, 0.587, 0.114)


def srgb_to_linear(srgb: Float[AnyArray, "..."]) -> Float[AnyArray, "..."]:
  """Decodes sRGB to linear light (IEC 61966-2-1), any shape.

  Values below 0 follow the straight line, values above 1 the power; the gradient is finite
  everywhere.

  Raises:
    TypeError: the array is not of a floating type.
  """
  xp = _namespace(srgb)
  # The maximum keeps the branch that is not taken finite, and so its gradient.
  power = ((xp.maximum(srgb, _SRGB_KNEE) + _OFFSET) / (1 + _OFFSET)) ** _EXPONENT
  return xp.where(srgb <= _SRGB_KNEE, srgb / _SLOPE, power)


def linear_to_srgb(linear: Float[AnyArray, "..."]) -> Float[AnyArray, "..."]:
  """Encodes linear light as sRGB; the inverse of `srgb_to_linear`, any shape.

  Raises:
    TypeError: the array is not of a floating type.
  """
  xp = _namespace(linear)
  power = (1 + _OFFSET) * xp.maximum(linear, _LINEAR_KNEE) ** (1 / _EXPONENT) - _OFFSET
  return xp.where(linear <= _LINEAR_KNEE, linear * _SLOPE, power)


def luma(rgb: Float[AnyArray, "... 3"]) -> Float[AnyArray, "... 1"]:
  """BT.601 luma of gamma-encoded RGB; the channel axis stays, with one channel.

  Raises:
    TypeError: the array is not of a floating type.
    ValueError: the last axis does not hold three channels.
  """
  _namespace(rgb)
  if rgb.shape[-1] != 3:
    raise ValueError(f"luma expects RGB on the last axis, got the shape {rgb.shape}")
  red, green, blue = _BT601
  return red * rgb[..., 0:1] + green * rgb[..., 1:2] + blue * rgb[..., 2:3]


def _namespace(array: Any) -> ModuleType:
  """The array's own library: numpy or jax.numpy."""
  xp = array.__array_namespace__()
  if not xp.isdtype(array.dtype, "real floating"):
    raise TypeError(f"expected floating values in [0, 1], got {array.dtype}; divide by full scale")
  return xp


# Linear light of each 8-bit sRGB code, as a table.
LINEAR_OF_CODE = srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
