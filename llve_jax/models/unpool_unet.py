"""The max-unpooling U-Net of System D, which brightens single pictures on a phone.

The slides fix the structure: a fully convolutional encoder and decoder, max-pooling down,
max-unpooling up (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV
2014) and skips from before each pooling to after the matching unpooling. Widths and depth are ours:
two levels, since a picture of 100 x 100 halves exactly only twice. The slides blame a count of more
than 3 million parameters on large pictures; in a fully convolutional network it depends on none.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.models.blocks import Conv, leaky_relu
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.resize import crop_to, pad_to_multiple
from llve_jax.ops.space import max_pool_with_mask, unpool


class ConvStack(nn.Module):
  """3x3 convolutions, one for each entry of `features`, each followed by a leaky ReLU."""

  features: Sequence[int]
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
    """d is the last of `features`; no normalisation."""
    for index, features in enumerate(self.features):
      conv = Conv(
        features,
        (3, 3),
        kernel_init=nn.initializers.he_normal(),
        dtype=self.dtype,
        name=f"conv_{index}",
      )
      images = leaky_relu(conv(images))
    return images


class UnpoolUNet(nn.Module):
  """Brightens each frame by itself; time is folded into the batch.

  The mask of each pooling is kept for its unpooling, which is a product with the mask and no
  scatter, so that it has a counterpart in TensorFlow Lite. What enters an unpooling must have the
  channels of what was pooled: the last convolution before it brings them back.

  Attributes:
    widths: channels of each level before pooling, finest first.
    bottleneck: channels of the coarsest level.
    dtype: type of the computation; parameters stay float32.
    remat: recompute stages in the backward pass instead of storing their activations.
  """

  widths: Sequence[int] = (64, 128)
  bottleneck: int = 256
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Stride 2^levels; the receptive field follows from the layer list."""
    stride = 2 ** len(self.widths)
    field = 1 + 6 * stride  # three convolutions at the coarsest level
    for level in range(len(self.widths)):
      field += 9 * 2**level  # two convolutions down, two up, the other pixel of a pooling
    # An output pixel is off the centre of its coarsest cell, up to half a cell to either side.
    return Traits(stride=stride, receptive_field=field + stride - 1, discontinuous=True)

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w 3"]]:
    """Enhances sRGB frames in [0, 1]; returns `clip`, of the same shape, in (0, 1).

    `train` changes nothing.
    """
    check_clip("unpool_unet", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    stack = nn.remat(ConvStack) if self.remat else ConvStack
    images = clip.reshape(batch * time, height, width, channels)
    x = pad_to_multiple(images, self.traits.stride).astype(self.dtype)

    pooled: list[tuple[Array, Array]] = []
    for level, features in enumerate(self.widths):
      x = stack((features, features), dtype=self.dtype, name=f"encoder_{level}")(x)
      skip = x
      x, mask = max_pool_with_mask(x)
      pooled.append((skip, mask))
    coarsest = (self.bottleneck, self.bottleneck, self.widths[-1])
    x = stack(coarsest, dtype=self.dtype, name="coarsest")(x)
    for level in reversed(range(len(self.widths))):
      skip, mask = pooled[level]
      x = jnp.concatenate([unpool(x, mask), skip], axis=-1)
      pair = (self.widths[level], self.widths[max(level - 1, 0)])
      x = stack(pair, dtype=self.dtype, name=f"decoder_{level}")(x)

    x = Conv(channels, (1, 1), dtype=self.dtype, name="head")(x).astype(jnp.float32)
    return {"clip": crop_to(nn.sigmoid(x), height, width).reshape(clip.shape)}
