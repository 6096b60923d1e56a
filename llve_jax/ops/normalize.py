"""Bring feature maps to mean 0 and variance 1, without parameters.

Statistics are taken in float32 whatever the type of the maps.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def instance_norm(
  maps: Float[Array, "n h w c"], *, epsilon: float = 1e-5
) -> Float[Array, "n h w c"]:
  """(x - mean) / sqrt(variance + epsilon) over the pixels of each image and channel.

  Ulyanov et al., "Instance Normalization", 2016 (arXiv 1607.08022); PyTorch's InstanceNorm2d with
  its defaults: no scale and shift, the variance divides by h * w, the same in training and in use.
  A constant channel becomes 0, and gradients stay finite.
  """
  x = maps.astype(jnp.float32)
  centred = x - jnp.mean(x, axis=(1, 2), keepdims=True)
  variance = jnp.mean(jnp.square(centred), axis=(1, 2), keepdims=True)
  return (centred * lax.rsqrt(variance + epsilon)).astype(maps.dtype)
