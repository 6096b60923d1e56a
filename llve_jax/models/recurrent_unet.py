"""A small causal U-Net that remembers: aligned and gated fusion of features over time. Our own.

Every frame is encoded and decoded by itself, at a half, a quarter and an eighth of its size.
Between the two, each level blends its features with those of the frame before, as far as a gate
trusts them; at the coarsest level every position first looks for itself among its neighbours in the
past (attention over a small window), so that what moves is followed. Blended features are the
memory of the next frame, and a video of any length streams through. The frame itself, at full size,
is averaged with its past where nothing has changed, before it is brightened: the network says for
how long, and what counts as a change. Without that the noise of the one frame would be brightened
with it, and features that have averaged it away cannot take it back out.

The output is safe for highlights: a tone curve that keeps black black and white white, whatever
gain is learnt, plus a correction that fades where the input is nearly white. A lamp cannot turn
black.

It draws on gated recurrent fusion (Chan et al., "BasicVSR", CVPR 2021, there with optical flow) and
on attention as alignment (Wang et al., "EDVR", CVPRW 2019, there by deformable convolution).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.models.blocks import Conv, leaky_relu, turns_at_once
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.resize import bilinear_double, crop_to, pad_to_multiple
from llve_jax.ops.space import depth_to_space

Memory = dict[str, Array]

_HIGHLIGHT = 0.9  # from here to 1 the correction fades, and the past is forgotten
_SENSITIVITY = 60.0  # before anything is learnt: a change of 1/60 begins to count
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


class Align(nn.Module):
  """Fetches from the past, for every position, what looks like it within a window.

  Attributes:
    reach: positions to each side that are looked at.
    keys: channels that are compared.
  """

  reach: int
  keys: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, now: Float[Array, "n h w c"], past: Float[Array, "n h w c"]
  ) -> Float[Array, "n h w c"]:
    """Weighted mean of the past's neighbours; beyond the border there is nothing to fetch."""
    query = nn.Dense(self.keys, use_bias=False, dtype=self.dtype, name="query")(now)
    key = nn.Dense(self.keys, use_bias=False, dtype=self.dtype, name="key")(past)
    around = [
      (dy, dx)
      for dy in range(-self.reach, self.reach + 1)
      for dx in range(-self.reach, self.reach + 1)
    ]
    scale = 1.0 / self.keys**0.5
    scores = jnp.stack(
      [jnp.sum(query * _moved(key, *step), axis=-1).astype(jnp.float32) for step in around], -1
    )
    inside = jnp.ones((1, *past.shape[1:3], 1), jnp.float32)
    allowed = jnp.concatenate([_moved(inside, *step) for step in around], -1) > 0
    # The same place is the first guess: features that differ little do not wander.
    here = jnp.asarray([2.0 if step == (0, 0) else 0.0 for step in around], jnp.float32)
    weights = jax.nn.softmax(jnp.where(allowed, scores * scale + here, -1e9), axis=-1)
    weights = weights.astype(self.dtype)
    parts = [weights[..., k : k + 1] * _moved(past, *step) for k, step in enumerate(around)]
    return sum(parts[1:], start=parts[0])


