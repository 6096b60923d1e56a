"""Brightening by a gain, then denoising by BM3D: what System D's slides compare with.

Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative filtering", IEEE TIP
16(8), 2007, by its authors' package `bm3d`, which is free for non-commercial use only and therefore
an extra of its own.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.ops.frames import to_8_bit, to_16_bit, to_unit
from llve_jax.shapes import Frame8, Frame16

_MEDIAN_OF_NORMAL = 0.6745  # of the absolute value, at standard deviation 1


def denoise(frame: Frame8 | Frame16) -> Frame8 | Frame16:
  """Takes off noise of the strength that the frame itself shows; keeps the depth.

  Raises:
    UserError: the package is not installed.
  """
  program = package()
  image = to_unit(frame)
  sigma = noise_of(image)
  if sigma == 0.0:
    return frame
  clean = np.clip(program.bm3d_rgb(image, sigma), 0.0, 1.0)
  return to_8_bit(clean) if frame.dtype == np.uint8 else to_16_bit(clean)


def noise_of(image: Float[np.ndarray, "h w c"]) -> float:
  """Standard deviation of the noise: the median of the finest diagonal differences, over 0.6745.

  Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81(3), 1994,
  with Haar's wavelet; the mean over colours.
  """
  height, width = (side // 2 * 2 for side in image.shape[:2])
  even, odd = image[:height:2, :width], image[1:height:2, :width]
  diagonal = (even[:, ::2] - even[:, 1::2] - odd[:, ::2] + odd[:, 1::2]) / 2
  medians = np.median(np.abs(diagonal), axis=(0, 1))
  return float(medians.mean() / _MEDIAN_OF_NORMAL)


def package() -> Any:
  """The module `bm3d`.

  Raises:
    UserError: it is not installed.
  """
  try:
    import bm3d
  except ImportError as error:
    raise UserError(
      f"BM3D needs the package bm3d ({error}); pip install 'llve_jax[bm3d]', if its licence, "
      "non-commercial use, allows"
    ) from error
  return bm3d
