"""VGG-16 as a fixed feature extractor, and losses that compare its feature maps.

Simonyan and Zisserman, "Very Deep Convolutional Networks", ICLR 2015 (arXiv 1409.1556), table 1,
column D. Maps are taken after ReLU; pooling is maximum, 2 x 2.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.io.weights import VGG16_WIDTHS, packaged_vgg16
from llve_jax.losses.contract import check_same_shape
from llve_jax.ops.resize import max_pool_half

FeatureMaps = dict[str, Float[Array, "n h w c"]]

_MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB in [0, 1]
_STANDARD_DEVIATION = (0.229, 0.224, 0.225)


def layers_up_to(layers: tuple[str, ...]) -> list[str]:
  """Names of all convolutions that must run to reach every one of `layers`, in order.

  Raises:
    ValueError: a layer VGG-16 does not have.
  """
  names = list(VGG16_WIDTHS)
  unknown = sorted(set(layers) - set(names))
  if unknown:
    raise ValueError(f"VGG-16 has no layer {', '.join(unknown)}; known: {', '.join(names)}")
  return names[: max((names.index(name) + 1 for name in layers), default=0)]


def vgg16_features(
  images: Float[Array, "n h w 3"],
  weights: Mapping[str, Mapping[str, Any]],
  layers: tuple[str, ...] = ("conv1_2", "conv2_2", "conv3_3", "conv4_3"),
) -> FeatureMaps:
  """Feature maps of sRGB images in [0, 1], one per name in `layers`; runs no deeper than they need.

  Args:
    images: of any size that leaves a pixel at the deepest layer. Values outside [0, 1] pass.
    weights: `{"conv1_1": {"kernel": HWIO, "bias": O}, ...}`, as `packaged_vgg16` returns.
    layers: names such as "conv3_3".

  Returns:
    Maps [n, h / 2^k, w / 2^k, c]; k is the number of poolings before the layer.

  Raises:
    ValueError: unknown layer, images that are not RGB or too small.
  """
  needed = layers_up_to(layers)
  if images.ndim != 4 or images.shape[-1] != 3:
    raise ValueError(f"VGG-16 takes RGB images [n, h, w, 3]; found {images.shape}")
  least = 2 ** (int(needed[-1][4]) - 1) if needed else 1
  if min(images.shape[1:3]) < least:
    raise ValueError(
      f"{needed[-1]} needs images of {least} x {least} at least; found {images.shape}"
    )
  x = (images - jnp.array(_MEAN, images.dtype)) / jnp.array(_STANDARD_DEVIATION, images.dtype)
  maps: FeatureMaps = {}
  for index, name in enumerate(needed):
    if index and name[4] != needed[index - 1][4]:
      x = max_pool_half(x)
    kernel, bias = (jnp.asarray(weights[name][part], x.dtype) for part in ("kernel", "bias"))
    x = lax.conv_general_dilated(
      x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    x = jax.nn.relu(x + bias)
    if name in layers:
      maps[name] = x
  return maps


@dataclasses.dataclass(frozen=True)
class Vgg16Loss:
  """A loss on clips that compares VGG-16 feature maps frame by frame; the mean over frames counts.

  `compose` asks each for its `layers`, runs the network once for all, and calls `compare`.

  Attributes:
    layers: which maps `compare` needs.
    compare: `(maps of pred, maps of target, key or None) -> [n]`, one number per frame. A loss that
      draws nothing at random ignores the key.
  """

  layers: tuple[str, ...]
  compare: Callable[[FeatureMaps, FeatureMaps, Array | None], Float[Array, "n"]]

  def __call__(
    self,
    pred: Float[Array, "b t h w 3"],
    target: Float[Array, "b t h w 3"],
    *,
    frozen: Mapping[str, Any] | None = None,
    key: Array | None = None,
  ) -> Float[Array, "b"]:
    """Loss per clip; `frozen` is `{"vgg16": weights}`, by default the packaged ones."""
    check_same_shape(pred, target)
    weights = packaged_vgg16() if frozen is None else frozen["vgg16"]
    maps = [vgg16_features(as_images(clip), weights, self.layers) for clip in (pred, target)]
    return per_clip(self.compare(maps[0], maps[1], key), pred)


def as_images(clip: Float[Array, "b t h w c"]) -> Float[Array, "b*t h w c"]:
  """Folds time into the batch."""
  return clip.reshape(-1, *clip.shape[2:])


def per_clip(per_frame: Float[Array, "b*t"], clip: Float[Array, "b t h w c"]) -> Float[Array, "b"]:
  """Means over the frames of each clip."""
  return jnp.mean(per_frame.reshape(clip.shape[:2]), axis=1)
