"""A small causal U-Net that remembers, and sees the whole frame. Our own.

Every frame goes through four stages:

1. It is averaged with its past where nothing has changed (`models.settle`), so that its noise is
   not brightened with it; nor are the faint colours that codecs leave in what is grey.
2. A small picture of the whole frame becomes a vector (`models.frame_code`) that follows the video
   slowly: exposure is decided for the frame, not for a part of it, and is steady. From the vector
   come a tone curve for each colour, a colour matrix, what every level of the network is told, and
   how bright the frame is to be; the gain for that is computed, not guessed (`models.tone`).
3. The frame, brightened by that curve, is encoded and decoded at a half, a quarter and an eighth of
   its size. At the coarsest level features are blended with those of the frame before, as far as a
   gate trusts them; every position first looks for itself among its neighbours in the past
   (`models.alignment`), so that what moves is followed.
4. The decoder says how the curve is bent in each place, and what is to be added to its result.

The output is safe: the curves keep black black and white white, whatever is learnt; what is added
fades where the input is nearly white, so that a lamp cannot turn black; and where a frame has black
bars, what is flat and black stays as it is.

It draws on gated recurrent fusion (Chan et al., "BasicVSR", CVPR 2021, there with optical flow), on
attention as alignment (Wang et al., "EDVR", CVPRW 2019, there by deformable convolution) and on a
global colour matrix and curve beside local maps (Cui et al., "IAT", BMVC 2022).
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.models.alignment import Fuse
from llve_jax.models.blocks import Conv, leaky_relu, turns_at_once
from llve_jax.models.contract import Traits, check_clip
from llve_jax.models.frame_code import FrameCode, bordered, follow
from llve_jax.models.settle import highlight_fade, settle
from llve_jax.models.tone import (
  Curve,
  Develop,
  bend,
  cored,
  empty_fade,
  local_gain,
  log_gain,
  value,
)
from llve_jax.ops.resize import bilinear_double, crop_to, pad_to_multiple
from llve_jax.ops.space import depth_to_space
from llve_jax.ops.thumbnail import thumbnail

Memory = dict[str, Array]

CONTEXT = 64  # side of the small picture of the whole frame
_initial = nn.initializers.he_normal()


class ResidualBlock(nn.Module):
  """Two 3x3 convolutions added to their input; the second starts small, so depth is harmless."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Same shape."""
    conv = partial(Conv, images.shape[-1], (3, 3), dtype=self.dtype)
    x = leaky_relu(conv(kernel_init=_initial, name="first")(images))
    return images + conv(kernel_init=nn.initializers.normal(0.01), name="second")(x)


