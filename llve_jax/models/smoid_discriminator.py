"""The discriminator of single frames that trains the 3-D U-Net as a GAN (System C).

From the project "Extreme Dark Video Enhancement" (USC) on the raw video of Jiang and Zheng,
"Learning to See Moving Objects in the Dark", ICCV 2019.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, leaky_relu


class SmoidDiscriminator(nn.Module):
  """Four levels of two 3x3 convolutions and one that halves, then a logit per patch.

  The published program differs in ways that harm it: dense layers tie it to one size, its batch
  normalisation never sees a training flag and is but a scale and a shift per channel, and a leaky
  ReLU sits on the logit. `released` rebuilds that.

  Attributes:
    base: channels of the finest level; every coarser one has twice as many.
    levels: how often both sides are halved.
    hidden: channels between the levels and the logit; the released form has two such layers, the
      last of them of this width.
    released: the published program.
    side: height and width of the images of the released form.
    flat: width of the released form's first dense layer.
    dtype: type of the computation; parameters stay float32.
  """

  base: int = 8
  levels: int = 4
  hidden: int = 256
  released: bool = False
  side: int = 256
  flat: int = 4096
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], *, train: bool = False
  ) -> Float[Array, "n hs ws 1"]:
    """sRGB images in [0, 1] -> logits: ceil(side / 2^levels) squared, or 1 x 1 if `released`.

    Raises:
      UserError: `released` and another size than `side`.
    """
    if self.released and images.shape[1:3] != (self.side, self.side):
      raise UserError(
        f"smoid_discriminator as released takes images of {self.side} x {self.side}, found "
        f"{images.shape[1]} x {images.shape[2]}; crop to that size, set `side`, or released=False"
      )
    x = images.astype(self.dtype)
    for level in range(self.levels):
      features = self.base * 2**level
      for index in range(2):
        x = self._conv(features, 3, f"conv_{level}_{index}")(x)
        x = leaky_relu(self._affine(x, f"norm_{level}_{index}") if self.released else x)
      x = self._conv(features, 3, f"halve_{level}", stride=2)(x)
      x = nn.relu(x) if self.released else leaky_relu(x)
    if self.released:
      x = x.reshape(x.shape[0], 1, 1, x.shape[1] * x.shape[2] * x.shape[3])
      x = leaky_relu(self._conv(self.flat, 1, "dense")(x))
    x = leaky_relu(self._conv(self.hidden, 1 if self.released else 3, "hidden")(x))
    x = self._conv(1, 1, "logit")(x).astype(jnp.float32)
    return leaky_relu(x) if self.released else x

  def _conv(self, features: int, side: int, name: str, stride: int = 1) -> nn.Conv:
    return Conv(
      features,
      (side, side),
      (stride, stride),
      dtype=self.dtype,
      kernel_init=nn.initializers.xavier_uniform(),
      name=name,
    )

  def _affine(self, x: Array, name: str) -> Array:
    """Batch normalisation that believes in mean 0 and variance 1."""
    scale = self.param(f"{name}_scale", nn.initializers.ones, (x.shape[-1],))
    shift = self.param(f"{name}_shift", nn.initializers.zeros, (x.shape[-1],))
    scale, shift = (
      lax.broadcast_to_rank(each.astype(self.dtype), x.ndim) for each in (scale, shift)
    )
    return x * scale + shift
