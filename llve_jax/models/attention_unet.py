"""EnlightenGAN's generator: a U-Net that looks harder at dark places.

Jiang et al., "EnlightenGAN: Deep Light Enhancement without Paired Supervision", IEEE TIP 2021
(arXiv 1906.06972), as in its published code. System E applies it to every frame of a video.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, leaky_relu
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.resize import (
  average_pool_half,
  bilinear_double,
  crop_to,
  max_pool_half,
  pad_to_multiple,
)


def attention_of(images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 1"]:
  """1 - luma of sRGB images in [0, 1]: 1 where it is black, 0 where it is white."""
  weights = jnp.array([0.299, 0.587, 0.114], images.dtype).reshape(1, 1, 1, 3)
  luma = jnp.sum(images * weights, axis=-1, keepdims=True)
  return 1 - luma


def _scale_init(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
  """N(1, 0.02)."""
  return 1 + 0.02 * jax.random.normal(key, shape, dtype)


class ConvLeakyNorm(nn.Module):
  """Convolution with bias, leaky ReLU, and only then batch normalisation, as published."""

  features: int
  deviation: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], train: bool
  ) -> Float[Array, "n h w features"]:
    """PyTorch's epsilon 1e-5 and momentum 0.1, which is 0.9 here."""
    conv = Conv(
      self.features,
      (3, 3),
      kernel_init=nn.initializers.normal(self.deviation),
      dtype=self.dtype,
      name="conv",
    )
    norm = nn.BatchNorm(
      use_running_average=not train,
      momentum=0.9,
      epsilon=1e-5,
      scale_init=_scale_init,
      name="norm",
    )
    x = leaky_relu(conv(images)).astype(jnp.float32)  # statistics need 32 bits
    return norm(x).astype(self.dtype)


class Stage(nn.Module):
  """Two blocks; the coarsest stage attends between them, the last one ends without norm.

  Attributes:
    features: channels of both blocks.
    deviation: of the first weights.
    norm_last: the second block normalises.
    dtype: type of the computation.
  """

  features: int
  deviation: float
  norm_last: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], attention: Float[Array, "n h w 1"] | None, train: bool
  ) -> Float[Array, "n h w features"]:
    """`attention`, if given, is multiplied in after the first block."""
    block = partial(ConvLeakyNorm, self.features, self.deviation, dtype=self.dtype)
    x = block(name="block_0")(images, train)
    if attention is not None:
      x = x * attention
    if self.norm_last:
      return block(name="block_1")(x, train)
    init = nn.initializers.normal(self.deviation)
    conv = Conv(self.features, (3, 3), kernel_init=init, dtype=self.dtype, name="block_1")
    return leaky_relu(conv(x))


