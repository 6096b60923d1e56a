"""The turntable generator: a U-Net that adds its skips, with ResNeXt blocks and bilinear decoder.

System A (final-year project, HKUST). The report fixes the structure and its four forms (plain,
ResNeXt, bilinear, both); the widths are ours, since its figure 2.10 is lost. ResNeXt: Xie et al.,
"Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017 (arXiv 1611.05431).
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.models.blocks import Conv, ConvNorm, leaky_relu
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.resize import (
  bilinear_double,
  crop_to,
  max_pool_half,
  pad_to_multiple,
  transposed_conv_double,
)


class ResNeXtBlock(nn.Module):
  """1x1 to D, grouped 3x3, 1x1 back, plus the input; D = max(cardinality, C/2)."""

  cardinality: int = 32
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Array, *, train: bool) -> Array:
    """[n, h, w, c] -> same."""
    channels = images.shape[-1]
    inner = max(self.cardinality, channels // 2)
    inner -= inner % self.cardinality
    x = leaky_relu(ConvNorm(inner, 1, dtype=self.dtype)(images, train=train))
    x = ConvNorm(inner, 3, self.cardinality, dtype=self.dtype)(x, train=train)
    x = ConvNorm(channels, 1, dtype=self.dtype)(leaky_relu(x), train=train)
    return leaky_relu(images + x)


class Stage(nn.Module):
  """Two 3x3 convolutions, or one and a ResNeXt block."""

  features: int
  resnext: bool
  cardinality: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Array, train: bool) -> Array:
    """[n, h, w, c] -> [n, h, w, features]."""
    x = leaky_relu(ConvNorm(self.features, dtype=self.dtype)(images, train=train))
    if self.resnext:
      return ResNeXtBlock(self.cardinality, dtype=self.dtype)(x, train=train)
    return leaky_relu(ConvNorm(self.features, dtype=self.dtype)(x, train=train))


class Double(nn.Module):
  """Twice the size: bilinear and a convolution, or a transposed 2x2 convolution with bias."""

  features: int
  bilinear: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Array, *, train: bool) -> Array:
    """[n, h, w, c] -> [n, 2h, 2w, features]."""
    if self.bilinear:
      x = ConvNorm(self.features, dtype=self.dtype)(bilinear_double(images), train=train)
      return leaky_relu(x)
    shape = (2, 2, images.shape[-1], self.features)
    kernel = self.param("kernel", nn.initializers.he_normal(), shape)
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    doubled = transposed_conv_double(images, kernel.astype(self.dtype))
    return doubled + lax.broadcast_to_rank(bias.astype(self.dtype), 4)


class TurntableUNet(nn.Module):
  """Brightens each frame by itself; time is folded into the batch.

  Attributes:
    widths: channels of each level before pooling, finest first.
    bottleneck: channels of the coarsest level.
    resnext: second convolution of each stage becomes a ResNeXt block.
    bilinear: decoder up-samples bilinearly instead of by transposed convolution.
    cardinality: groups of the ResNeXt block.
    global_residual: learn the difference to the input instead of the output.
    dtype: type of the computation; parameters stay float32.
    remat: recompute stages in the backward pass instead of storing their activations.
  """

  widths: Sequence[int] = (32, 64, 128, 256)
  bottleneck: int = 512
  resnext: bool = True
  bilinear: bool = True
  cardinality: int = 32
  global_residual: bool = False
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Stride 2^levels; the receptive field follows from the layer list."""
    stride = 2 ** len(self.widths)
    field = 1 + 4  # pixels that one output pixel depends on: the finest encoder stage
    for level in range(1, len(self.widths) + 1):
      field += 2 ** (level - 1) + 4 * 2**level
    for level in range(len(self.widths), 0, -1):
      finer = 2 ** (level - 1)
      field += (2**level + 2 * finer if self.bilinear else 0) + 4 * finer
    # An output pixel is off the centre of its coarsest cell, up to half a cell to either side.
    return Traits(stride=stride, receptive_field=field + stride - 1)

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w 3"]]:
    """Enhances sRGB frames in [0, 1]; returns `clip`, of the same shape and not clipped."""
    check_clip("turntable_unet", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    checkpointed = nn.remat(Stage, static_argnums=(2,)) if self.remat else Stage  # 2 is `train`

    def stage(x: Array, features: int, name: str) -> Array:
      # Named, since a checkpointed class would otherwise name its parameters differently.
      return checkpointed(features, self.resnext, self.cardinality, dtype=self.dtype, name=name)(
        x, train
      )

    images = clip.reshape(batch * time, height, width, channels)
    x = pad_to_multiple(images, self.traits.stride).astype(self.dtype)

    skips: list[Array] = []
    for level, features in enumerate(self.widths):
      x = stage(x, features, f"encoder_{level}")
      skips.append(x)
      x = max_pool_half(x)
    x = stage(x, self.bottleneck, "coarsest")
    for level in reversed(range(len(self.widths))):
      features = self.widths[level]
      x = Double(features, self.bilinear, dtype=self.dtype, name=f"double_{level}")(x, train=train)
      x = stage(x + skips[level], features, f"decoder_{level}")

    x = Conv(channels, (1, 1), dtype=self.dtype)(x).astype(jnp.float32)
    out = crop_to(x, height, width).reshape(clip.shape)
    return {"clip": clip + out if self.global_residual else out}
