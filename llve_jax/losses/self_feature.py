"""Self-feature preserving loss: the output should show what the dark input shows.

Jiang et al., "EnlightenGAN: Deep Light Enhancement without Paired Supervision", IEEE TIP 2021
(arXiv 1906.06972), Eq 5. It compares with the INPUT, so it needs no target and is not in `LOSSES`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from llve_jax.losses.contract import Clip, PerClip, check_same_shape
from llve_jax.losses.vgg import FeatureMaps, Vgg, VggLoss
from llve_jax.ops.normalize import instance_norm

_LAYER = "conv5_1"


def _compare(pred: FeatureMaps, dark: FeatureMaps, key: Array | None) -> Float[Array, "n"]:
  del key
  first, second = (instance_norm(maps[_LAYER]) for maps in (pred, dark))
  return jnp.mean(jnp.square(first - second), axis=(1, 2, 3))


# Call them as (output, dark input). Relu5_1 at an eighth of the size, the fourth pooling left out.
# The released program does not take the mean off the network's input.
vgg16_self_feature = VggLoss((_LAYER,), _compare, Vgg(skip_pool4=True))
vgg16_self_feature_released = VggLoss((_LAYER,), _compare, Vgg(skip_pool4=True, input="no_mean"))


def self_feature_local(
  pred: Clip,
  dark: Clip,
  corners: Int[Array, "p 2"],
  *,
  size: int = 32,
  loss: VggLoss = vgg16_self_feature,
  frozen: Mapping[str, Any] | None = None,
) -> PerClip:
  """Mean of the loss over patches at `corners` (row, column), the same for all clips of a batch.

  Raises:
    ValueError: the shapes differ, or frames are smaller than `size`.
  """
  check_same_shape(pred, dark)
  first, second = (patches(clip, corners, size) for clip in (pred, dark))
  return jnp.mean(loss(first, second, frozen=frozen).reshape(pred.shape[0], -1), axis=1)


def patches(
  clip: Clip, corners: Int[Array, "p 2"], size: int = 32
) -> Float[Array, "b*p t size size c"]:
  """Square patches of every clip; one that would leave the frame is moved inside.

  Raises:
    ValueError: frames smaller than `size`.
  """
  batch, time, height, width, channels = clip.shape
  if min(height, width) < size:
    raise ValueError(f"frames must be at least {size} x {size} pixels; found {clip.shape}")

  def cut(corner: Int[Array, "2"]) -> Float[Array, "b t size size c"]:
    zero = jnp.zeros((), corner.dtype)
    start = (zero, zero, corner[0], corner[1], zero)
    return lax.dynamic_slice(clip, start, (batch, time, size, size, channels))

  cuts = jax.vmap(cut, out_axes=1)(corners)
  return cuts.reshape(-1, *cuts.shape[2:])


def draw_corners(key: Array, height: int, width: int, count: int, size: int = 32) -> Array:
  """`count` random corners (row, column) of patches inside the frame, [count, 2]."""
  limits = jnp.array([(height - size + 1, width - size + 1)])
  return jax.random.randint(key, (count, 2), 0, limits)
