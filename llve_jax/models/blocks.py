"""Parts that several networks share."""

from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.ops.convolution import convolve
from llve_jax.ops.resize import crop_to, max_pool_half, transposed_conv_double
from llve_jax.ops.temporal_conv import Padding, conv3d, conv3d_taps

leaky_relu = partial(nn.leaky_relu, negative_slope=0.2)
# Flax's own, fast on a CPU too: for every convolution of every network.
Conv = partial(nn.Conv, conv_general_dilated=convolve)


def turns_at_once(time: int) -> int:
  """`unroll` of a scan over `time` frames, of which one frame alone becomes no loop.

  A scan writes out behind its loop what does not fill a turn, and with 2 to a turn one frame does
  not. A symbolic number of frames is a loop.
  """
  return 2 if time == 1 else 1


def max_pool_half_up(images: Float[Array, "n h w c"]) -> Float[Array, "n (h+1)//2 (w+1)//2 c"]:
  """2 x 2 maximum with stride 2 that keeps an odd last row and column: TensorFlow's SAME pooling.

  The border is repeated once, which changes no maximum; of an even side the repetition is dropped.
  """
  for axis in (1, 2):
    length = images.shape[axis]
    last = lax.slice_in_dim(images, length - 1, length, axis=axis)
    images = jnp.concatenate([images, last], axis)
  return max_pool_half(images)


class ConvNorm(nn.Module):
  """Convolution without bias, then batch normalisation (PyTorch's epsilon and momentum)."""

  features: int
  kernel: int = 3
  groups: int = 1
  stride: int = 1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Array, *, train: bool) -> Array:
    """[n, h, w, c] -> [n, h / stride, w / stride, features] for an odd kernel; no activation."""
    images = Conv(
      self.features,
      (self.kernel, self.kernel),
      strides=self.stride,
      padding=self.kernel // 2,  # not SAME, which is lopsided where it strides
      feature_group_count=self.groups,
      use_bias=False,
      dtype=self.dtype,
      kernel_init=nn.initializers.he_normal(),
    )(images)
    norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)
    return norm(images.astype(jnp.float32)).astype(self.dtype)  # statistics need 32 bits


class DoubleToSkip(nn.Module):
  """Twice the size by a transposed 2 x 2 convolution without bias, cut to the skip, then joined.

  Chen et al., "Learning to See in the Dark", CVPR 2018: the new map comes first, the skip second.
  With `max_pool_half_up` on the way down, any size of the skip works.
  """

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], skip: Float[Array, "n hs ws d"]
  ) -> Float[Array, "n hs ws d+features"]:
    """2h - 1 <= hs <= 2h, and so for the width."""
    shape = (2, 2, images.shape[-1], self.features)
    kernel = self.param("kernel", nn.initializers.truncated_normal(0.02), shape)
    doubled = transposed_conv_double(images, kernel.astype(self.dtype))
    return jnp.concatenate([crop_to(doubled, skip.shape[1], skip.shape[2]), skip], axis=-1)


class SpaceTimeConv(nn.Module):
  """3-D convolution of stride 1 with bias: Xavier uniform weights, zero bias.

  Attributes:
    features: channels of the output.
    kernel: taps in time, height and width.
    padding: "SAME", "VALID" or "FULL", which is a transposed convolution.
    temporal: "taps" stacks frames on the channels of a 2-D convolution, "conv3d" is the plain form:
      the same parameters and numbers.
    dtype: type of the computation; parameters stay float32.
  """

  features: int
  kernel: tuple[int, int, int] = (3, 3, 3)
  padding: Padding = "SAME"
  temporal: Literal["taps", "conv3d"] = "taps"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, clip: Float[Array, "b t h w c"]) -> Float[Array, "b to ho wo features"]:
    """No activation.

    Raises:
      UserError: unknown `temporal` or `padding`.
    """
    forms = {"taps": conv3d_taps, "conv3d": conv3d}
    if self.temporal not in forms:
      raise UserError(f"temporal is {self.temporal!r}; known: {', '.join(forms)}")
    shape = (*self.kernel, clip.shape[-1], self.features)
    kernel = self.param("kernel", nn.initializers.xavier_uniform(), shape)
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    out = forms[self.temporal](
      clip.astype(self.dtype), kernel.astype(self.dtype), padding=self.padding
    )
    return out + lax.broadcast_to_rank(bias.astype(self.dtype), 5)
