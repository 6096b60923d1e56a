"""The SID network: a U-Net from packed raw frames to sRGB.

Chen et al., "Learning to See in the Dark", CVPR 2018 (arXiv 1805.01934), as in its published code.
"""

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, DoubleToSkip, leaky_relu, max_pool_half_up
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.space import depth_to_space

SCALE = {"bayer": 2, "xtrans": 3}  # sensor pixels along a side of a packed one


class ConvPair(nn.Module):
  """Two 3x3 convolutions, each followed by a leaky ReLU."""

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w features"]:
    """No normalisation."""
    for name in ("conv_0", "conv_1"):
      conv = Conv(
        self.features,
        (3, 3),
        kernel_init=nn.initializers.xavier_uniform(),
        dtype=self.dtype,
        name=name,
      )
      images = leaky_relu(conv(images))
    return images


class SidUNet(nn.Module):
  """Develops and brightens each frame by itself; time is folded into the batch.

  Input: packed frames after black level, times the exposure ratio, clipped at 1. Nothing is padded:
  pooling keeps odd rows and columns, and the decoder cuts what it has too much.

  Attributes:
    input_kind: "bayer" (Sony: 4 channels, output twice the size) or "xtrans" (Fuji: 9, three
      times); `llve_jax.ops.mosaic` packs both.
    widths: channels of each level, finest first.
    dtype: type of the computation; parameters stay float32.
    remat: recompute stages in the backward pass instead of storing their activations.
  """

  input_kind: Literal["bayer", "xtrans"] = "bayer"
  widths: Sequence[int] = (32, 64, 128, 256, 512)
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Stride 2^poolings; the receptive field follows from the layer list.

    Raises:
      UserError: unknown `input_kind`.
    """
    if self.input_kind not in SCALE:
      raise UserError(f'input_kind is {self.input_kind!r}; sid_unet takes "bayer" or "xtrans"')
    return Traits(
      stride=2 ** (len(self.widths) - 1),
      receptive_field=pyramid_field(len(self.widths)),
      input_kind=self.input_kind,
      scale=SCALE[self.input_kind],
    )

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w c"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t scale*h scale*w 3"]]:
    """Returns `clip`: sRGB, of the sensor's size, not clipped. `train` changes nothing."""
    check_clip("sid_unet", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    pair = nn.remat(ConvPair) if self.remat else ConvPair
    x = clip.reshape(batch * time, height, width, channels).astype(self.dtype)

    skips: list[Array] = []
    for level, features in enumerate(self.widths):
      if level:
        skips.append(x)
        x = max_pool_half_up(x)
      x = pair(features, dtype=self.dtype, name=f"encoder_{level}")(x)
    for level in reversed(range(len(skips))):
      features = self.widths[level]
      x = DoubleToSkip(features, dtype=self.dtype, name=f"double_{level}")(x, skips[level])
      x = pair(features, dtype=self.dtype, name=f"decoder_{level}")(x)

    scale = SCALE[self.input_kind]
    head = Conv(
      3 * scale * scale,
      (1, 1),
      kernel_init=nn.initializers.xavier_uniform(),
      dtype=self.dtype,
      name="head",
    )
    out = depth_to_space(head(x).astype(jnp.float32), scale)
    return {"clip": out.reshape(batch, time, scale * height, scale * width, 3)}


def pyramid_field(levels: int, coarsest_convs: int = 2) -> int:
  """Receptive field of an encoder and decoder with two 3x3 convolutions a level.

  Pooling and the transposed convolution, both 2x2 of stride 2, add no pixel that the coarser grid
  does not cover; an output pixel is off the centre of its coarsest cell by up to half a cell.

  Args:
    levels: how many, the coarsest counted.
    coarsest_convs: 3x3 convolutions at the coarsest level.
  """
  field = 1 + 2 * coarsest_convs * 2 ** (levels - 1)
  for level in range(levels - 1):
    field += 8 * 2**level  # two convolutions down, two up
    field += 2**level  # the other pixels of a pooling window
  return field + 2 ** (levels - 1) - 1
