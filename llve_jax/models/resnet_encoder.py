"""Features of a frame at half its size: ResNet-18, an up-projection decoder, multi-scale fusion.

The features network of ST-CLSTM (Zhang et al., "Exploiting Temporal Consistency for Real-Time Video
Depth Estimation", ICCV 2019; its blocks are those of Hu et al., "Revisiting Single Image Depth
Estimation", WACV 2019), which System B took over for dark video. ResNet: He et al., "Deep Residual
Learning for Image Recognition", CVPR 2016. Up-projection: Laina et al., "Deeper Depth Prediction",
3DV 2016.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.models.blocks import ConvNorm
from llve_jax.ops.resize import bilinear_enlarge, max_pool3_half

_MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB in [0, 1]
_STANDARD_DEVIATION = (0.229, 0.224, 0.225)

Images = Float[Array, "n h w c"]
Path = list[tuple[str, int]]


class BasicBlock(nn.Module):
  """Two 3x3 convolutions added to their input; 1x1 brings that to their shape if it differs."""

  features: int
  stride: int = 1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Images, train: bool = False) -> Array:
    """[n, h, w, c] -> [n, h / stride, w / stride, features]."""
    conv = ConvNorm(self.features, stride=self.stride, dtype=self.dtype, name="first")
    x = nn.relu(conv(images, train=train))
    x = ConvNorm(self.features, dtype=self.dtype, name="second")(x, train=train)
    if self.stride != 1 or images.shape[-1] != self.features:
      images = ConvNorm(self.features, 1, stride=self.stride, dtype=self.dtype, name="shortcut")(
        images, train=train
      )
    return nn.relu(x + images)


class ResNetEncoder(nn.Module):
  """ResNet of basic blocks without its classifier; ResNet-18 by default.

  Attributes:
    width: channels of the first level; each level has twice those of the one before.
    blocks: basic blocks of each level.
    normalise: subtract ImageNet's mean and divide by its standard deviation first, as published
      weights want it.
    dtype: type of the computation; parameters stay float32.
    remat: recompute blocks in the backward pass instead of storing their activations.
  """

  width: int = 64
  blocks: Sequence[int] = (2, 2, 2, 2)
  normalise: bool = True
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, images: Float[Array, "n h w 3"], *, train: bool = False) -> list[Array]:
    """RGB in [0, 1], sides that divide by 2^(levels + 1) -> one map per level, a quarter first."""
    x = images
    if self.normalise:
      mean, deviation = (
        jnp.array(values, x.dtype).reshape(1, 1, 1, 3) for values in (_MEAN, _STANDARD_DEVIATION)
      )
      x = (x - mean) / deviation
    stem = ConvNorm(self.width, 7, stride=2, dtype=self.dtype, name="stem")
    x = max_pool3_half(nn.relu(stem(x.astype(self.dtype), train=train)))
    block = nn.remat(BasicBlock, static_argnums=(2,)) if self.remat else BasicBlock  # 2 is `train`
    levels = []
    for level, count in enumerate(self.blocks):
      for index in range(count):
        stride = 2 if level and not index else 1
        name = f"level_{level}_{index}"
        x = block(self.width * 2**level, stride, dtype=self.dtype, name=name)(x, train)
      levels.append(x)
    return levels


class UpProjection(nn.Module):
  """Enlarges bilinearly, then a residual block of one 5x5 and 3x3 and one 5x5 branch."""

  features: int
  factor: int
  align_corners: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Images, train: bool = False) -> Array:
    """[n, h, w, c] -> [n, factor * h, factor * w, features]."""
    x = bilinear_enlarge(images, self.factor, align_corners=self.align_corners)
    first = ConvNorm(self.features, 5, dtype=self.dtype, name="first")(x, train=train)
    second = ConvNorm(self.features, dtype=self.dtype, name="second")
    shortcut = ConvNorm(self.features, 5, dtype=self.dtype, name="shortcut")(x, train=train)
    return nn.relu(second(nn.relu(first), train=train) + shortcut)


class Decoder(nn.Module):
  """From the coarsest level up to half the frame's size, in steps of two, without skips."""

  align_corners: bool = True
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, levels: Sequence[Array], *, train: bool = False) -> Array:
    """Maps of the encoder -> [n, h / 2, w / 2, c]; channels halve at every step."""
    up = nn.remat(UpProjection, static_argnums=(2,)) if self.remat else UpProjection
    features = levels[-1].shape[-1] // 2
    x = nn.relu(ConvNorm(features, 1, dtype=self.dtype, name="start")(levels[-1], train=train))
    for level in reversed(range(len(levels))):
      features //= 2
      x = up(features, 2, self.align_corners, dtype=self.dtype, name=f"up_{level}")(x, train)
    return x


