"""LIME: estimate how a frame is lit, smooth that along its structure, and divide it out.

Guo, Li, Ling, "LIME: Low-light Image Enhancement via Illumination Map Estimation", IEEE TIP 26(2),
2017. The illumination is first the maximum of R, G and B; then it is the solution of

  min_T |T_hat - T|_F^2 + alpha sum_x (W_h |d_h T|^2 / (|d_h T_hat| + eps) + the same vertically),

their sped-up solver (equation 19), a sparse linear system, with the weights of their strategy III
(equations 21 and 22): one over how much gradients in a Gaussian neighbourhood add up.
The illumination's power gamma is divided out. Their last step, denoising by BM3D, is left out.
"""

import cv2
import numpy as np
from jaxtyping import Float

from llve_jax.errors import UserError
from llve_jax.ops.frames import to_8_bit, to_16_bit, to_unit
from llve_jax.shapes import Frame8, Frame16

_EPSILON = 1e-3
_RADIUS = 5  # pixels of the Gaussian neighbourhood on each side
_DARKEST = 1 / 255  # illumination that is never divided by less


def lime(
  frame: Frame8 | Frame16, *, alpha: float = 0.15, gamma: float = 0.8, sigma: float = 2.0
) -> Frame8 | Frame16:
  """Brightens one sRGB frame, in its own depth.

  Args:
    frame: uint8 or uint16 [h, w, 3].
    alpha: how smooth the illumination is.
    gamma: its power that is divided out; 1 removes it, less leaves some of it.
    sigma: standard deviation of the neighbourhood, in pixels.

  Raises:
    UserError: another type or shape.
  """
  if frame.dtype not in (np.uint8, np.uint16) or frame.ndim != 3 or frame.shape[-1] != 3:
    raise UserError(
      f"expected a uint8 frame [h, w, 3], or uint16, found {frame.dtype} {frame.shape}"
    )
  reflected = to_unit(frame)
  rough = reflected.max(axis=-1)
  lit = illumination(rough, alpha=alpha, sigma=sigma)
  reflected /= np.maximum(lit, _DARKEST)[..., None] ** np.float32(gamma)
  return to_8_bit(reflected) if frame.dtype == np.uint8 else to_16_bit(reflected)


def illumination(
  rough: Float[np.ndarray, "h w"], *, alpha: float, sigma: float
) -> Float[np.ndarray, "h w"]:
  """Solves (I + D) T = T_hat, D the weighted differences: conjugate gradients, preconditioned.

  The system is symmetric and positive definite; the preconditioner is its diagonal. It ends where
  the residual has shrunk to 1/1000, far below what 8 bits show.
  """
  down, across = (alpha * _weights(rough, axis, sigma) for axis in (0, 1))
  diagonal = np.ones_like(rough)
  diagonal[:-1] += down
  diagonal[1:] += down
  diagonal[:, :-1] += across
  diagonal[:, 1:] += across

  def system(field: np.ndarray) -> np.ndarray:
    result = field.copy()
    for axis, weight in ((0, down), (1, across)):
      flow = weight * np.diff(field, axis=axis)
      before, after = (result[:-1], result[1:]) if axis == 0 else (result[:, :-1], result[:, 1:])
      before -= flow
      after += flow
    return result

  solution = rough.copy()
  residual = rough - system(solution)
  direction = step = residual / diagonal
  product = float((residual * step).sum(dtype=np.float64))
  wanted = (1e-3 * float(np.linalg.norm(rough))) ** 2
  for _ in range(200):
    if float((residual * residual).sum(dtype=np.float64)) <= wanted:
      break
    image = system(direction)
    length = np.float32(product / float((direction * image).sum(dtype=np.float64)))
    solution += length * direction
    residual -= length * image
    step = residual / diagonal
    product, former = float((residual * step).sum(dtype=np.float64)), product
    direction = step + np.float32(product / former) * direction
  return solution


def _weights(rough: Float[np.ndarray, "h w"], axis: int, sigma: float) -> np.ndarray:
  """W / (|d T_hat| + eps) for the differences along `axis`."""
  change = np.diff(rough, axis=axis)
  size = 2 * _RADIUS + 1
  summed = cv2.GaussianBlur(change, (size, size), sigma, borderType=cv2.BORDER_REPLICATE)
  return 1 / ((np.abs(summed) + _EPSILON) * (np.abs(change) + _EPSILON))
