"""Zero-DCE: brightens a frame by applying learned tone curves eight times.

Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020
(arXiv 2001.06826), as in its published code.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.models.blocks import Conv
from llve_jax.models.contract import Traits, check_clip


class Curves(nn.Module):
  """Seven 3x3 convolutions; the last three see both their predecessor and their mirror."""

  features: int
  iterations: int
  deviation: float
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3*iterations"]:
    """One curve parameter in [-1, 1] per pixel, colour and iteration."""

    def conv(x: Array, index: int, features: int) -> Array:
      return Conv(
        features,
        (3, 3),
        kernel_init=nn.initializers.normal(self.deviation),
        dtype=self.dtype,
        name=f"conv_{index}",
      )(x)

    x = images.astype(self.dtype)
    maps: list[Array] = []
    for index in range(4):
      x = nn.relu(conv(x, index, self.features))
      maps.append(x)
    for index in (4, 5):
      x = nn.relu(conv(jnp.concatenate([maps[6 - index], x], axis=-1), index, self.features))
    x = conv(jnp.concatenate([maps[0], x], axis=-1), 6, 3 * self.iterations)
    return jnp.tanh(x).astype(jnp.float32)


class ZeroDCE(nn.Module):
  """Per-pixel curves for every frame; time is folded into the batch.

  Attributes:
    features: channels of each hidden convolution.
    iterations: how often a curve is applied; one curve map per iteration.
    deviation: standard deviation of the kernels before training.
    dtype: type of the computation of the curves; parameters stay float32, and so does the image.
    remat: recompute the curves in the backward pass instead of storing their activations.
  """

  features: int = 32
  iterations: int = 8
  deviation: float = 0.02
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Seven 3x3 convolutions."""
    return Traits(stride=1, receptive_field=15)

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w c"]]:
    """Enhances sRGB frames in [0, 1]; `train` changes nothing.

    Returns:
      `clip`, of the same shape, and `curves` [b, t, h, w, 3 * iterations] in [-1, 1].
    """
    check_clip("zero_dce", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    images = clip.reshape(batch * time, height, width, channels)
    estimate = nn.remat(Curves) if self.remat else Curves
    curves = estimate(self.features, self.iterations, self.deviation, self.dtype, name="curves")(
      images
    )
    x = images.astype(jnp.float32)
    for index in range(self.iterations):
      curve = lax.slice_in_dim(curves, 3 * index, 3 * index + 3, axis=-1)
      x = x + curve * (x * x - x)
    return {
      "clip": x.reshape(clip.shape),
      "curves": curves.reshape(batch, time, height, width, 3 * self.iterations),
    }
