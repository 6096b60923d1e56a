"""A U-Net of 3-D convolutions from a dark raw clip to bright RGB (System C).

Jiang and Zheng, "Learning to See Moving Objects in the Dark", ICCV 2019, and the project "Extreme
Dark Video Enhancement" (USC), which adds the residual forms. Time keeps its length at every level:
only height and width are pooled and doubled, frame by frame.
"""

from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv, DoubleToSkip, SpaceTimeConv, leaky_relu
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.resize import bilinear_double, crop_to, max_pool_half, pad_to_multiple
from llve_jax.ops.space import depth_to_space

VARIANTS = ("plain", "residual", "bottleneck_residual")
SCALE = 2  # a packed Bayer pixel becomes 2 x 2 pixels


class Stage(nn.Module):
  """Two 3x3x3 convolutions; `residual` adds the input, through 1x1x1 where channels differ."""

  features: int
  residual: bool = False
  temporal: Literal["taps", "conv3d"] = "taps"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, clip: Float[Array, "b t h w c"]) -> Float[Array, "b t h w features"]:
    """Leaky ReLU after the first convolution and after the sum."""

    def conv(x: Array, name: str, side: int = 3) -> Array:
      return SpaceTimeConv(
        self.features, (side,) * 3, temporal=self.temporal, dtype=self.dtype, name=name
      )(x)

    x = conv(leaky_relu(conv(clip, "conv_0")), "conv_1")
    if self.residual:
      x += clip if clip.shape[-1] == self.features else conv(clip, "shortcut", side=1)
    return leaky_relu(x)


class BottleneckBlock(nn.Module):
  """Convolution, leaky ReLU, convolution, plus the input; nothing after the sum."""

  temporal: Literal["taps", "conv3d"] = "taps"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, clip: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
    """Keeps the shape."""

    def conv(x: Array, name: str) -> Array:
      return SpaceTimeConv(x.shape[-1], temporal=self.temporal, dtype=self.dtype, name=name)(x)

    return clip + conv(leaky_relu(conv(clip, "conv_0")), "conv_1")


class ResizeToSkip(nn.Module):
  """Twice the size bilinearly, a 3x3 convolution without bias, then joined with the skip.

  Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016.
  """

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "n h w c"], skip: Float[Array, "n 2*h 2*w d"]
  ) -> Float[Array, "n 2*h 2*w d+features"]:
    """The new map comes first, as in `DoubleToSkip`."""
    conv = Conv(
      self.features,
      (3, 3),
      use_bias=False,
      dtype=self.dtype,
      kernel_init=nn.initializers.xavier_uniform(),
    )
    return jnp.concatenate([conv(bilinear_double(images)), skip], axis=-1)


class HistogramGain(nn.Module):
  """A gain for a whole clip that is learned from its histogram (an abandoned branch of System C).

  exp(tanh(dense(histogram / its largest bin))), one number a clip, from 1/e to e. All frames and
  all four colours of the mosaic are counted together.

  Attributes:
    bins: of values from 0 to 1; published 65536, one for each value of 16 bits.
  """

  bins: int = 65536

  @nn.compact
  def __call__(self, clip: Float[Array, "b t h w c"]) -> Float[Array, "b t h w c"]:
    """The clip times its gain; no gradient goes through the counting."""
    last = self.bins - 1
    place = jnp.clip(jnp.round(clip * last), 0, last).astype(jnp.int32)
    place = place.reshape(clip.shape[0], -1)
    counts = jax.vmap(lambda bins: jnp.zeros(self.bins, jnp.float32).at[bins].add(1.0))(place)
    share = counts / jnp.max(counts, axis=-1, keepdims=True)
    log_gain = jnp.tanh(nn.Dense(1, name="dense")(lax.stop_gradient(share)))
    return clip * jnp.exp(log_gain).reshape(-1, 1, 1, 1, 1)


