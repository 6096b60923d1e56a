"""MBLLVEN: a clip brightened by several branches, each at its own depth of features.

Lv et al., "MBLLEN: Low-light Image/Video Enhancement Using CNNs", BMVC 2018, the video form, as the
project "Extreme Dark Video Enhancement" (USC) rebuilt it for one-plane raw video.
"""

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from llve_jax.models.blocks import SpaceTimeConv, leaky_relu
from llve_jax.models.contract import Traits, check_clip
from llve_jax.ops.temporal_conv import Padding

WIDE = 5  # side of the branches' kernels, which lose and give back 4 pixels and frames each


class Branch(nn.Module):
  """One enhancement module: convolutions without padding, then transposed ones, back to the size.

  Attributes: those of `MBLLVEN`.
  """

  encoder: Sequence[int] = (8, 16, 16, 16)
  decoder: Sequence[int] = (16, 8, 3)
  temporal: Literal["taps", "conv3d"] = "taps"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, clip: Float[Array, "b t h w 3"]) -> Float[Array, "b t h w 3"]:
    """Leaky ReLU after every convolution, the last as well."""
    wide = (WIDE, WIDE, WIDE)
    layers: list[tuple[str, int, tuple[int, int, int], Padding]] = [
      ("encoder_0", self.encoder[0], (3, 3, 3), "SAME")
    ]
    for index, features in enumerate(self.encoder[1:], 1):
      layers.append((f"encoder_{index}", features, wide, "VALID"))
    for index, features in enumerate(self.decoder):
      layers.append((f"decoder_{index}", features, wide, "FULL"))
    for name, features, kernel, padding in layers:
      conv = SpaceTimeConv(
        features, kernel, padding, temporal=self.temporal, dtype=self.dtype, name=name
      )
      clip = leaky_relu(conv(clip))
    return clip


class MBLLVEN(nn.Module):
  """Brightens a mosaic clip, one plane as the sensor laid it out, to RGB of the same size.

  Of the features at each depth the first three channels go to that depth's branch and the others
  on to the next; those that the last depth passes on are not used (published so).

  Attributes:
    features: channels at each depth; more than three.
    branches: how many depths there are, each with its branch.
    encoder: channels of a branch on its way in; all convolutions but the first lose 4 pixels and
      frames.
    decoder: channels on its way back, as many as there are losses; the last should be 3.
    temporal: "taps" computes 3-D convolutions as 2-D ones, "conv3d" as such: the same parameters
      and numbers, other speed.
    dtype: type of the computation; parameters stay float32.
    remat: recompute branches in the backward pass instead of storing their activations.
  """

  features: int = 16
  branches: int = 5
  encoder: Sequence[int] = (8, 16, 16, 16)
  decoder: Sequence[int] = (16, 8, 3)
  temporal: Literal["taps", "conv3d"] = "taps"
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def traits(self) -> Traits:
    """Convolutions of stride 1 only; a clip must outlast what the branches lose."""
    lost = (WIDE - 1) * (len(self.encoder) - 1)
    # Ways in and back reach `lost` to either side together; before them, 3-taps.
    reach = 2 * (self.branches + 1 + lost) + 1
    return Traits(
      stride=1,
      receptive_field=reach,
      input_kind="mosaic",
      frames=reach,
      least_side=lost + 1,
      least_frames=lost + 1,
    )

  @nn.compact
  def __call__(
    self, clip: Float[Array, "b t h w 1"], *, train: bool = False
  ) -> dict[str, Float[Array, "b t h w 3"]]:
    """Mosaic frames in [0, 1] -> `clip`, sRGB of the same size, not clipped.

    Raises:
      ValueError: a clip that does not fit (`check_clip`), or too short or small for the branches.
      UserError: an unknown `temporal`.
    """
    check_clip("mbllven", clip, self.traits)
    branch_class = nn.remat(Branch) if self.remat else Branch
    kwargs = {"temporal": self.temporal, "dtype": self.dtype}
    rest = clip = clip.astype(self.dtype)
    parts = [clip]
    for depth in range(self.branches):
      x = leaky_relu(SpaceTimeConv(self.features, name=f"features_{depth}", **kwargs)(rest))
      branch = branch_class(self.encoder, self.decoder, name=f"branch_{depth}", **kwargs)
      parts.append(branch(x[..., :3]))
      rest = x[..., 3:]
    joined = jnp.concatenate(parts, axis=-1)
    out = SpaceTimeConv(3, (1, 1, 1), name="head", **kwargs)(joined)
    return {"clip": out.astype(jnp.float32)}
