"""Axis letters and array names used in every signature.

b clips in a batch, t frames, h rows, w columns, c channels. A clip always has a time axis: an image
is a clip of one frame.

sRGB arrays are gamma-encoded RGB in [0, 1]; linear arrays are proportional to light, in [0, 1];
frames outside the networks are 8-bit sRGB, uint8 in [0, 255].
"""

import numpy as np
from jaxtyping import Array, Float, UInt8

Clip = Float[Array, "b t h w c"]
Frames8 = UInt8[np.ndarray, "t h w 3"]
Frame8 = UInt8[np.ndarray, "h w 3"]
