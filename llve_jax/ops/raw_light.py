"""From the numbers of a mosaic to light: black level, exposure, binning.

Mosaics and their packed forms are those of `llve_jax.ops.mosaic`. Light is linear: 0 is black, 1 is
the white level.
"""

import numpy as np
from jaxtyping import Float, Shaped

from llve_jax.errors import UserError
from llve_jax.ops.mosaic import cell_size, check_channels, tile_cell


def normalize(
  mosaic: Shaped[np.ndarray, "*batch h w"],
  cfa: str,
  black: tuple[float, ...],
  white: float,
  keep_negatives: bool = True,
) -> Float[np.ndarray, "*batch h w"]:
  """Sensor numbers to light: (raw - black) / (white - black), float32, at most 1.

  Args:
    mosaic: sensor numbers.
    cfa: layout; says to which site each black level belongs.
    black: one level per letter of `cfa`.
    white: the level that becomes 1.
    keep_negatives: noise around black is as often below it as above. The code released with
      "Learning to See in the Dark" cuts it off at 0 (False), which makes dark areas too bright on
      average.

  Raises:
    UserError: not one black level per letter, or white is not above black.
  """
  size = cell_size(cfa)
  if len(black) != len(cfa) or not max(black) < white:
    raise UserError(
      f"expected {len(cfa)} black levels, one per letter of {cfa}, all below white, found black "
      f"{black} and white {white}"
    )
  level = np.asarray(black, np.float32)
  dark = tile_cell(level.reshape(size, size), (mosaic.shape[-2], mosaic.shape[-1]))
  light = (mosaic.astype(np.float32) - dark) / (np.float32(white) - dark)
  return np.clip(light, None if keep_negatives else 0, 1)


def exposure_ratio(long_seconds: float, short_seconds: float, cap: float = 300.0) -> float:
  """How many times longer the long exposure is, at most `cap`.

  300 is the cap of "Learning to See in the Dark", where 10 s / 0.033 s counts as 300.

  Raises:
    UserError: an exposure is not positive.
  """
  if not (long_seconds > 0 and short_seconds > 0):
    raise UserError(f"expected exposures above 0 s, found {long_seconds} and {short_seconds}")
  return min(long_seconds / short_seconds, cap)


def expose(light: Float[np.ndarray, "..."], ratio: float) -> Float[np.ndarray, "..."]:
  """Brightens light by the exposure ratio; what exceeds white is cut off at 1."""
  return np.minimum(light * np.asarray(ratio, light.dtype), 1)


def bin_rgb(packed: Shaped[np.ndarray, "*batch p q 4"]) -> Float[np.ndarray, "*batch p q 3"]:
  """RGB at half size from a packed Bayer mosaic: red, the mean of the greens, blue; float32.

  Chen et al., "Seeing Motion in the Dark", ICCV 2019, feed their network such frames.

  Raises:
    UserError: not four channels.
  """
  check_channels(packed, "Bayer", 4)
  light = packed.astype(np.float32)
  green = (light[..., 1] + light[..., 3]) / 2
  return np.stack([light[..., 0], green, light[..., 2]], axis=-1)