class UNet3D(nn.Module):
  """Brightens a packed Bayer clip at twice its size, looking at several frames for each.

  Attributes:
    depth: how often the frame is halved; the published networks have 2, 3 and 4.
    base: channels of the finest level; every coarser one has twice as many.
    variant: "plain"; "residual", the project's best, whose stages but the first add their input;
      or "bottleneck_residual", plain stages and a chain of residual blocks at the coarsest level.
    blocks: length of that chain; None is the published 2^depth.
    histogram: multiply the clip by `HistogramGain` first. What is counted is the clip that the
      network is given, so that windows of one video may get different gains.
    upsample: "transposed" (published) or "resize", which leaves no checkerboard.
    temporal: "taps" computes 3-D convolutions as 2-D ones, "conv3d" as such: the same parameters
      and numbers, other speed.
    dtype: type of the computation; parameters stay float32.
    remat: recompute stages in the backward pass instead of storing their activations.
  """

  depth: int = 3
  base: int = 32
  variant: Literal["plain", "residual", "bottleneck_residual"] = "plain"
  blocks: int | None = None
  histogram: bool = False
  upsample: Literal["transposed", "resize"] = "transposed"
  temporal: Literal["taps", "conv3d"] = "taps"
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def _chain(self) -> int:
    if self.variant != "bottleneck_residual":
      return 0
    return 2**self.depth if self.blocks is None else self.blocks

  @property
  def traits(self) -> Traits:
    """Stride 2^depth; reach in space and time follows from the layer list."""
    stride = 2**self.depth
    # Two convolutions in the chain's blocks and one behind them.
    at_bottom = 2 * self._chain + 1 if self._chain else 0
    field = 1 + 4 + 2 * stride * at_bottom
    for level in range(1, self.depth + 1):
      finer = 2 ** (level - 1)
      field += finer + 4 * 2**level  # the pool, two convolutions of the encoder or the bottom
      field += 2**level + 2 * finer if self.upsample == "resize" else 0
      field += 4 * finer  # two convolutions of the decoder
    taps = 2 * (2 * self.depth + 1) + at_bottom
    # An output pixel is off the centre of its coarsest cell, up to half a cell to either side.
    return Traits(
      stride=stride,
      receptive_field=field + stride - 1,
      input_kind="bayer",
      scale=SCALE,
      frames=1 + 2 * taps,
      whole_frame_only=self.histogram,
    )

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 4"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t 2*h 2*w 3"]]:
    """Packed Bayer frames in [0, 1] -> `clip`, sRGB at twice the size, not clipped.

    Raises:
      ValueError: a clip that does not fit (`check_clip`).
      UserError: an unknown `variant`, `upsample` or `temporal`, or no level at all.
    """
    check_clip("unet3d", clip, self.traits)
    self._check_fields()
    height, width = clip.shape[2:4]
    kwargs = {"temporal": self.temporal, "dtype": self.dtype}
    stage_class = nn.remat(Stage) if self.remat else Stage
    block_class = nn.remat(BottleneckBlock) if self.remat else BottleneckBlock
    join_class = DoubleToSkip if self.upsample == "transposed" else ResizeToSkip

    def stage(x: Array, level: int, name: str) -> Array:
      residual = self.variant == "residual" and name != "encoder_0"
      return stage_class(self.base * 2**level, residual, name=name, **kwargs)(x)

    x = HistogramGain(name="gain")(clip) if self.histogram else clip
    x = per_frame(lambda images: pad_to_multiple(images, self.traits.stride), x)
    x = x.astype(self.dtype)
    skips: list[Array] = []
    for level in range(self.depth):
      skips.append(stage(x, level, f"encoder_{level}"))
      x = per_frame(max_pool_half, skips[-1])
    x = stage(x, self.depth, "coarsest")
    if self._chain:
      y = x
      for index in range(self._chain):
        y = block_class(name=f"block_{index}", **kwargs)(y)
      x += SpaceTimeConv(x.shape[-1], name="chain_end", **kwargs)(y)
    for level in reversed(range(self.depth)):
      join = join_class(self.base * 2**level, dtype=self.dtype, name=f"double_{level}")
      x = stage(per_frame(join, x, skips[level]), level, f"decoder_{level}")

    x = SpaceTimeConv(3 * SCALE**2, (1, 1, 1), name="head", **kwargs)(x).astype(jnp.float32)
    x = per_frame(lambda images: depth_to_space(images, SCALE), x)
    return {"clip": per_frame(lambda images: crop_to(images, SCALE * height, SCALE * width), x)}

  def _check_fields(self) -> None:
    for field, known in (("variant", VARIANTS), ("upsample", ("transposed", "resize"))):
      if (found := getattr(self, field)) not in known:
        raise UserError(f"unet3d: {field} is {found!r}; known: {', '.join(known)}")
    if self.depth < 1:
      raise UserError(f"unet3d: depth is {self.depth}; expected 1 or more, published 2 to 4")


def per_frame(function: Callable[..., Array], *clips: Array) -> Array:
  """Applies a function of images [n, h, w, c] to clips [b, t, h, w, c]."""
  batch, time = clips[0].shape[:2]
  out = function(*(clip.reshape(batch * time, *clip.shape[2:]) for clip in clips))
  return out.reshape(batch, time, *out.shape[1:])
