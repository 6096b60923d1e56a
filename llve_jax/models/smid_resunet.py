"""The SMID network: a U-Net with residual blocks at the bottleneck and whole-frame layer norm.

Chen et al., "Seeing Motion in the Dark", ICCV 2019, as in its published code. At inference it looks
at one frame at a time: what is steady in time comes from the denoised input and from training.
"""

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, DoubleToSkip, leaky_relu, max_pool_half_up
from llve_jax.models.contract import Traits, check_clip
from llve_jax.models.sid_unet import pyramid_field
from llve_jax.ops.space import depth_to_space

SCALE = {"raw_rgb": 1, "srgb": 1, "bayer": 2}


class ConvLayerNorm(nn.Module):
  """3x3 convolution without bias, then layer normalisation over height, width and channels.

  Scale and shift are per channel. Statistics are of the whole frame, so tiles change the result.
  """

  features: int
  epsilon: float = 1e-12
  activate: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w features"]:
    """Leaky ReLU at the end if `activate`."""
    x = Conv(
      self.features,
      (3, 3),
      use_bias=False,
      kernel_init=nn.initializers.xavier_uniform(),
      dtype=self.dtype,
      name="conv",
    )(images)
    norm = nn.LayerNorm(
      epsilon=self.epsilon,
      reduction_axes=(1, 2, 3),
      feature_axes=-1,
      use_fast_variance=False,  # it cancels, and the epsilon is too small to hide that
      name="norm",
    )
    x = norm(x.astype(jnp.float32)).astype(self.dtype)  # statistics need 32 bits
    return leaky_relu(x) if self.activate else x


class Pair(nn.Module):
  """Two convolutions with leaky ReLU; the first of all is not normalised but has a bias."""

  features: int
  first: bool
  epsilon: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w features"]:
    """[n, h, w, c] -> [n, h, w, features]."""
    if self.first:
      conv = Conv(
        self.features,
        (3, 3),
        kernel_init=nn.initializers.xavier_uniform(),
        dtype=self.dtype,
        name="conv_0",
      )
      x = leaky_relu(conv(images))
    else:
      x = ConvLayerNorm(self.features, self.epsilon, dtype=self.dtype, name="conv_0")(images)
    return ConvLayerNorm(self.features, self.epsilon, dtype=self.dtype, name="conv_1")(x)


class Residual(nn.Module):
  """Adds two convolutions to the input; nothing follows the sum."""

  epsilon: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """[n, h, w, c] -> same."""
    features = images.shape[-1]
    x = ConvLayerNorm(features, self.epsilon, dtype=self.dtype, name="conv_0")(images)
    x = ConvLayerNorm(features, self.epsilon, False, dtype=self.dtype, name="conv_1")(x)
    return images + x


class SmidResUNet(nn.Module):
  """Brightens each frame by itself; time is folded into the batch.

  Input: linear frames after black level, times the exposure ratio, denoised. Nothing is padded, so
  that statistics are of true pixels only: pooling keeps odd rows and columns, and the decoder cuts
  what it has too much.

  Attributes:
    input_kind: "raw_rgb" (published), "srgb" for 8-bit pictures, or "bayer": packed frames, output
      twice the size.
    widths: channels of each level, finest first.
    blocks: residual blocks at the coarsest level.
    epsilon: added to the variance in the layer norm.
    dtype: type of the computation; parameters and statistics stay float32.
    remat: recompute stages in the backward pass instead of storing their activations.
  """

  input_kind: Literal["raw_rgb", "srgb", "bayer"] = "raw_rgb"
  widths: Sequence[int] = (32, 64, 128, 256, 512)
  blocks: int = 16
  epsilon: float = 1e-12
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Whole frames only; the receptive field is that of the convolutions alone.

    Raises:
      UserError: unknown `input_kind`.
    """
    if self.input_kind not in SCALE:
      raise UserError(f"input_kind is {self.input_kind!r}; smid_resunet takes {' or '.join(SCALE)}")
    return Traits(
      stride=2 ** (len(self.widths) - 1),
      receptive_field=pyramid_field(len(self.widths), 2 + 2 * self.blocks + 1),
      whole_frame_only=True,
      input_kind=self.input_kind,
      scale=SCALE[self.input_kind],
    )

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w c"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t scale*h scale*w 3"]]:
    """Returns `clip`: sRGB, not clipped. `train` changes nothing."""
    check_clip("smid_resunet", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    pair = nn.remat(Pair) if self.remat else Pair
    residual = nn.remat(Residual) if self.remat else Residual
    x = clip.reshape(batch * time, height, width, channels).astype(self.dtype)

    skips: list[Array] = []
    for level, features in enumerate(self.widths):
      if level:
        skips.append(x)
        x = max_pool_half_up(x)
      x = pair(features, level == 0, self.epsilon, self.dtype, name=f"encoder_{level}")(x)
    entry = x
    for block in range(self.blocks):
      x = residual(self.epsilon, self.dtype, name=f"residual_{block}")(x)
    last = ConvLayerNorm(self.widths[-1], self.epsilon, False, self.dtype, name="residual_end")
    x = last(x) + entry
    for level in reversed(range(len(skips))):
      features = self.widths[level]
      x = DoubleToSkip(features, dtype=self.dtype, name=f"double_{level}")(x, skips[level])
      x = pair(features, False, self.epsilon, self.dtype, name=f"decoder_{level}")(x)

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