class MultiScaleFusion(nn.Module):
  """Every level straight to half the frame's size, joined and mixed by a 5x5 convolution.

  Attributes:
    features: channels of each level's part.
  """

  features: int = 16
  align_corners: bool = True
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, levels: Sequence[Array], *, train: bool = False) -> Array:
    """Maps of the encoder, a quarter of the frame's size first -> [n, h / 2, w / 2, all parts]."""
    up = nn.remat(UpProjection, static_argnums=(2,)) if self.remat else UpProjection
    parts = []
    for level, x in enumerate(levels):
      enlarge = up(
        self.features, 2 ** (level + 1), self.align_corners, dtype=self.dtype, name=f"up_{level}"
      )
      parts.append(enlarge(x, train))
    joined = jnp.concatenate(parts, axis=-1)
    mix = ConvNorm(joined.shape[-1], 5, dtype=self.dtype, name="mix")
    return nn.relu(mix(joined, train=train))


class FrameFeatures(nn.Module):
  """Encoder, fusion and, if wanted, decoder; the decoder's channels come first.

  Attributes:
    width: channels of the encoder's first level. Decoder and parts of the fusion have a quarter of
      that: 16.
    blocks: basic blocks of each level of the encoder.
    decoder: run the decoder too.
    fused: how many levels, finest first, are fused.
    normalise: as for `ResNetEncoder`.
    align_corners: how maps are enlarged; ST-CLSTM aligns corners.
    freeze_encoder: the encoder does not learn, and its statistics do not move.
    dtype: type of the computation; parameters stay float32.
    remat: recompute blocks in the backward pass instead of storing their activations.
  """

  width: int = 64
  blocks: Sequence[int] = (2, 2, 2, 2)
  decoder: bool = True
  fused: int = 4
  normalise: bool = True
  align_corners: bool = True
  freeze_encoder: bool = False
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, images: Float[Array, "n h w 3"], *, train: bool = False) -> Array:
    """RGB in [0, 1], sides that divide by 2^(levels + 1) -> [n, h / 2, w / 2, c]."""
    encoder = ResNetEncoder(
      self.width, self.blocks, self.normalise, dtype=self.dtype, remat=self.remat, name="encoder"
    )
    levels = encoder(images, train=train and not self.freeze_encoder)
    if self.freeze_encoder:
      levels = [lax.stop_gradient(x) for x in levels]
    common: dict[str, Any] = {
      "align_corners": self.align_corners,
      "dtype": self.dtype,
      "remat": self.remat,
    }
    maps = [Decoder(**common, name="decoder")(levels, train=train)] if self.decoder else []
    fusion = MultiScaleFusion(max(1, self.width // 4), **common, name="fusion")
    maps.append(fusion(levels[: self.fused], train=train))
    return jnp.concatenate(maps, axis=-1)


def feature_paths(blocks: Sequence[int], *, decoder: bool, fused: int) -> list[Path]:
  """Every way from a pixel to a feature of `FrameFeatures`, for `receptive_field`."""
  encoder: Path = [("shrink", 7), ("shrink", 3)]
  block: Path = [("conv", 3), ("conv", 3)]
  projection: Path = [("conv", 5), ("conv", 3)]
  found: list[Path] = []
  for level, count in enumerate(blocks):
    encoder = [*encoder, *block * count]
    if level:
      encoder[-2 * count] = ("shrink", 3)
    if level < fused:
      found.append([*encoder, ("enlarge", 2 ** (level + 1)), *projection, ("conv", 5)])
  if decoder:
    found.append([*encoder, *[("enlarge", 2), *projection] * len(blocks)])
  return found


def receptive_field(paths: Iterable[Path], stride: int, *, align_corners: bool) -> int:
  """Side of the smallest square, centred on any output pixel, that holds all it depends on.

  Follows every output pixel of a cell of `stride` pixels back through the layers: "conv" and
  "shrink" (stride 2) of a kernel's size, "enlarge" (bilinear) and "spread" (depth to space) by a
  factor. The grids of PyTorch's strided convolutions lie off the centre, hence the search.
  """
  reach = 0
  for path in paths:
    for pixel in range(stride):
      low = high = pixel
      for kind, size in reversed(path):
        if kind in ("conv", "shrink"):
          step = 2 if kind == "shrink" else 1
          low, high = step * low - size // 2, step * high + size // 2
        elif kind == "spread" or align_corners:
          margin = 0 if kind == "spread" else 1
          low, high = low // size - margin, high // size + margin
        else:  # the two neighbours of (i + 1/2) / size - 1/2
          low, high = (2 * low + 1 - size) // (2 * size), -(-(2 * high + 1 - size) // (2 * size))
      reach = max(reach, pixel - low, high - pixel)
  return 2 * reach + 1