class AttentionUNet(nn.Module):
  """Brightens each frame by itself; time is folded into the batch.

  The published weights were trained with PyTorch 0.3.1, whose bilinear up-sampling aligned corners,
  so that is the default; later releases do not align, and System E's own training, with 1.5.1,
  did not. Aligned corners make the weights of each up-sampling depend on the size of the frame:
  tiles would change the result, and `traits` forbids them. Train anew with `align_corners=False`.

  Attributes:
    widths: channels of each level before pooling, finest first.
    bottleneck: channels of the coarsest level.
    align_corners: convention of the bilinear up-sampling.
    half_resolution: run on frames averaged down by two. "residual" up-samples what is added to the
      frame, which keeps its detail; "released" up-samples the result, and so loses detail, as the
      published code does with frames wider than 2200 pixels without saying so.
    half_above: "released" or "residual" are for frames wider than this many pixels alone, as the
      published code has it with 2200; 0: for all. A graph for frames of any size does not halve.
    tanh: what is added goes through a tanh first, an option of the published code.
    centred_padding: reflect half of what a side lacks to a multiple of the stride at each end, as
      the published code does, instead of all at the bottom and right. The coarse grid then lies
      differently in frames of different sizes, so that tiles would change the result, too.
    deviation: standard deviation of the convolutions' first weights, as published; narrow networks
      need more.
    dtype: type of the computation; parameters stay float32.
    remat: recompute stages in the backward pass instead of storing their activations.
  """

  widths: Sequence[int] = (32, 64, 128, 256)
  bottleneck: int = 512
  align_corners: bool = True
  half_resolution: Literal["residual", "released"] | None = None
  half_above: int = 0
  tanh: bool = False
  centred_padding: bool = False
  deviation: float = 0.02
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Stride 2^levels; the receptive field follows from the layer list.

    Raises:
      UserError: unknown `half_resolution`.
    """
    if self.half_resolution not in (None, "residual", "released"):
      raise UserError(
        f'half_resolution is {self.half_resolution!r}; expected None, "residual" or "released"'
      )
    stride = 2 ** len(self.widths)
    field = 1 + 4 * stride
    for level in range(len(self.widths)):
      field += 5 * 2**level  # two convolutions down, the other pixel of a pooling
      field += 8 * 2**level  # up-sampling reaches one coarse pixel further; three convolutions up
    # An output pixel is off the centre of its coarsest cell, up to half a cell to either side.
    field += stride - 1
    if self.half_resolution is not None:
      stride, field = 2 * stride, 2 * field + 3
    whole = self.align_corners or self.centred_padding
    return Traits(stride=stride, receptive_field=field, whole_frame_only=whole)

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w c"]]:
    """Enhances sRGB frames in [0, 1].

    Returns:
      `clip`, of the same shape and not clipped, and `attention`: 1 - luma, one channel.
    """
    check_clip("attention_unet", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    images = clip.reshape(batch * time, height, width, channels)
    wide = not self.half_above or (isinstance(width, int) and width > self.half_above)
    if self.half_resolution is None or not wide:
      out = images + self._residual(images, train)
    else:
      small = average_pool_half(pad_to_multiple(images, 2))
      residual = self._residual(small, train)
      keeps_detail = self.half_resolution == "residual"
      doubled = bilinear_double(
        residual if keeps_detail else small + residual, align_corners=self.align_corners
      )
      out = crop_to(doubled, height, width)
      if keeps_detail:
        out = images + out
    attention = attention_of(images).reshape(batch, time, height, width, 1)
    return {"clip": out.reshape(clip.shape), "attention": attention}

  def _residual(self, images: Array, train: bool) -> Array:
    """What is added to images in [0, 1], in float32."""
    height, width = images.shape[1:3]
    checkpointed = nn.remat(Stage, static_argnums=(3,)) if self.remat else Stage  # 3 is `train`

    init = nn.initializers.normal(self.deviation)

    def stage(
      x: Array, features: int, name: str, attention: Array | None = None, norm_last: bool = True
    ) -> Array:
      # Named, since a checkpointed class would otherwise name its parameters differently.
      module = checkpointed(features, self.deviation, norm_last, dtype=self.dtype, name=name)
      return module(x, attention, train)

    images = pad_to_multiple(images, 2 ** len(self.widths), centred=self.centred_padding)
    attention = attention_of(images)
    attentions = [attention]  # finest first
    for _ in self.widths:
      attentions.append(max_pool_half(attentions[-1]))
    attentions = [each.astype(self.dtype) for each in attentions]

    x = jnp.concatenate([2 * images - 1, attention], axis=-1).astype(self.dtype)
    skips: list[Array] = []
    for level, features in enumerate(self.widths):
      x = stage(x, features, f"encoder_{level}")
      skips.append(x)
      x = max_pool_half(x)
    x = stage(x, self.bottleneck, "coarsest", attentions[-1])
    for level in reversed(range(len(self.widths))):
      features = self.widths[level]
      x = bilinear_double(x, align_corners=self.align_corners)
      x = Conv(features, (3, 3), kernel_init=init, dtype=self.dtype, name=f"double_{level}")(x)
      x = jnp.concatenate([x, skips[level] * attentions[level]], axis=-1)
      x = stage(x, features, f"decoder_{level}", norm_last=level > 0)
    x = Conv(images.shape[-1], (1, 1), kernel_init=init, dtype=self.dtype, name="head")(x)
    x = x.astype(jnp.float32)
    latent = (jnp.tanh(x) if self.tanh else x) * attention
    return (
      crop_to(latent, height, width, centred=self.centred_padding) / 2
    )  # from [-1, 1] to [0, 1]
