"""MBLLEN: enhances features of ten depths, each in its own branch, and fuses the results.

Lv et al., "MBLLEN: Low-Light Image/Video Enhancement Using CNNs", BMVC 2018, as in its published
code, whose branches are wider than the paper's.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.errors import UserError
from llve_jax.models.blocks import Conv
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.color import luma

Images = Float[Array, "n h w 3"]

KERNEL = 5
REACH = KERNEL - 1  # pixels that a convolution without padding takes off each side length


def _conv(features: int, kernel: int, padding: Any, dtype: Any, name: str) -> nn.Conv:
  return Conv(
    features,
    (kernel, kernel),
    padding=padding,
    kernel_init=nn.initializers.xavier_uniform(),
    dtype=dtype,
    name=name,
  )


class Branch(nn.Module):
  """Three 5x5 convolutions that shrink the map, three transposed ones that bring it back."""

  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, images: Float[Array, "n h w c"]) -> Images:
    """ReLU after every convolution, also the last."""
    x = nn.relu(_conv(self.width, 3, "SAME", self.dtype, "entry")(images))
    for index, factor in enumerate((1, 2, 4)):
      x = nn.relu(_conv(factor * self.width, KERNEL, "VALID", self.dtype, f"shrink_{index}")(x))
    # A transposed convolution of stride 1 is one over zeros all around, with the kernel mirrored;
    # the importer mirrors published kernels.
    around = ((REACH, REACH), (REACH, REACH))
    for index, features in enumerate((2 * self.width, self.width, 3)):
      x = nn.relu(_conv(features, KERNEL, around, self.dtype, f"grow_{index}")(x))
    return x


class MBLLEN(nn.Module):
  """Enhances each frame by itself; time is folded into the batch.

  Attributes:
    features: channels of the feature convolutions.
    depth: how many of them, one after the other, each with a branch.
    width: channels of a branch; it goes to four times that and back.
    post: what becomes of the result outside of training: "none", "stretch", see there, or
      "released", that as the published program has it. Both look at whole frames.
    dtype: type of the computation; parameters stay float32.
    remat: recompute branches in the backward pass instead of storing their activations.
  """

  features: int = 32
  depth: int = 10
  width: int = 8
  post: Literal["none", "stretch", "released"] = "none"
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Three unpadded 5x5 convolutions take 12 pixels off a side, and one must be left.

    Raises:
      UserError: unknown `post`.
    """
    if self.post not in ("none", "stretch", "released"):
      raise UserError(f'post is {self.post!r}; expected "none", "stretch" or "released"')
    return Traits(
      stride=1,
      receptive_field=1 + 2 * self.depth + 2 + 6 * REACH,
      whole_frame_only=self.post != "none",
      least_side=3 * REACH + 1,
    )

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 3"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w 3"]]:
    """Enhances sRGB frames in [0, 1]; returns `clip`, from 0, not clipped at 1."""
    check_clip("mbllen", clip, self.traits)
    batch, time, height, width, channels = clip.shape
    branch = nn.remat(Branch) if self.remat else Branch
    x = clip.reshape(batch * time, height, width, channels).astype(self.dtype)
    results: list[Array] = []
    for index in range(self.depth):
      x = nn.relu(_conv(self.features, 3, "SAME", self.dtype, f"feature_{index}")(x))
      results.append(branch(self.width, self.dtype, name=f"branch_{index}")(x))
    fusion = _conv(3, 1, "SAME", self.dtype, "fusion")
    out = nn.relu(fusion(jnp.concatenate(results, axis=-1)))
    if self.post != "none" and not train:
      out = stretch(out.astype(jnp.float32), released=self.post == "released")
    return {"clip": out.astype(jnp.float32).reshape(clip.shape)}


def stretch(
  images: Images,
  *,
  high: float = 95.0,
  low: float = 5.0,
  bright: float = 0.8,
  gamma: float = 0.8,
  released: bool = False,
) -> Images:
  """What the published program does to an output before it writes it; no part of the network.

  It makes pictures livelier and costs about 10 dB of PSNR: `MBLLEN.post` is "none". Per image:
  (1) where fewer than 100 - `high` percent of the pixels have a luma of `bright` or more, scale so
  that the percentile `high` of luma becomes `bright`, and clip at 1; (2) move the percentile `low`
  of luma to 0, keeping 1; (3) raise the saturation (of hue, saturation and value) to `gamma`.

  Args:
    images: sRGB from 0.
    high: percentile in [0, 100].
    low: percentile in [0, 100].
    bright: luma in [0, 1].
    gamma: below 1 makes colours stronger.
    released: as the published program: its luma reads green where blue belongs, and step 2 leaves
      values below 0, whose saturation is then larger than 1.

  Returns:
    sRGB in [0, 1].

  Raises:
    UserError: images that are not [n, h, w, 3].
  """
  if images.ndim != 4 or images.shape[-1] != 3:
    raise UserError(f"stretch takes sRGB images [n, h, w, 3]; found {images.shape}")

  def light(images: Images) -> Float[Array, "n h*w"]:
    seen = images[..., jnp.array([0, 1, 1])] if released else images
    return luma(seen).reshape(images.shape[0], -1)

  def each(values: Float[Array, "n"]) -> Float[Array, "n 1 1 1"]:
    return values[:, None, None, None]

  lit = light(images)
  counted = (lit <= 1.0) if released else jnp.isfinite(lit)
  above, of = (jnp.sum(each, axis=1, dtype=lit.dtype) for each in (lit >= bright, counted))
  dark = above < (1.0 - high / 100) * of
  scale = bright / jnp.maximum(jnp.percentile(lit, high, axis=1), 1e-6)
  images = jnp.where(each(dark), jnp.minimum(images * each(scale), 1.0), images)

  black = each(jnp.percentile(light(images), low, axis=1))
  images = (images - black) / jnp.maximum(1.0 - black, 1e-6)
  if not released:
    images = jnp.maximum(images, 0.0)

  # With hue and value kept, every channel's distance to the largest grows as the saturation does.
  value = images.max(axis=-1, keepdims=True)
  chroma = value - images.min(axis=-1, keepdims=True)
  saturation = chroma / jnp.maximum(jnp.abs(value), 1e-6)
  share = jnp.where(chroma > 0, (value - images) / jnp.where(chroma > 0, chroma, 1.0), 0.0)
  images = value * (1.0 - share * jnp.maximum(saturation, 1e-12) ** gamma)
  return jnp.clip(images, 0.0, 1.0)
