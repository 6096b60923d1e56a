"""Perceptual losses: distances between feature maps of a network trained on ImageNet.

One entry for each system's variant. Where a system's released program prepares images otherwise
than its network was trained, the plain name does it right and `_released` repeats the mistake.
"""

from collections.abc import Iterable, Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.losses.contract import euclidean_norm
from llve_jax.losses.vgg import INPUT, Compare, FeatureMaps, Vgg, VggLoss

LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
_BYTE = 255.0  # the unit of losses defined on 8-bit values
_SIGNED = 2.0  # from -1 to 1


def perceptual_distance(
  pred: FeatureMaps, target: FeatureMaps, key: Array | None = None
) -> Float[Array, "n"]:
  """Per layer the mean over positions of the Euclidean norm over channels, summed over all maps.

  The norm is not squared (System A, Eq 2.3). `key` is unused. Gradient 0 where the maps agree.
  """
  del key
  return _sum(jnp.mean(euclidean_norm(pred[name] - target[name]), axis=(1, 2)) for name in pred)


def absolute(factors: Mapping[str, float]) -> Compare:
  """A comparison: the sum over layers of factor * mean |difference|."""

  def compare(pred: FeatureMaps, target: FeatureMaps, key: Array | None) -> Float[Array, "n"]:
    del key
    return _sum(
      factor * jnp.mean(jnp.abs(pred[name] - target[name]), axis=(1, 2, 3))
      for name, factor in factors.items()
    )

  return compare


def squared(pred: FeatureMaps, target: FeatureMaps, key: Array | None = None) -> Float[Array, "n"]:
  """The mean of the squared difference, summed over all maps."""
  del key
  return _sum(jnp.mean(jnp.square(pred[name] - target[name]), axis=(1, 2, 3)) for name in pred)


def whole_norm(
  pred: FeatureMaps, target: FeatureMaps, key: Array | None = None
) -> Float[Array, "n"]:
  """The Euclidean norm of a frame's whole difference, summed over all maps."""
  del key
  return _sum(euclidean_norm(pred[name] - target[name], axis=(1, 2, 3)) for name in pred)


def _sum(terms: Iterable[Float[Array, "n"]]) -> Float[Array, "n"]:
  first, *rest = terms
  return sum(rest, start=first)


_ANCHORED = (INPUT, "conv1_2", "conv2_2", "conv3_2", "conv4_2")
_ANCHORED_EQUAL = absolute(dict.fromkeys(_ANCHORED, 1.0))
# The factors of Chen and Koltun, "Photographic Image Synthesis", ICCV 2017.
_ZOOM = {
  "conv1_2": 1.0,
  "conv2_2": 1.0,
  "conv3_2": 1.0 / 3.7,
  "conv4_2": 1.0 / 5.6,
  "conv5_2": 10.0 / 1.5,
}

# System A: VGG-16, Eq 2.3. Its text says three layers and lists four.
vgg16 = VggLoss(LAYERS, perceptual_distance)

# System C (SMOID): VGG-19 and the frames themselves, mean |difference| on 8-bit values. About 140
# on its data, hence its weight of 0.01.
vgg19_smoid = VggLoss(_ANCHORED, _ANCHORED_EQUAL, Vgg("vgg19"), _BYTE)

# Chen et al., "Seeing Motion in the Dark", ICCV 2019: the same with mean pooling. The frames'
# own term makes it a strong L1.
vgg19_smid = VggLoss(_ANCHORED, _ANCHORED_EQUAL, Vgg("vgg19", "average"), _BYTE)

# Lv et al., "MBLLEN", BMVC 2018; their weight is 1/3.
vgg19_mbllen = VggLoss(("conv3_4",), absolute({"conv3_4": 1.0}), Vgg("vgg19"), _SIGNED)
vgg19_mbllen_released = VggLoss(
  ("conv3_4",), absolute({"conv3_4": 1.0}), Vgg("vgg19", input="signed_swapped")
)

# System C's version of MBLLVEN, weight 1e-6; there one norm over all frames of a clip at once.
vgg19_mbllven = VggLoss(("conv3_4",), whole_norm, Vgg("vgg19"), _BYTE)

# Kupyn et al., "DeblurGAN", CVPR 2018: conv3_3 before ReLU, weight 100.
vgg19_deblurgan = VggLoss(("conv3_3_linear",), squared, Vgg("vgg19"), _SIGNED)
vgg19_deblurgan_released = VggLoss(("conv3_3_linear",), squared, Vgg("vgg19", input="signed"))

# Zhang et al., "Zoom to Learn, Learn to Zoom", CVPR 2019.
vgg19_zoom = VggLoss(tuple(_ZOOM), absolute(_ZOOM), Vgg("vgg19", "average"), 1.0)
