"""The turntable critic: scores patches of an image, without a sigmoid.

System A: convolution blocks with normalisation and max-pooling down to a score map; the widths are
ours, since figure 2.11 of the report is lost. It is conditional on nothing but the image.
"""

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv
from llve_jax.ops.resize import max_pool_half


class TurntableCritic(nn.Module):
  """Five blocks of convolution, normalisation, leaky ReLU and pooling, then one score per patch.

  Attributes:
    widths: channels of each block.
    norm: "layer" (default) or "none" keep the samples of a batch apart, which a per-sample gradient
      penalty requires (Gulrajani et al. 2017, section 4); "batch" is what the report describes.
    dtype: type of the computation; parameters stay float32.
  """

  widths: Sequence[int] = (32, 64, 128, 256, 512)
  norm: Literal["layer", "batch", "none"] = "layer"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], *, train: bool = False
  ) -> Float[Array, "n hs ws 1"]:
    """sRGB images in [0, 1] -> unbounded scores; both sides shrink by 2^blocks.

    Raises:
      UserError: unknown `norm`, or images too small to leave a score.
    """
    if self.norm not in ("layer", "batch", "none"):
      raise UserError(f'norm is {self.norm!r}; expected "layer", "batch" or "none"')
    if min(images.shape[1:3]) < 2 ** len(self.widths):
      raise UserError(
        f"the critic halves images {len(self.widths)} times, so both sides must be at least "
        f"{2 ** len(self.widths)}; found {images.shape[1]} x {images.shape[2]}; use larger crops "
        "or fewer widths"
      )
    x = images.astype(self.dtype)
    for features in self.widths:
      x = Conv(features, (3, 3), use_bias=self.norm == "none", dtype=self.dtype)(x)
      x = self._normalise(x, train).astype(self.dtype)
      x = max_pool_half(nn.leaky_relu(x, negative_slope=0.2))
    return Conv(1, (1, 1), dtype=self.dtype)(x).astype(jnp.float32)

  def _normalise(self, x: Array, train: bool) -> Array:
    """In float32, which statistics need."""
    if self.norm == "batch":
      norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)
      return norm(x.astype(jnp.float32))
    if self.norm == "layer":
      layer = nn.LayerNorm(epsilon=1e-5, reduction_axes=(1, 2, 3), feature_axes=-1)
      return layer(x.astype(jnp.float32))
    return x
