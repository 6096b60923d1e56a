"""VGG-16 and VGG-19 as fixed feature extractors, and losses that compare their feature maps.

Simonyan and Zisserman, "Very Deep Convolutional Networks", ICLR 2015 (arXiv 1409.1556), table 1,
columns D and E. Layers are named as "conv3_3", after ReLU; "conv3_3_linear" is before it; "input"
is the frames themselves.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.io.vgg19 import VGG19_WIDTHS, load_vgg19
from llve_jax.io.weights import VGG16_WIDTHS, packaged_vgg16
from llve_jax.losses.contract import Clip, Mask, PerClip, trusted
from llve_jax.ops.convolution import convolve
from llve_jax.ops.resize import max_pool_half

FeatureMaps = dict[str, Float[Array, "n h w c"]]
Compare = Callable[[FeatureMaps, FeatureMaps, Array | None], Float[Array, "n"]]

INPUT = "input"
_LINEAR = "_linear"
_WIDTHS = {"vgg16": VGG16_WIDTHS, "vgg19": VGG19_WIDTHS}
_TITLES = {"vgg16": "VGG-16", "vgg19": "VGG-19"}
_STANDARD_DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)  # ImageNet, RGB in [0, 1]
_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
IMAGENET = {"scale": 1 / _STANDARD_DEVIATION, "offset": -_MEAN / _STANDARD_DEVIATION}


@dataclasses.dataclass(frozen=True)
class Vgg:
  """How a network is run; losses that agree on all of it share one pass.

  Attributes:
    network: "vgg16" or "vgg19".
    pooling: maximum, as the network was trained, or mean, as style transfer has it.
    input: what the first layer is given of RGB in [0, 1]. "trained": what the weights were trained
      on. Three mistakes of released programs: "no_mean": that without taking off the mean
      (EnlightenGAN); "signed": [-1, 1] (DeblurGAN); "signed_swapped": [-1, 1] with red and blue
      exchanged (MBLLEN, RGB to weights for BGR).
    skip_pool4: leaves the fourth pooling out, so that block 5 has the size of block 4.
  """

  network: Literal["vgg16", "vgg19"] = "vgg16"
  pooling: Literal["max", "average"] = "max"
  input: Literal["trained", "no_mean", "signed", "signed_swapped"] = "trained"
  skip_pool4: bool = False

  def convolutions(self, layers: Sequence[str]) -> list[str]:
    """Names of all convolutions that must run to reach every one of `layers`, in order.

    Raises:
      ValueError: a layer the network does not have.
    """
    names = list(_WIDTHS[self.network])
    wanted = {layer.removesuffix(_LINEAR) for layer in layers} - {INPUT}
    unknown = sorted(wanted - set(names))
    if unknown:
      raise ValueError(
        f"{_TITLES[self.network]} has no layer {', '.join(unknown)}; known: {', '.join(names)}"
      )
    return names[: max((names.index(name) + 1 for name in wanted), default=0)]

  def weights(self, layers: Sequence[str], source: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `source` that `layers` need.

    Raises:
      UserError: `source` ends before them; names the first it lacks.
    """
    needed = self.convolutions(layers)
    lacking = [name for name in needed if name not in source]
    if lacking:
      held = [name for name in source if name != INPUT]
      raise UserError(
        f"{', '.join(layers)} of {_TITLES[self.network]}: expected weights of {lacking[0]} and all "
        f"before it; found them up to {held[-1] if held else 'none'}; name a file of the whole "
        "network (see llve_jax/io/vgg19.py)"
      )
    extra = [INPUT] if needed and INPUT in source else []
    return {name: source[name] for name in [*needed, *extra]}

  def features(
    self,
    images: Float[Array, "n h w 3"],
    weights: Mapping[str, Mapping[str, Any]],
    layers: Sequence[str],
  ) -> FeatureMaps:
    """Feature maps of sRGB images in [0, 1], one per name in `layers`; runs no deeper than needed.

    Args:
      images: of any size that leaves a pixel at the deepest layer. Values outside [0, 1] pass.
      weights: `{"conv1_1": {"kernel": HWIO, "bias": O}, ..., "input": {"scale": [3], "offset":
        [3]}}`, as `packaged_vgg16` and `load_vgg19` return; without "input", trained on
        ImageNet-normalised RGB.
      layers: names such as "conv3_3".

    Returns:
      Maps [n, h / 2^k, w / 2^k, c]; k is the number of poolings before the layer. "input" is the
      images times `span`, without the mean, which no difference sees.

    Raises:
      ValueError: unknown layer, images that are not RGB or too small.
      UserError: `weights` end before a layer.
    """
    needed = self.convolutions(layers)
    weights = self.weights(layers, weights)
    if images.ndim != 4 or images.shape[-1] != 3:
      raise ValueError(
        f"{_TITLES[self.network]} takes RGB images [n, h, w, 3]; found {images.shape}"
      )
    least = 2 ** sum(self._pools(before, after) for before, after in itertools.pairwise(needed))
    if min(images.shape[1:3]) < least:
      raise ValueError(
        f"{needed[-1]} needs images of {least} x {least} at least; found {images.shape}"
      )
    trained = weights.get(INPUT, IMAGENET)
    maps: FeatureMaps = {INPUT: images * jnp.asarray(self.span(weights), images.dtype)}
    x = self._prepare(images, trained)
    before = None
    for name in needed:
      if before is not None and self._pools(before, name):
        x = max_pool_half(x) if self.pooling == "max" else _mean_pool_half(x)
      kernel, bias = (jnp.asarray(weights[name][part], x.dtype) for part in ("kernel", "bias"))
      x = lax.broadcast_to_rank(bias, 4) + convolve(x, kernel, (1, 1), "SAME")
      maps[name + _LINEAR] = x
      x = jax.nn.relu(x)
      maps[name] = x
      before = name
    return {name: found for name, found in maps.items() if name in layers}

  def span(self, weights: Mapping[str, Any]) -> Float[Array, ""]:
    """How much of the first layer's input lies between black and white."""
    if self.input.startswith("signed"):
      return jnp.float32(2.0)
    return jnp.mean(jnp.asarray(weights.get(INPUT, IMAGENET)["scale"], jnp.float32))

  def _pools(self, before: str, after: str) -> bool:
    skipped = self.skip_pool4 and after[4] == "5"
    return before[4] != after[4] and not skipped

  def _prepare(
    self, images: Float[Array, "n h w 3"], trained: Mapping[str, Any]
  ) -> Float[Array, "n h w 3"]:
    """What the first layer is given."""
    if self.input.startswith("signed"):
      signed = 2.0 * images - 1.0
      return signed[..., ::-1] if self.input == "signed_swapped" else signed
    scale, offset = (
      lax.broadcast_to_rank(jnp.asarray(trained[name], images.dtype), images.ndim)
      for name in ("scale", "offset")
    )
    return images * scale if self.input == "no_mean" else images * scale + offset