class Fuse(nn.Module):
  """Blends a level's features with its memory.

  Attributes:
    reach: window of the alignment; 0 takes the past as it lies.
  """

  reach: int = 0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, past: Float[Array, "n h w c"], now: Float[Array, "n h w c"]
  ) -> tuple[Float[Array, "n h w c"], Float[Array, "n h w c"]]:
    """Returns the blend twice: as the next memory and as the output (the form of `nn.scan`)."""
    channels = now.shape[-1]
    if self.reach:
      past = Align(self.reach, max(1, channels // 4), dtype=self.dtype, name="align")(now, past)
    gate = Conv(channels, (3, 3), dtype=self.dtype, kernel_init=_initial, name="gate")
    trust = jax.nn.sigmoid(gate(jnp.concatenate([now, past, jnp.abs(now - past)], axis=-1)))
    blend = now + trust * (past - now)
    return blend, blend


class RecurrentUNet(nn.Module):
  """Brightens video frame by frame, with a memory.

  Attributes:
    widths: channels at a half, a quarter, ... of the frame's size.
    blocks: residual blocks per level in the encoder; the decoder has one.
    reach: at the coarsest level, positions to each side in which the past is looked for.
    dtype: type of the computation; parameters and memory stay float32.
    remat: recompute a level's blocks in the backward pass instead of storing their activations.
  """

  widths: Sequence[int] = (16, 32, 64)
  blocks: Sequence[int] = (1, 2, 2)
  reach: int = 2
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Stride 2^levels. The field is that of a single frame: memory carries what it saw farther."""
    sizes = [2 ** (level + 1) for level in range(len(self.widths))]  # pixels per position
    field = sizes[0] + 2 * sizes[0]  # a position at half size, and the stem
    for level, size in enumerate(sizes):
      field += size if level else 0  # the strided convolution, at the finer size
      field += 4 * size * self.blocks[level] + 2 * size  # blocks, gate
    field += 2 * self.reach * sizes[-1]
    for size in sizes[:-1]:
      field += 2 * (2 * size) + 2 * size + 4 * size  # doubling, merging, block
    field += 2 * sizes[0] + 2  # the correction, the box around a change
    stride = sizes[-1]
    return Traits(stride=stride, receptive_field=field + stride - 1, streaming=True)

  @nn.compact
  def __call__(
    self,
    clip: Float[Array, "b t h w 3"],
    carry: Memory | None = None,
    *,
    train: bool = False,
  ) -> dict[str, Any]:
    """Enhances sRGB frames in [0, 1]: `clip`, of the same shape and not clipped, and `carry`.

    Args:
      clip: frames that follow those that `carry` comes from.
      carry: what the call before returned; None starts a video.
      train: changes nothing; there is no dropout and there are no batch statistics.
    """
    del train
    check_clip("recurrent_unet", clip, self.traits)
    batch, time, height, width, _ = clip.shape
    frames = pad_to_multiple(clip.reshape(batch * time, height, width, 3), self.traits.stride)
    conv = partial(Conv, kernel_size=(3, 3), dtype=self.dtype, kernel_init=_initial)
    block = nn.remat(ResidualBlock) if self.remat else ResidualBlock

    x = leaky_relu(conv(self.widths[0], name="stem")(_halve(frames).astype(self.dtype)))
    memory: Memory = {}
    levels: list[Array] = []
    coarsest = len(self.widths) - 1
    for level, features in enumerate(self.widths):
      if level:
        x = leaky_relu(conv(features, strides=(2, 2), name=f"down_{level}")(x))
      for index in range(self.blocks[level]):
        x = block(dtype=self.dtype, name=f"encoder_{level}_{index}")(x)
      past = None if carry is None else carry[f"level_{level}"]
      reach = self.reach if level == coarsest else 0
      x, memory[f"level_{level}"] = self._fuse(x, past, batch, time, reach, f"fuse_{level}")
      levels.append(x)

    gain = Conv(3, (1, 1), dtype=jnp.float32, name="gain")(x.astype(jnp.float32))
    for level in reversed(range(coarsest)):
      x = bilinear_double(nn.Dense(self.widths[level], dtype=self.dtype, name=f"up_{level}")(x))
      x = leaky_relu(conv(self.widths[level], name=f"merge_{level}")(x + levels[level]))
      x = block(dtype=self.dtype, name=f"decoder_{level}")(x)
      gain = bilinear_double(gain)
    correction = Conv(
      12, (3, 3), dtype=self.dtype, kernel_init=nn.initializers.normal(0.01), name="correction"
    )(x)
    control = Conv(
      8, (3, 3), dtype=self.dtype, kernel_init=nn.initializers.normal(0.01), name="steady"
    )(x)
    settled, memory["frame"] = _settle(
      frames.reshape(batch, time, *frames.shape[1:]),
      depth_to_space(control.astype(jnp.float32), 2).reshape(batch, time, *frames.shape[1:3], 2),
      None if carry is None else carry["frame"],
    )
    out = _develop(
      settled.reshape(frames.shape),
      bilinear_double(gain),
      depth_to_space(correction.astype(jnp.float32), 2),
    )
    return {"clip": crop_to(out, height, width).reshape(clip.shape), "carry": memory}

  def _fuse(
    self, x: Array, past: Array | None, batch: int, time: int, reach: int, name: str
  ) -> tuple[Array, Array]:
    """Runs one level's memory along time: (blended features, last memory)."""
    steps = x.reshape(batch, time, *x.shape[1:])
    # A video starts with its first frame as its past.
    start = steps[:, 0] if past is None else past.astype(self.dtype)
    scan = nn.scan(
      Fuse,
      variable_broadcast="params",
      split_rngs={"params": False},
      in_axes=1,
      out_axes=1,
      unroll=turns_at_once(time),
    )
    last, blended = scan(reach, dtype=self.dtype, name=name)(start, steps)
    return blended.reshape(x.shape), last.astype(jnp.float32)


def _settle(
  frames: Float[Array, "b t h w 3"],
  control: Float[Array, "b t h w 2"],
  past: Float[Array, "b h w 3"] | None,
) -> tuple[Float[Array, "b t h w 3"], Float[Array, "b h w 3"]]:
  """Averages every pixel with its past as long as nothing there has changed.

  y_t = x_t + a (y_{t-1} - x_t), a = sigmoid(c - k |box(x_t - y_{t-1})|): the network says how long
  a pixel is remembered (c) and how large a change counts as one (k). The box of 3 x 3 pixels
  averages noise away from the change, but not an edge that moves. What is clipped now is never
  mixed with what was not.

  Returns:
    The averaged frames and the last of them, which is the next past.
  """
  longer = 1.0 + control[..., :1]
  sensitive = _SENSITIVITY * jax.nn.softplus(control[..., 1:] + 0.54)  # softplus(0.54) = 1

  def step(before: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    frame, longer, sensitive = now
    change = jnp.mean(jnp.abs(_box(frame - before)), axis=-1, keepdims=True)
    kept = _fade(frame) * jax.nn.sigmoid(longer - sensitive * change)
    mixed = frame + kept * (before - frame)
    return mixed, mixed

  in_time = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (frames, longer, sensitive))
  start = frames[:, 0] if past is None else past
  last, settled = jax.lax.scan(step, start, in_time, unroll=turns_at_once(frames.shape[1]))
  return jnp.swapaxes(settled, 0, 1), last


def _box(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
  """Mean of 3 x 3 pixels; beyond the border there is 0."""
  for dy, dx in ((1, 0), (0, 1)):
    x = (x + _moved(x, dy, dx) + _moved(x, -dy, -dx)) / 3.0
  return x


def _fade(frames: Float[Array, "n h w 3"]) -> Float[Array, "n h w 1"]:
  """1 for most pixels, 0 where the brightest colour is clipped, linear in between."""
  brightest = jnp.max(frames, axis=-1, keepdims=True)
  return jnp.clip((1.0 - brightest) / (1.0 - _HIGHLIGHT), 0.0, 1.0)


def _develop(
  frames: Float[Array, "n h w 3"],
  gain: Float[Array, "n h w 3"],
  correction: Float[Array, "n h w 3"],
) -> Float[Array, "n h w 3"]:
  """Applies gain and correction so that white stays white.

  The curve x g / (1 + (g - 1) x) has the slope g at black, and goes through 0 and 1 for any g > 0.
  """
  gain = 1.0 + jax.nn.softplus(gain + 1.0)  # brightens by 2.3 before anything is learnt
  curve = frames * gain / (1.0 + (gain - 1.0) * frames)
  return curve + _fade(frames) * correction


def _moved(x: Float[Array, "n h w c"], dy: int, dx: int) -> Float[Array, "n h w c"]:
  """What lies (dy, dx) away from every position; zero beyond the border."""
  height, width = x.shape[1:3]
  pads = ((0, 0), (max(-dy, 0), max(dy, 0)), (max(-dx, 0), max(dx, 0)), (0, 0))
  padded = jnp.pad(x, pads)
  top, left = max(dy, 0), max(dx, 0)
  rows = jax.lax.slice_in_dim(padded, top, top + height, axis=1)
  return jax.lax.slice_in_dim(rows, left, left + width, axis=2)


def _halve(images: Float[Array, "n 2*h 2*w c"]) -> Float[Array, "n h w 4*c"]:
  """Two by two pixels become the channels of one: the inverse of `depth_to_space`."""
  count, height, width, channels = images.shape
  blocks = images.reshape(count, height // 2, 2, width // 2, 2, channels)
  return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(count, height // 2, width // 2, 4 * channels)
