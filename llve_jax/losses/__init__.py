"""Losses by family. `LOSSES` names those on clips: pure functions of a prediction and its target.

Each entry is called `(pred, target, *, mask=None) -> [b]` on clips [b, t, h, w, c]; those on
feature maps also take `frozen` and `key`. `compose` sums them. `OUTPUT_LOSSES` see all that a
network returns, `CARRIED_LOSSES` keep a number from step to step; `train.goal` sums all three.

Losses that need something else are public functions of their modules:

  adversarial       scores of a discriminator: cross-entropy, least squares, relativistic,
                    Wasserstein with its gradient penalty
  consistency       two outputs of one network: `siamese` (SMID), `warp_consistency` (StableLLVE)
  self_feature      output and dark input, whole or patch by patch (EnlightenGAN)
  zero_reference    output, dark input and curves (Zero-DCE)
  region            `region_adaptive`, which carries its threshold from step to step (System C)
  contextual        `cobi`, `cobi_patches`, `cx`, `cobi_released` on feature maps
  pixel             `multi_scale`, which makes a pyramid of any loss; `weight_l2` of parameters
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array, Float

from llve_jax.losses.compose import Composed, build_composed
from llve_jax.losses.contextual import cobi_rgb, cobi_vgg16, cobi_vgg19
from llve_jax.losses.illumination import sci, sci_released
from llve_jax.losses.outputs import (
  half_l2,
  kpn_burst,
  region_input,
  zero_dce,
  zero_dce_released,
)
from llve_jax.losses.perceptual import (
  vgg16,
  vgg19_deblurgan,
  vgg19_deblurgan_released,
  vgg19_mbllen,
  vgg19_mbllen_released,
  vgg19_mbllven,
  vgg19_smid,
  vgg19_smoid,
  vgg19_zoom,
)
from llve_jax.losses.pixel import charbonnier, edge, l1, l2, multi_scale_l1, tv, tv_squared
from llve_jax.losses.region import (
  ADAPTIVE_START,
  region_adaptive,
  region_fixed,
  region_mbllen_released,
  region_quantile,
)
from llve_jax.losses.structure import ms_ssim, ssim, ssim_and_ms_ssim
from llve_jax.losses.temporal import brightness_flicker, frame_difference

LOSSES: dict[str, Callable[..., Float[Array, "b"]]] = {
  "l1": l1,
  "l2": l2,
  "charbonnier": charbonnier,
  "edge": edge,
  "multi_scale_l1": multi_scale_l1,
  "tv": tv,
  "tv_squared": tv_squared,
  "brightness_flicker": brightness_flicker,
  "frame_difference": frame_difference,
  "region": region_quantile,
  "region_fixed": region_fixed,
  "region_mbllen_released": region_mbllen_released,
  "ssim": ssim,
  "ms_ssim": ms_ssim,
  "structure": ssim_and_ms_ssim,
  "vgg16": vgg16,
  "vgg19_smoid": vgg19_smoid,
  "vgg19_smid": vgg19_smid,
  "vgg19_mbllen": vgg19_mbllen,
  "vgg19_mbllen_released": vgg19_mbllen_released,
  "vgg19_mbllven": vgg19_mbllven,
  "vgg19_deblurgan": vgg19_deblurgan,
  "vgg19_deblurgan_released": vgg19_deblurgan_released,
  "vgg19_zoom": vgg19_zoom,
  "cobi_vgg16": cobi_vgg16,
  "cobi_vgg19": cobi_vgg19,
  "cobi_rgb": cobi_rgb,
}

# Called `(outputs, batch, step) -> [b]`, see `losses.outputs`.
OUTPUT_LOSSES: dict[str, Callable[..., Float[Array, "b"]]] = {
  "zero_dce": zero_dce,
  "zero_dce_released": zero_dce_released,
  "kpn_burst": kpn_burst,
  "half_l2": half_l2,
  "region_input": region_input,
  "sci": sci,
  "sci_released": sci_released,
}

# Called `(pred, target, memory, *, mask=None) -> [b], memory`; with the first memory.
CARRIED_LOSSES: dict[str, tuple[Callable[..., tuple[Array, Array]], float]] = {
  "region_adaptive": (region_adaptive, ADAPTIVE_START),
}


def compose(
  weights: Mapping[str, float],
  *,
  vgg19: str | os.PathLike[str] | Mapping[str, Any] | None = None,
  fallback: bool = False,
) -> Composed:
  """A weighted sum of entries of `LOSSES`, such as `compose({"l1": 1.0, "vgg16": 1.0})`.

  A weight of 0 drops the term: it is neither computed nor reported. With none left the total is 0.

  Args:
    weights: factor of each term.
    vgg19: a file of VGG-19's weights, or what `io.vgg19.load_vgg19` returned. By default the file
      that the environment variable LLVE_VGG19 names.
    fallback: where there are no such weights, or not of every layer, look through VGG-16 instead.
      Its features are others: weights that balance a sum with VGG-19 need not do so with VGG-16.

  Returns:
    `objective`, called as `total, terms = objective(pred, target, frozen)`; see `Composed`.

  Raises:
    UserError: an unknown name (the message lists the known ones), a weight that is no finite
      number, or VGG-19 without weights.
  """
  return build_composed(weights, LOSSES, vgg19, fallback)