class RecurrentUNet(nn.Module):
  """Brightens video frame by frame, with a memory and a view of the whole frame.

  Attributes:
    widths: channels at a half, a quarter, ... of the frame's size.
    blocks: residual blocks per level in the encoder.
    decoder_blocks: residual blocks per level in the decoder, the coarsest has none.
    reach: at the coarsest level, positions to each side in which the past is looked for.
    code: length of the vector that stands for the whole frame.
    adapt: how far, each frame, the vector moves from that of the past to that of the frame.
    dtype: type of the computation; parameters and memory stay float32.
    remat: recompute a level's blocks in the backward pass instead of storing their activations.
  """

  widths: Sequence[int] = (16, 32, 64)
  blocks: Sequence[int] = (0, 2, 3)
  decoder_blocks: Sequence[int] = (0, 1)
  reach: int = 1
  code: int = 64
  adapt: float = 0.1
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Stride 2^levels. The field is that of a single frame: memory carries what it saw farther."""
    sizes = [2 ** (level + 1) for level in range(len(self.widths))]  # pixels per position
    field = sizes[0] + 2 * sizes[0]  # a position at half size, and the stem
    for level, size in enumerate(sizes):
      field += size if level else 0  # the strided convolution, at the finer size
      field += 4 * size * self.blocks[level]
    field += 2 * self.reach * sizes[-1]
    for size, blocks in zip(sizes[:-1], self.decoder_blocks, strict=True):
      field += 2 * (2 * size) + 2 * size + 4 * size * blocks  # doubling, merging, blocks
    field += 4 * sizes[0] + 2 * sizes[0]  # what is added, the box around a change
    stride = sizes[-1]
    return Traits(
      stride=stride, receptive_field=field + stride - 1, streaming=True, context=CONTEXT
    )

  @nn.compact
  def __call__(
    self,
    clip: Float[Array, "b t h w 3"],
    carry: Memory | None = None,
    context: Float[Array, "b t 64 64 3"] | None = None,
    *,
    train: bool = False,
  ) -> dict[str, Any]:
    """Enhances sRGB frames in [0, 1]: `clip`, of the same shape and not clipped, and `carry`.

    Args:
      clip: frames that follow those that `carry` comes from, or a part (tile) of each.
      carry: what the call before returned; None starts a video.
      context: the whole frames as `ops.thumbnail` makes them; None: `clip` holds the whole frames.
      train: changes nothing; there is no dropout and there are no batch statistics.
    """
    del train
    check_clip("recurrent_unet", clip, self.traits)
    if context is None:
      context = thumbnail(clip, CONTEXT)
    batch, time, height, width, _ = clip.shape
    code, curve, last_code = self._look(context, None if carry is None else carry["code"])
    frames = pad_to_multiple(clip.reshape(batch * time, height, width, 3), self.traits.stride)
    halved = _halve(frames)
    settled, past = settle(
      halved.reshape(batch, time, *halved.shape[1:]),
      curve.settle.reshape(batch, time, 4),
      None if carry is None else {"frame": carry["frame"], "count": carry["count"]},
    )
    settled = cored(settled.reshape(halved.shape))
    balanced = curve.balanced(settled)
    brightest = value(balanced)
    bright = bend(balanced, brightest, curve.gain)

    conv = partial(Conv, kernel_size=(3, 3), dtype=self.dtype, kernel_init=_initial)
    block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
    told = partial(nn.Dense, dtype=self.dtype, kernel_init=nn.initializers.normal(0.05))

    x = bright.astype(self.dtype)
    levels: list[Array] = []
    coarsest = len(self.widths) - 1
    for level, features in enumerate(self.widths):
      x = conv(features, strides=2 if level else 1, name=f"down_{level}")(x)
      x = leaky_relu(x + told(features, name=f"told_{level}")(code)[:, None, None])
      for index in range(self.blocks[level]):
        x = block(dtype=self.dtype, name=f"encoder_{level}_{index}")(x)
      levels.append(x)
    x, kept = self._fuse(x, None if carry is None else carry["features"], batch, time)
    for level in reversed(range(coarsest)):
      x = bilinear_double(nn.Dense(self.widths[level], dtype=self.dtype, name=f"up_{level}")(x))
      x = leaky_relu(conv(self.widths[level], name=f"merge_{level}")(x + levels[level]))
      for index in range(self.decoder_blocks[level]):
        x = block(dtype=self.dtype, name=f"decoder_{level}_{index}")(x)
    # What is to be added is found from the very pixels that it is added to.
    x = jnp.concatenate([x, bright.astype(self.dtype)], axis=-1)
    x = leaky_relu(conv(self.widths[0], name="last")(x))
    small = nn.initializers.normal(0.01)
    x = Conv(13, (3, 3), dtype=self.dtype, kernel_init=small, name="maps")(x)
    x = x.astype(jnp.float32)
    added, bends = jnp.split(x, (12,), axis=-1)
    out = curve.mix(bend(balanced, brightest, curve.gain * local_gain(bends)))
    out = out + highlight_fade(settled) * added
    empty = curve.border * (1.0 - empty_fade(settled))
    out = out + empty * (settled - out)
    memory = {**past, "features": kept, "code": last_code}
    out = crop_to(depth_to_space(out, 2), height, width).reshape(clip.shape)
    return {"clip": out, "carry": memory}

  def _look(self, context: Array, past: Array | None) -> tuple[Array, Curve, Array]:
    """What is known of every frame [n, k], the curve that follows from it, and the next past."""
    batch, time = context.shape[:2]
    context = context.reshape(batch * time, *context.shape[2:])
    own = FrameCode(self.code, dtype=self.dtype, name="look")(context)
    develop = Develop(name="develop")
    # Each picture says how it would be exposed; what the frame gets follows slowly, as the code.
    log = log_gain(*develop(leaky_relu(own)), _halve(context))
    own = jnp.concatenate([own, log, bordered(context)], axis=-1)
    smooth, last = follow(own.reshape(batch, time, -1), past, self.adapt)
    smooth = smooth.reshape(batch * time, -1)
    code, log, border = jnp.split(smooth, (self.code, self.code + 1), axis=-1)
    code = leaky_relu(code)
    curve, _ = develop(code)
    gain = jnp.exp(log)[:, None, None]
    return code, dataclasses.replace(curve, gain=gain, border=border[:, None, None]), last

  def _fuse(self, x: Array, past: Array | None, batch: int, time: int) -> tuple[Array, Array]:
    """Runs the memory of the coarsest features along time: (blended features, last memory)."""
    steps = x.reshape(batch, time, *x.shape[1:])
    # A video starts with its first frame as its past.
    first = lax.index_in_dim(steps, 0, 1, keepdims=False)
    start = first if past is None else past.astype(self.dtype)
    scan = nn.scan(
      Fuse,
      variable_axes={"intermediates": 1},  # so that the gate can be watched
      variable_broadcast="params",
      split_rngs={"params": False},
      in_axes=1,
      out_axes=1,
      unroll=turns_at_once(time),
    )
    last, blended = scan(self.reach, dtype=self.dtype, name="fuse")(start, steps)
    return blended.reshape(x.shape), last.astype(jnp.float32)


def _halve(images: Float[Array, "n 2*h 2*w c"]) -> Float[Array, "n h w 4*c"]:
  """Two by two pixels become the channels of one: the inverse of `depth_to_space`."""
  count, height, width, channels = images.shape
  blocks = images.reshape(count, height // 2, 2, width // 2, 2, channels)
  return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(count, height // 2, width // 2, 4 * channels)
