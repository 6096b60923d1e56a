"""Axis letters and array names used in every signature.

b clips in a batch, t frames, h rows, w columns, c channels. A clip always has a time axis: an image
is a clip of one frame.

sRGB arrays are gamma-encoded RGB in [0, 1]; linear arrays are proportional to light, in [0, 1];
frames outside the networks are 8-bit sRGB, uint8 in [0, 255], or 16-bit, uint16 in [0, 65535].

A mosaic is what a sensor measured, one colour per pixel: one plane [h, w], uint16 in the units of
the file. `cfa` (colour filter array) names the colours of its repeating cell row by row: four
letters for Bayer ("RGGB"), 36 for X-Trans. Packed, its cells are pixels with 4 or 9 channels.
"""

import numpy as np
from jaxtyping import Array, Float, UInt8, UInt16

Clip = Float[Array, "b t h w c"]
Frames8 = UInt8[np.ndarray, "t h w 3"]
Frame8 = UInt8[np.ndarray, "h w 3"]
Frame16 = UInt16[np.ndarray, "h w 3"]
Mosaic = UInt16[np.ndarray, "h w"]
