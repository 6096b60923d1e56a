"""PatchGAN: a critic that scores overlapping patches of an image.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017 (arXiv
1611.07004), with kernels of 4 and padding 2 as in the published code of its descendants:

* EnlightenGAN (Jiang et al., IEEE TIP 2021, arXiv 1906.06972), which System E uses: 5 layers on
  crops of 320, a map of 13 x 13, and 4 layers on patches of 32, a map of 5 x 5; no normalisation;
* DeblurGAN (Kupyn et al., CVPR 2018, arXiv 1711.07064): 3 layers, instance normalisation.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, leaky_relu
from llve_jax.ops.normalize import instance_norm


class PatchGAN(nn.Module):
  """Convolutions of stride 2, one of stride 1, and one to a score per patch, without a sigmoid.

  A convolution makes n // 2 + 1 pixels of n with stride 2, n + 1 with stride 1: images of any size
  leave a score. The channels double with each convolution up to 8 times the first.

  Attributes:
    layers: convolutions of stride 2: 5 and 4 for EnlightenGAN's global and local critics.
    norm: "none", or "instance" as DeblurGAN has it, after all but the first and the last
      convolution; both keep the samples of a batch apart, which a gradient penalty requires.
    features: channels after the first convolution.
    dtype: type of the computation; parameters stay float32.
  """

  layers: int = 3
  norm: Literal["none", "instance"] = "none"
  features: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], *, train: bool = False
  ) -> Float[Array, "n hs ws 1"]:
    """sRGB images in [0, 1] -> unbounded scores; the network itself sees [-1, 1].

    `train` changes nothing.

    Raises:
      UserError: unknown `norm`, or fewer than one layer.
    """
    if self.norm not in ("none", "instance"):
      raise UserError(f'norm is {self.norm!r}; expected "none" or "instance"')
    if self.layers < 1:
      raise UserError(f"layers is {self.layers}; patch_gan needs at least 1")
    x = (2 * images - 1).astype(self.dtype)
    for index in range(self.layers + 1):
      features = self.features * min(2**index, 8)
      stride = 2 if index < self.layers else 1
      x = self._conv(features, stride, f"conv_{index}")(x)
      if index and self.norm == "instance":
        x = instance_norm(x)
      x = leaky_relu(x)
    return self._conv(1, 1, "score")(x).astype(jnp.float32)

  def _conv(self, features: int, stride: int, name: str) -> nn.Conv:
    return Conv(
      features,
      (4, 4),
      strides=stride,
      padding=2,
      kernel_init=nn.initializers.normal(0.02),
      dtype=self.dtype,
      name=name,
    )
