"""Perceptual loss: distance between feature maps of a network trained on ImageNet."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.losses.contract import euclidean_norm
from llve_jax.losses.vgg import FeatureMaps, Vgg16Loss

LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


def perceptual_distance(
  pred: FeatureMaps, target: FeatureMaps, key: Array | None = None
) -> Float[Array, "n"]:
  """Per layer the mean over positions of the Euclidean norm over channels, summed over `LAYERS`.

  The norm is not squared (System A, Eq 2.3). `key` is unused. Gradient 0 where the maps agree.
  """
  del key
  return sum(
    (jnp.mean(euclidean_norm(pred[name] - target[name]), axis=(1, 2)) for name in LAYERS),
    start=jnp.zeros(pred[LAYERS[0]].shape[0], pred[LAYERS[0]].dtype),
  )


vgg16 = Vgg16Loss(layers=LAYERS, compare=perceptual_distance)