@dataclasses.dataclass(frozen=True)
class VggLoss:
  """A loss on clips that compares feature maps frame by frame; the mean over frames counts.

  `compose` asks each for its `layers`, runs every network once for all losses that agree on `vgg`,
  and calls `compare`.

  Attributes:
    layers: which maps `compare` needs; ("input",) alone runs no network.
    compare: `(maps of pred, maps of target, key or None) -> [n]`, one number per frame. A loss that
      draws nothing at random ignores the key.
    vgg: how the network is run.
    unit: maps are scaled as if the network's input spanned this much from black to white: 255 for
      losses defined on 8-bit values. (Scaling input and biases alike scales every map.) So a loss
      weighs the same whichever weights are at hand. None: as the network gives them.
  """

  layers: tuple[str, ...]
  compare: Compare
  vgg: Vgg = Vgg()
  unit: float | None = None

  def __call__(
    self,
    pred: Float[Array, "b t h w 3"],
    target: Float[Array, "b t h w 3"],
    *,
    mask: Mask | None = None,
    frozen: Mapping[str, Any] | None = None,
    key: Array | None = None,
  ) -> PerClip:
    """Loss per clip; where the mask is 0 the network sees the target.

    `frozen` is `{"vgg16": weights}`, or "vgg19"; by default the packaged ones, or the file that the
    environment variable LLVE_VGG19 names.
    """
    pred, _ = trusted(pred, target, mask)
    weights: Mapping[str, Any] = {}
    if self.vgg.convolutions(self.layers):
      network = self.vgg.network
      weights = load_network(network) if frozen is None else frozen[network]
    maps = [self.vgg.features(as_images(clip), weights, self.layers) for clip in (pred, target)]
    return per_clip(self.of_maps(maps[0], maps[1], self.vgg.span(weights), key), pred)

  def of_maps(
    self, pred: FeatureMaps, target: FeatureMaps, span: Float[Array, ""], key: Array | None
  ) -> Float[Array, "n"]:
    """The loss per frame, of maps that may hold more layers; `span` is that of the network."""
    factor = jnp.float32(1.0) if self.unit is None else self.unit / span
    first, second = (
      {name: factor.astype(maps[name].dtype) * maps[name] for name in self.layers}
      for maps in (pred, target)
    )
    return self.compare(first, second, key)

  def on_vgg16(self) -> "VggLoss":
    """The same loss through VGG-16: its last layer of a block stands in for a fourth."""
    renamed = {
      name: name
      if name.removesuffix(_LINEAR) in (INPUT, *VGG16_WIDTHS)
      else f"{name[:6]}3{name[7:]}"
      for name in self.layers
    }

    def compare(pred: FeatureMaps, target: FeatureMaps, key: Array | None) -> Float[Array, "n"]:
      first, second = ({old: maps[new] for old, new in renamed.items()} for maps in (pred, target))
      return self.compare(first, second, key)

    vgg = dataclasses.replace(self.vgg, network="vgg16")
    return dataclasses.replace(self, layers=tuple(renamed.values()), compare=compare, vgg=vgg)


def load_network(network: str) -> Mapping[str, Any]:
  """All weights of "vgg16" (packaged) or "vgg19" (the file that LLVE_VGG19 names)."""
  return packaged_vgg16() if network == "vgg16" else load_vgg19()


def as_images(clip: Clip) -> Float[Array, "b*t h w c"]:
  """Folds time into the batch."""
  return clip.reshape(-1, *clip.shape[2:])


def per_clip(per_frame: Float[Array, "b*t"], clip: Clip) -> PerClip:
  """Means over the frames of each clip."""
  return jnp.mean(per_frame.reshape(clip.shape[:2]), axis=1)


def _mean_pool_half(images: Float[Array, "n h w c"]) -> Float[Array, "n h//2 w//2 c"]:
  """2 x 2 mean with stride 2; an odd last row or column is dropped."""
  for axis in (1, 2):
    end = images.shape[axis] // 2 * 2
    even = lax.slice_in_dim(images, 0, end, stride=2, axis=axis)
    odd = lax.slice_in_dim(images, 1, end, stride=2, axis=axis)
    images = 0.5 * (even + odd)
  return images
