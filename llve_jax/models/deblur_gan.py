"""DeblurGAN's generator, a baseline: residual blocks at a quarter of the size.

Kupyn et al., "DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial Networks", CVPR 2018
(arXiv 1711.07064). Its critic is `patch_gan` with 3 layers and instance normalisation.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.models.blocks import Conv
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.normalize import instance_norm
from llve_jax.ops.resize import (
  crop_to,
  pad_to_multiple,
  reflect_pad,
  transposed_conv3_double,
)

_normal = nn.initializers.normal(0.02)


class ResidualBlock(nn.Module):
  """Reflect, convolve, normalise, ReLU, drop, convolve and normalise again, plus the input.

  Attributes:
    dropout: share of values dropped after the ReLU; 0 needs no random stream.
    one_conv: leave out the second convolution, and without dropout the ReLU, as the released code.
    dtype: type of the computation.
  """

  dropout: float
  one_conv: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"], drop: bool) -> Float[Array, "n h w c"]:
    """`drop`: whether values are dropped."""

    def conv_norm(x: Array, name: str) -> Array:
      conv = Conv(
        images.shape[-1], (3, 3), padding="VALID", kernel_init=_normal, dtype=self.dtype, name=name
      )
      return instance_norm(conv(reflect_pad(x, 1)))

    x = conv_norm(images, "conv_0")
    if not self.one_conv or self.dropout > 0:
      x = nn.Dropout(self.dropout, deterministic=not drop)(nn.relu(x))
    return images + (x if self.one_conv else conv_norm(x, "conv_1"))


class TransposedConv(nn.Module):
  """Twice the size by a transposed 3x3 convolution of stride 2, with bias."""

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n 2*h 2*w features"]:
    """The kernel is [row, column, in, out], not flipped: `transposed_conv3_double`."""
    kernel = self.param("kernel", _normal, (3, 3, images.shape[-1], self.features))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    doubled = transposed_conv3_double(images.astype(self.dtype), kernel.astype(self.dtype))
    return doubled + lax.broadcast_to_rank(bias.astype(self.dtype), 4)


class DeblurGAN(nn.Module):
  """Restores each frame by itself; time is folded into the batch.

  Instance normalisation measures the whole frame, so tiles would change the result. Sides that do
  not divide by 4 are reflected at the bottom and right, and those lines count as part of the frame.
  With `train=True` and dropout it draws from the random stream "dropout".

  Attributes:
    features: channels at full size; doubled at half size and again at a quarter.
    blocks: residual blocks at a quarter of the size.
    learn_residual: add the input and clip to [0, 1]; without, the result of the tanh is the output.
    dropout: share of values that each block drops in training.
    drop_always: drop in use, too: the released test program never leaves training mode. Its output
      is random, and `apply` then always needs a stream "dropout".
    one_conv_blocks: blocks of one convolution: an operator precedence in the released code loses
      the second one that the paper has. Halves the parameters.
    dtype: type of the computation; parameters stay float32.
    remat: recompute blocks in the backward pass instead of storing their activations.
  """

  features: int = 64
  blocks: int = 9
  learn_residual: bool = True
  dropout: float = 0.5
  drop_always: bool = False
  one_conv_blocks: bool = False
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """The receptive field is that of the convolutions alone; statistics see the whole frame."""
    field = 1 + 2 * 6  # the outer convolutions of 7
    field += 2 + 2 * 2  # convolutions of stride 2
    field += self.blocks * (8 if self.one_conv_blocks else 16)
    field += 4 + 2  # a transposed convolution reaches one coarser pixel further
    return Traits(stride=4, receptive_field=field, whole_frame_only=True)

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w 3"]]:
    """Enhances sRGB frames in [0, 1]; returns `clip`, of the same shape, in [0, 1]."""
    check_clip("deblur_gan", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    images = clip.reshape(batch * time, height, width, channels)
    checkpointed = nn.remat(ResidualBlock, static_argnums=(2,)) if self.remat else ResidualBlock

    x = (2 * pad_to_multiple(images, self.traits.stride) - 1).astype(self.dtype)
    x = self._conv(self.features, 7, 1, "VALID", "first")(reflect_pad(x, 3))
    x = nn.relu(instance_norm(x))
    for level in (1, 2):
      x = self._conv(self.features * 2**level, 3, 2, 1, f"half_{level}")(x)
      x = nn.relu(instance_norm(x))
    for index in range(self.blocks):
      block = checkpointed(
        self.dropout, self.one_conv_blocks, dtype=self.dtype, name=f"block_{index}"
      )
      x = block(x, train or self.drop_always)
    for level in (1, 0):
      double = TransposedConv(self.features * 2**level, dtype=self.dtype, name=f"double_{level}")
      x = nn.relu(instance_norm(double(x)))
    x = self._conv(channels, 7, 1, "VALID", "head")(reflect_pad(x, 3)).astype(jnp.float32)

    out = crop_to(jnp.tanh(x), height, width).reshape(clip.shape)
    if self.learn_residual:
      return {"clip": jnp.clip(clip + out / 2, 0.0, 1.0)}  # clip(2 x - 1 + out, -1, 1), in [0, 1]
    return {"clip": (out + 1) / 2}

  def _conv(
    self, features: int, kernel: int, stride: int, padding: int | str, name: str
  ) -> nn.Conv:
    return Conv(
      features,
      (kernel, kernel),
      strides=stride,
      padding=padding,
      kernel_init=_normal,
      dtype=self.dtype,
      name=name,
    )
