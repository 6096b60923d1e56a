"""Kernel prediction network: denoises a burst, each pixel of each frame by a kernel of its own.

Mildenhall et al., "Burst Denoising with Kernel Prediction Networks", CVPR 2018 (arXiv 1712.02327),
in two published forms: the authors' TensorFlow release, shallower than the paper's network, and the
deeper PyTorch version by Bingo (github.com/z-bingo/kernel-prediction-networks-PyTorch).
"""

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.resize import bilinear_double, crop_to, pad_to_multiple


class ConvTriple(nn.Module):
  """Three 3x3 convolutions with ReLU; the last may be linear."""

  features: int
  linear_end: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w features"]:
    """[n, h, w, c] -> [n, h, w, features]."""
    for index in range(3):
      conv = Conv(
        self.features,
        (3, 3),
        kernel_init=nn.initializers.xavier_normal(),
        dtype=self.dtype,
        name=f"conv_{index}",
      )
      images = conv(images)
      if index < 2 or not self.linear_end:
        images = nn.relu(images)
    return images


class KPN(nn.Module):
  """Denoises every frame of a clip with the frames around it; it brightens nothing.

  The burst of a frame is the frame itself and its nearest neighbours in time, mirrored at the ends
  of the clip. Where the published programs give the noise level of each burst, it is a field here.
  Both forms double maps with half-pixel centres; TensorFlow 1 had them off by a quarter pixel.

  Attributes:
    form: "pytorch": the last stage goes through a 1x1 convolution at full size. "google": it ends
      linear, at half size. Kernels of the "google" form add the frames up, the others average them.
    color: kernels for each colour; otherwise one grey network denoises red, green and blue, each
      for itself.
    widths: channels of each level, finest first. The published ones are (64, 128, 256, 512, 512)
      for "pytorch" and, with `color=False`, (64, 128, 256) for "google".
    burst: frames of a burst.
    kernel: side of the kernels, odd.
    read_noise: standard deviation of the noise in the dark, at full scale 1.
    shot_noise: noise variance per light; the variance at x is shot_noise * x + read_noise**2.
    render: give light to the power 1/2.2, so that losses compare it as it is looked at; without, it
      stays linear, or whatever it was.
    input_kind: "srgb" or "raw_rgb"; the noise model is that of linear light.
    dtype: type of the computation of kernels; parameters stay float32, and so do the frames.
    remat: recompute stages in the backward pass instead of storing their activations.
  """

  form: Literal["pytorch", "google"] = "pytorch"
  color: bool = True
  widths: Sequence[int] = (64, 128, 256, 512, 512)
  burst: int = 8
  kernel: int = 5
  read_noise: float = 10**-2.25  # the middle of the published training range
  shot_noise: float = 10**-3.0
  render: bool = False
  input_kind: Literal["srgb", "raw_rgb"] = "srgb"
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Stride 2^poolings; half a burst to either side."""
    stride = 2 ** (len(self.widths) - 1)
    field = 1 + 6 * stride  # the coarsest level
    for level in range(len(self.widths) - 1):
      field += 2 ** (level + 1)  # doubling interpolates two pixels of the next coarser level
      field += (6 if level == 0 else 12) * 2**level + 2**level  # convolutions, pooling
    reach = max(abs(offset) for offset in self.offsets)
    return Traits(
      stride=stride,
      receptive_field=field + stride - 1,
      input_kind=self.input_kind,
      frames=2 * reach + 1,
    )

  @property
  def offsets(self) -> tuple[int, ...]:
    """Where the frames of a burst are: 0, -1, 1, -2, 2 and so on."""
    return tuple(sorted(range(-self.burst, self.burst + 1), key=lambda at: (abs(at), at)))[
      : self.burst
    ]

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "..."]]:
    """Denoises frames; `train` changes nothing.

    Returns:
      `clip` [b, t, h, w, 3], the mean of `burst` [b, t, n, h, w, 3]: every frame of the burst
      filtered by its own kernels, on which the published training puts a loss that fades out.

    Raises:
      UserError: unknown `form` or `input_kind`, an even kernel, or a burst without frames.
    """
    self._check()
    check_clip("kpn", clip, self.traits)
    batch, time, height, width, colors = clip.shape
    count = len(self.offsets)
    bursts = self._bursts(clip)  # [b, t, h, w, n, 3]
    if not self.color:
      bursts = bursts.transpose(0, 1, 5, 2, 3, 4)
    channels = colors if self.color else 1
    images = bursts.reshape(-1, height, width, count * channels).astype(jnp.float32)
    images = pad_to_multiple(images, self.traits.stride)
    filtered = _filter(images, self._kernels(images, channels), self.kernel, count)
    if self.form == "google":
      filtered = filtered * jnp.float32(count)
    filtered = crop_to(filtered, height, width)
    if self.color:
      filtered = filtered.reshape(batch, time, height, width, count, colors)
    else:
      filtered = filtered.reshape(batch, time, colors, height, width, count)
      filtered = filtered.transpose(0, 1, 3, 4, 5, 2)
    frames = filtered.transpose(0, 1, 4, 2, 3, 5)
    mean = frames.mean(axis=2)
    if self.render:
      mean, frames = _encoded(mean), _encoded(frames)
    return {"clip": mean, "burst": frames}

  def _check(self) -> None:
    if self.form not in ("pytorch", "google") or self.input_kind not in ("srgb", "raw_rgb"):
      raise UserError(
        f'kpn has the forms "pytorch" and "google" and takes "srgb" or "raw_rgb"; found '
        f"form {self.form!r}, input_kind {self.input_kind!r}"
      )
    if self.kernel % 2 == 0 or self.burst < 1 or len(self.widths) < 3:
      raise UserError(
        "kpn needs an odd kernel, a burst of a frame and three levels at least; found kernel "
        f"{self.kernel}, burst {self.burst}, widths {tuple(self.widths)}"
      )

  def _bursts(self, clip: Float[Array, "b t h w c"]) -> Float[Array, "b t h w n c"]:
    """The burst of every frame, itself first."""
    time = clip.shape[1]
    reach = self.traits.frames // 2
    # Frame by frame, since one gather has no counterpart in TensorFlow Lite; a triangle wave, so
    # that clips shorter than the burst go back and forth.
    period = jnp.maximum(2 * jnp.asarray(time) - 2, 1)

    def mirrored(place: Array) -> Array:
      position = place % period
      return lax.dynamic_slice_in_dim(clip, jnp.minimum(position, period - position), 1, 1)

    before = [mirrored(jnp.asarray(step)) for step in range(reach, 0, -1)]
    after = [mirrored(jnp.asarray(time) + step) for step in range(reach)]
    longer = jnp.concatenate([*before, clip, *after], axis=1)
    frames = [
      lax.slice_in_dim(longer, reach + at, reach + at + time, axis=1) for at in self.offsets
    ]
    return jnp.stack(frames, axis=4)

  def _kernels(self, images: Array, channels: int) -> Float[Array, "n h w k"]:
    """Kernel values of every pixel; the frame is the slow index, then the tap, then the colour."""
    triple = nn.remat(ConvTriple) if self.remat else ConvTriple
    first = lax.slice_in_dim(images, 0, channels, axis=-1)
    noise = jnp.sqrt(self.read_noise**2 + self.shot_noise * jnp.maximum(first, 0.0))
    x = jnp.concatenate([images, noise], axis=-1).astype(self.dtype)
    skips: list[Array] = []
    for level, features in enumerate(self.widths):
      if level:
        skips.append(x)
        x = _mean_pool_half(x)
      x = triple(features, dtype=self.dtype, name=f"encoder_{level}")(x)
    total = self.burst * self.kernel**2 * channels
    google = self.form == "google"
    for level in range(len(self.widths) - 2, 0, -1):
      features, end = (total, google) if level == 1 else (self.widths[level], False)
      x = jnp.concatenate([bilinear_double(x), skips[level]], axis=-1)
      x = triple(features, end, self.dtype, name=f"decoder_{level}")(x)
    x = bilinear_double(x)
    if google:
      return x
    init = nn.initializers.xavier_normal()
    return Conv(total, (1, 1), kernel_init=init, dtype=self.dtype, name="head")(x)


def _encoded(light: Array) -> Array:
  """Light to the power 1/2.2; a straight line below a thousandth, where that has no slope."""
  least, power = jnp.float32(1e-3), jnp.float32(1 / 2.2)
  curve = jnp.maximum(light, least) ** power
  return jnp.where(light > least, curve, light * least ** (power - 1))


def _mean_pool_half(images: Float[Array, "n h w c"]) -> Float[Array, "n h//2 w//2 c"]:
  """Mean of 2 x 2 pixels; sides are even."""
  for axis in (1, 2):
    end = images.shape[axis]
    even = lax.slice_in_dim(images, 0, end, stride=2, axis=axis)
    odd = lax.slice_in_dim(images, 1, end, stride=2, axis=axis)
    images = (even + odd) * 0.5
  return images


def _filter(
  images: Float[Array, "n h w fc"], kernels: Float[Array, "n h w k"], side: int, frames: int
) -> Float[Array, "n h w fc"]:
  """Filters each frame by kernels that differ from pixel to pixel; there is black around it."""
  count, height, width, both = images.shape
  channels = both // frames
  kernels = kernels.reshape(count, height, width, frames, side * side, channels)
  reach = side // 2
  padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
  total = jnp.zeros((count, height, width, frames, channels), jnp.float32)
  for tap in range(side * side):
    down, right = divmod(tap, side)
    rows = lax.slice_in_dim(padded, down, down + height, axis=1)
    moved = lax.slice_in_dim(rows, right, right + width, axis=2).reshape(total.shape)
    weight = lax.index_in_dim(kernels, tap, axis=4, keepdims=False)
    total = total + moved * weight.astype(jnp.float32)
  return total.reshape(images.shape)
