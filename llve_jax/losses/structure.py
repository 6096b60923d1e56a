"""Losses that compare structure: 1 - SSIM and 1 - MS-SSIM, frame by frame.

Conventions and references are those of `ops/similarity.py`. Both see the target where a mask is 0.
"""

import jax.numpy as jnp

from llve_jax.losses.contract import Clip, Mask, PerClip, trusted
from llve_jax.ops import similarity


def ssim(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Mean over frames of 1 - SSIM; 0 on equal clips, at most 2.

  Three times this is MBLLEN's 3 - the sum of three channels' SSIM (Lv et al., BMVC 2018).

  Raises:
    ValueError: the shapes differ, or a side is shorter than 11 pixels.
  """
  pred, _ = trusted(pred, target, mask)
  maps, _ = similarity.ssim_maps(pred, target)
  return 1.0 - jnp.mean(maps, axis=(1, 2, 3, 4))


def ms_ssim(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """Mean over frames of 1 - MS-SSIM, five scales; 0 on equal clips, at most 1.

  Raises:
    ValueError: the shapes differ, or a side is shorter than 176 pixels.
  """
  pred, _ = trusted(pred, target, mask)
  return 1.0 - jnp.mean(similarity.ms_ssim(pred, target), axis=1)


def ssim_and_ms_ssim(pred: Clip, target: Clip, *, mask: Mask | None = None) -> PerClip:
  """`ssim` + `ms_ssim`: the structure loss of System C, and MBLLVEN's 2 - (SSIM + MS-SSIM).

  System C's report describes the first term alone; its code adds both.

  Raises:
    ValueError: the shapes differ, or a side is shorter than 176 pixels.
  """
  return ssim(pred, target, mask=mask) + ms_ssim(pred, target, mask=mask)
